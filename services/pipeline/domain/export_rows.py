"""Exported rows as CSV and as NDJSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from shared.contracts.spreadsheets import cell, lines

PERSON = ("name", "email", "phone", "company", "job_title", "country", "language")
"""What of a person has a column of its own; all else that is known stands in one, as JSON."""


def csv_header(columns: Sequence[str]) -> bytes:
    """The first line of a file."""
    return lines([_flat_columns(columns)])


def as_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Rows as lines of CSV (RFC 4180, UTF-8)."""
    flat = _flat_columns(columns)
    return lines([cell(_flat(row)[name]) for name in flat] for row in rows)


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
