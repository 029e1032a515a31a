"""An answer as what was asked for: JSON, or a flat table as CSV, Arrow or Parquet with the same columns for every KPI."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

import orjson
import pyarrow as pa
from fastapi import Response
from pyarrow import ipc, parquet

from shared.contracts.spreadsheets import cell, lines
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer

PARAMETER = "format"

FormT = TypeVar("FormT")


class Format(StrEnum):
    """How an answer is written."""

    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv",
    Format.ARROW: "application/vnd.apache.arrow.stream",
    Format.PARQUET: "application/vnd.apache.parquet",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}},
    406: {"description": "Nothing that `Accept` names can be written."},
}

_ABOUT = ("kpi", "version", "unit", "basis", "from", "to", "as_of", "folded_to")
_ASKED = {
    "of": "of",
    "attribution": "attribution",
    "currency": "asked_currency",
    "rates": "rates",
    "lag_days": "lag_days",
}
"""What an answer says of how it was asked for, where that makes it another number, and how a row calls it."""
_INTEGERS = ("horizon_days", "lag_days")
_COUNTS = ("n", "horizon_days", "negative", "never_contacted", "without_amount")
"""Whole numbers, except where a rule of attribution gives parts of a lead to several."""
_NUMBERS = (
    "value", "numerator", "denominator", "mean", "median", "p50", "p75", "p90", "p95", "interval_low", "interval_high", "maturity",
    "change_absolute", "change_relative",
)  # fmt: skip
_MOMENTS = ("as_of", "folded_to")
_INNER = {"quantiles": "", "interval": "interval_"}
"""What stands inside a value, and how its own names begin in a flat row."""


def wanted(accept: str | None, parameters: Sequence[tuple[str, str]]) -> tuple[Format, list[tuple[str, str]]]:
    """The format asked for, by parameter or else by `Accept`, and the other parameters. Raises `Rejected`."""
    named = [value for name, value in parameters if name == PARAMETER]
    others = [(name, value) for name, value in parameters if name != PARAMETER]
    if named:
        found = next((one for one in Format if one == named[-1]), None)
        if found is None:
            raise Rejected(
                "There is no format of this name.",
                code="invalid-parameter",
                field=PARAMETER,
                fix=f"Use {', '.join(Format)}.",
            )
        return found, others
    return accepted(accept, MEDIA_TYPES), others


def accepted(accept: str | None, media_types: Mapping[FormT, str]) -> FormT:
    """Of what can be written, that which is liked best; the first of them where nobody says. Raises `Rejected`."""
    if not accept or not accept.strip():
        return next(iter(media_types))
    liked: list[tuple[float, int, FormT]] = []
    for place, one in enumerate(accept.split(",")):
        media_type, *settings = [part.strip().lower() for part in one.split(";")]
        weight = next((_weight(each[2:]) for each in settings if each.startswith("q=")), 1.0)
        for known, full_name in media_types.items():
            name = full_name.partition(";")[0]
            if weight > 0 and media_type in (name, "*/*", f"{name.partition('/')[0]}/*"):
                liked.append((-weight, place, known))
                break
    if not liked:
        raise Rejected(
            "None of these is written here.", status=406, code="not-acceptable", field="Accept",
            fix=f"Accept {', '.join(media_types.values())}.",
        )  # fmt: skip
    return min(liked, key=lambda one: one[:2])[2]


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


async def answer_as(format: Format, answer: Mapping[str, Any]) -> Response:  # noqa: A002
    """The response with an answer."""
    if format is Format.JSON:
        return JSONAnswer(answer, headers={"Vary": "Accept"})
    content = as_csv(answer) if format is Format.CSV else await asyncio.to_thread(_as_table, format, answer)
    headers = {"Vary": "Accept", "Content-Disposition": f'attachment; filename="{answer["kpi"]}.{format}"'}
    media_type = "text/csv; charset=utf-8" if format is Format.CSV else MEDIA_TYPES[format]
    return Response(content, media_type=media_type, headers=headers)


def columns(answer: Mapping[str, Any]) -> list[str]:
    """What each row has: by which KPI and window it is, the cuts, and everything a value of any KPI can have."""
    return [
        *_ABOUT,
        *_ASKED.values(),
        "window",
        "is_total",
        *answer["group_by"],
        "currency",
        *_NUMBERS,
        *_COUNTS,
        "more",
    ]


def rows(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for each group and currency and one for the total; those of the window that it is compared with behind them."""
    about = {name: answer[name] for name in _ABOUT}
    asked = {column: answer[name] for name, column in _ASKED.items() if answer.get(name) is not None}
    about |= {column: value if column in _INTEGERS else str(value) for column, value in asked.items()}
    compared = answer.get("comparison")
    moved = (compared.get("change") or {}) if compared else {}
    yield from _of_window({**about, "window": "asked"}, answer, {f"change_{how}": by for how, by in moved.items()})
    if compared:
        yield from _of_window({**about, "window": "compared", "from": compared["from"], "to": compared["to"]}, compared)


