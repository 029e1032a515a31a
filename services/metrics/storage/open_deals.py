"""Open deals added up by the day on which they are expected to close, with the powers of their amounts: what they are likely to
bring reads few rows, however many there are, and to the last digit it is what they bring one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.metrics.domain.entries import DIMENSIONS, Entry, Measure
from services.metrics.domain.questions import Question
from services.metrics.domain.rollups import Rules, local_day
from services.metrics.storage.drifting import Drift, drifting
from services.metrics.storage.turning import TURNS
from shared.kit.database import Reader, Transaction

OPEN = Measure.OPPORTUNITY_OPEN

PLACE = {
    "dimension": "text", "expected_day": "date", "business_unit": "text", "value": "text", "pipeline": "text", "stage": "text",
    "currency": "text",
}  # fmt: skip
"""In what one sum is of: its stage is always known, since that says how likely they are won."""

POWERS = {
    "total": "amount", "squares": "amount * amount", "cubes": "amount * amount * amount",
    "below": "least(amount, 0)", "above": "greatest(amount, 0)",
}  # fmt: skip
PARTS = ("count", *POWERS)

NO_DAY = "DATE '0001-01-01'"
"""Stands for the day of those of which nobody said when they close."""

READ = ("expected_day", "business_unit", "pipeline", "currency", "amount", *DIMENSIONS)
CUT_BY = tuple(name for name in DIMENSIONS if name != "stage")


def spread_sql(source: str, cut_by: Iterable[str] = CUT_BY) -> str:
    """The sums of deals, from a table or CTE with what is `READ` of each and the `sign` with which it counts."""
    cuts = ", ".join(["('', '')", *(f"('{name}', {name})" for name in cut_by)])
    parts = {"count": "CAST(sum(sign) AS bigint)"}
    parts |= {name: f"coalesce(sum(sign * {power}), 0)" for name, power in POWERS.items()}
    return f"""
        SELECT dimension, coalesce(expected_day, {NO_DAY}) AS expected_day, business_unit, value,
            coalesce(pipeline, '') AS pipeline, coalesce(stage, '') AS stage, coalesce(currency, '') AS currency,
            {", ".join(f"{sql} AS {name}" for name, sql in parts.items())}
        FROM {source} CROSS JOIN LATERAL (VALUES {cuts}) AS cut (dimension, value)
        WHERE dimension = '' OR value <> ''
        GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING {" OR ".join(f"{sql} <> 0" for sql in parts.values())}"""


def _entries(held: str = "valid_to IS NULL", sign: int = 1) -> str:
    return f"""
        SELECT CAST({sign} AS bigint) AS sign, {", ".join(READ)} FROM metrics.entries WHERE measure = '{OPEN}' AND {held}"""


def _adding(source: str) -> str:
    """Adds to sums what they lack, in an order that is the same for all writers."""
    place, parts = ", ".join(PLACE), ", ".join(PARTS)
    return f"""
        INSERT INTO metrics.open_deals AS old ({place}, {parts}) SELECT {place}, {parts} FROM ({source}) AS more
        ORDER BY {place}
        ON CONFLICT ({place}) DO UPDATE SET {", ".join(f"{one} = old.{one} + excluded.{one}" for one in PARTS)}"""


KINDS = {"sign": "bigint", **dict.fromkeys(READ, "text"), "expected_day": "date", "amount": "numeric"}
CHANGES = f"json_to_recordset(CAST(:rows AS json)) AS r({', '.join(f'{name} {kind}' for name, kind in KINDS.items())})"
CHANGING = _adding(spread_sql(CHANGES))


async def add_changes(tx: Transaction, gone: Iterable[Entry], come: Iterable[Entry], rules: Rules) -> None:
    """Takes off what a batch took of open deals, and adds what it brought."""
    await tx.set_wise(
        CHANGING,
        [
            _row(entry, sign, rules)
            for sign, entries in ((-1, gone), (1, come))
            for entry in entries
            if entry.measure is OPEN and entry.valid_to is None
        ],
    )


def _row(entry: Entry, sign: int, rules: Rules) -> dict[str, Any]:
    unit, close = entry.business_unit, entry.expected_close
    return {
        "sign": sign,
        "expected_day": None if close is None else local_day(close, rules(unit).zone),
        "business_unit": unit,
        "pipeline": entry.pipeline,
        "currency": entry.currency,
        "amount": None if entry.amount is None else str(entry.amount),
        **entry.dims._asdict(),
        "stage": entry.stage,
        "reason": entry.reason,
    }


async def drifts(connection: AsyncConnection, measure: str) -> AsyncIterator[Drift]:
    """The sums that differ from what entries say, each with what it lacks: none of another measure's."""
    if measure == OPEN:
        deals, kept = f"deals AS ({_entries()}),", "SELECT * FROM metrics.open_deals"
        async for one in drifting(connection, PLACE, PARTS, wanted=spread_sql("deals"), kept=kept, beside=deals):
            yield one


async def add(tx: Transaction, found: Sequence[Drift]) -> None:
    """Adds to sums what they lack."""
    kinds = {**PLACE, "count": "bigint", **dict.fromkeys(POWERS, "numeric")}
    columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    await tx.set_wise(
        _adding(f"SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r({columns})"),
        [{**one.place, **{name: str(part) for name, part in one.parts.items()}} for one in found],
    )


async def agree(database: Reader) -> bool:
    """Whether as many deals of as much are in these sums as are counted as open: they are filled where they are made, and whoever
    folded with an earlier version meanwhile did not know of them."""
    (row,) = await database.rows(
        """
        SELECT deals.n = counted.n AND deals.amount = counted.amount AS agree
        FROM (SELECT coalesce(sum(count), 0) AS n, coalesce(sum(total), 0) AS amount
              FROM metrics.open_deals WHERE dimension = '') AS deals,
            (SELECT coalesce(sum(count), 0) AS n, coalesce(sum(amount), 0) AS amount
             FROM metrics.rollups WHERE measure = :still_open AND dimension = '') AS counted""",
        still_open=OPEN.value,
    )
    return bool(row.agree)


def deals_of(question: Question) -> str:
    """Where the sums of a question are read: behind the newest fact with what counted otherwise then."""
    if not question.behind:
        return "metrics.open_deals"
    place, parts = ", ".join(PLACE), ", ".join(PARTS)
    turned = " UNION ALL ".join(_entries(held, sign) for held, sign in TURNS)
    cut_by = [name for name in CUT_BY if name == question.dimension]
    return f"""(
        SELECT {place}, {parts} FROM metrics.open_deals
        UNION ALL SELECT {place}, {parts} FROM ({spread_sql(f"({turned}) AS deals", cut_by)}) AS turned) AS open_deals"""
