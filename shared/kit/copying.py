"""Rows as COPY reads them, which is the cheapest way into a table: no plan, no second look for conflicts, and the rows of
a page go to the write-ahead log together.

A JSON string is a CSV field that is quoted and escaped by backslashes, so the JSON encoder writes the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

OPTIONS = r"""FORMAT csv, NULL 'null', QUOTE '"', ESCAPE '\'"""

_ESCAPE = re.compile(rb"\\(u[0-9a-f]{4}|.)")
_UNUSUAL = re.compile(rb'\\[^"]')
_PLAIN = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def as_csv(rows: Iterable[Sequence[Any]]) -> bytes:
    """Rows in the form of `OPTIONS`. UUIDs and datetimes are written as PostgreSQL reads them, None as null; what goes
    into a JSON column is given as text."""
    lines = b"\n".join([orjson.dumps(row)[1:-1] for row in rows])
    # Control characters are the one thing that JSON escapes and CSV does not. They are rare: nearly always there is no backslash but
    # before a quote.
    if _UNUSUAL.search(lines) is None:
        return lines
    if b"\\" in lines.replace(rb"\\", b"").replace(rb"\"", b""):
        return _ESCAPE.sub(_plainly, lines)
    return lines


def _plainly(escape: re.Match[bytes]) -> bytes:
    what = escape.group(1)
    if what.startswith(b"u"):
        return bytes([int(what[1:], 16)])
    return _PLAIN.get(what, escape.group(0))
