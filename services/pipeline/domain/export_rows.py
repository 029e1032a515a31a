"""Exported rows as CSV and as NDJSON."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

PERSON = ("name", "email", "phone", "company", "job_title", "country", "language")
"""What of a person has a column of its own; all else that is known stands in one, as JSON."""

_NUMBER = re.compile(r"[+-]?\d[\d ]*([.,]\d+)?\Z")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def harmless(text: str) -> str:
    """A text that a spreadsheet would run, with an apostrophe before it, which makes it text; a number is none. Some part cells at
    semicolons, so what begins behind one is looked at too."""
    first, *more = text.split(";")
    return ";".join([_harmless(first), *map(_harmless, more)])


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.match(text) else text


def cell(value: Any) -> str:
    """A value as CSV has it: times in ISO 8601, lists and objects as JSON, nothing for what is not known."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat()
        case UUID() | int() | float():
            return str(value)
        case str():
            return harmless(value)
        case _:
            return harmless(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode())


def csv_header(columns: Sequence[str]) -> bytes:
    """The first line of a file."""
    return _lines([_flat_columns(columns)])


def as_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Rows as lines of CSV (RFC 4180, UTF-8)."""
    flat = _flat_columns(columns)
    return _lines([cell(_flat(row)[name]) for name in flat] for row in rows)


def as_ndjson(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as a JSON object a line."""
    return b"".join(orjson.dumps(row, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE) for row in rows)


def _flat_columns(columns: Sequence[str]) -> list[str]:
    flat: list[str] = []
    for name in columns:
        flat += [*PERSON, name] if name == "personal" else [name]
    return flat


def _flat(row: Mapping[str, Any]) -> Mapping[str, Any]:
    if "personal" not in row:
        return row
    known = row["personal"]
    rest = {name: value for name, value in known.items() if name not in PERSON}
    return {**row, **{name: known.get(name) for name in PERSON}, "personal": rest or None}


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode("utf-8", "replace")
