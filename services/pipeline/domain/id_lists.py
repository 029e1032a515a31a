"""Whom a file means: a CSV with a column of ids, or an id a line."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Literal, NamedTuple

from services.pipeline.domain.refusals import Refused

Column = Literal["lead_ids", "external_ids"]
COLUMNS: dict[str, Column] = {"lead_id": "lead_ids", "external_id": "external_ids"}


class Ids(NamedTuple):
    """The ids of a file, of which kind, and in which line of it each ends."""

    column: Column
    ids: list[str]
    lines: list[int]


def ids_of(content: bytes) -> Ids:
    """What kind of ids a file has, and which. Raises `Refused` where there are none."""
    try:
        reader = csv.reader(StringIO(content.decode("utf-8-sig")))
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error):
        raise _wrong("The file is no CSV in UTF-8.", "Save it as CSV in UTF-8.") from None
    if not rows:
        raise _wrong("The file is empty.", "Send a file with an id a line.")
    header = [cell.strip().casefold() for cell in rows[0][1]]
    named = next((name for name in COLUMNS if name in header), None)
    if named is None and len(header) > 1:
        raise _wrong("The file has no column lead_id or external_id.", "Name the column with the ids so.")
    place = header.index(named) if named is not None else 0
    found = [(line, row[place].strip()) for line, row in (rows if named is None else rows[1:]) if len(row) > place]
    ids = [(line, one) for line, one in found if one]
    if not ids:
        raise _wrong("The column of ids is empty.", "Send a file with an id a line.")
    return Ids(COLUMNS[named or "lead_id"], [one for _, one in ids], [line for line, _ in ids])


def _wrong(detail: str, fix: str) -> Refused:
    return Refused(detail, kind="invalid", code="wrong-file", field="file", fix=fix)