def _of_window(
    about: Mapping[str, Any], answer: Mapping[str, Any], of_total: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[dict[str, Any]]:
    for group in answer["groups"]:
        own = {name: value for name, value in group.items() if name != "key"}
        yield from _each_currency({**about, "is_total": False, **group["key"]}, own)
    yield from _each_currency({**about, "is_total": True, **of_total}, answer["total"])


def _each_currency(about: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for each; what is said of all of them together stands in each row, how many those are as `n_of_all`."""
    several = values.get("by_currency")
    for currency, own in (several or {values.get("currency"): values}).items():
        row: dict[str, Any] = {**about, "currency": currency}
        more: dict[str, Any] = {"n_of_all": values["n"]} if several else {}
        beside = {name: value for name, value in values.items() if name not in own and value is not None}
        for name, value in {**beside, **own}.items():
            if name in _INNER and isinstance(value, Mapping):
                row.update(
                    {_INNER[name] + inner: each for inner, each in value.items() if _INNER[name] + inner in _NUMBERS}
                )
            elif name in _NUMBERS or name in _COUNTS:
                row[name] = value
            elif name not in ("currency", "by_currency"):
                more[name] = value
        yield {**row, "more": orjson.dumps(more, option=orjson.OPT_NON_STR_KEYS).decode() if more else None}


def as_csv(answer: Mapping[str, Any]) -> bytes:
    """For spreadsheets: nothing in it is run."""
    names = columns(answer)
    return lines([names, *([cell(row.get(name)) for name in names] for row in rows(answer))])


def _as_table(format: Format, answer: Mapping[str, Any]) -> bytes:  # noqa: A002
    table = as_arrow(answer)
    buffer = io.BytesIO()
    if format is Format.PARQUET:
        parquet.write_table(table, buffer, compression="zstd")
    else:
        with ipc.new_stream(buffer, table.schema) as stream:
            stream.write_table(table)
    return buffer.getvalue()


def as_arrow(answer: Mapping[str, Any]) -> Any:
    """The rows in columns; the definition stands in the schema."""
    about = {"definition": orjson.dumps(answer["definition"]), "kpi": str(answer["kpi"]).encode()}
    schema = pa.schema([(name, _type(name)) for name in columns(answer)], metadata=about)
    return pa.Table.from_pylist([_typed(row) for row in rows(answer)], schema=schema)


def _type(name: str) -> Any:
    if name in _MOMENTS:
        return pa.timestamp("us", tz="UTC")
    if name == "is_total":
        return pa.bool_()
    if name in (*_INTEGERS, "version"):
        return pa.int64()
    return pa.float64() if name in (*_NUMBERS, *_COUNTS) else pa.string()


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Bounds of a window are days or moments, so they are text; a moment of an answer is in UTC."""
    found = {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}
    moments = {name: row[name].astimezone(UTC) for name in _MOMENTS if isinstance(row.get(name), datetime)}
    numbers = {
        name: float(row[name]) for name in (*_NUMBERS, *_COUNTS) if row.get(name) is not None and name not in _INTEGERS
    }
    return {**found, **moments, **numbers}
