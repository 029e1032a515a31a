"""Values as cells of CSV that people open in spreadsheets: nothing that a sender wrote is run there."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import orjson

_NUMBER = re.compile(r"[+-]?\d[\d ]*([.,]\d+)?\Z")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def harmless(text: str) -> str:
    """A text that a spreadsheet would run, with an apostrophe before it, which makes it text; a number is none. Some part cells at
    semicolons, so what begins behind one is looked at too. What has apostrophes before it already gets one more, so that no two
    texts become one."""
    return ";".join(f"'{part}" if _would_run(part) else part for part in text.split(";"))


def as_it_was(text: str) -> str:
    """The text that became this one by `harmless`."""
    return ";".join(part[1:] if part[:1] == "'" and _would_run(part) else part for part in text.split(";"))


def _would_run(part: str) -> bool:
    bare = part.lstrip("'")
    return bare.startswith(_FORMULA) and not _NUMBER.match(bare)


def cell(value: Any) -> str:
    """A value as CSV has it: times in ISO 8601, lists and objects as JSON, nothing for what is not known."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case date():
            return value.isoformat()
        case UUID() | int() | float():
            return str(value)
        case str():
            return harmless(value)
        case _:
            return harmless(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode())


def lines(rows: Iterable[Sequence[str]]) -> bytes:
    """Cells as lines of CSV (RFC 4180, UTF-8)."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode("utf-8", "replace")
