"""Small tables in a request's body: CSV with a line of column names."""

from __future__ import annotations

import csv
import io

from shared.kit.errors import Rejected

DELIMITERS = ",;\t|"


def parse_table(body: bytes) -> list[dict[str, str]]:
    """Its rows by their columns' names, empty cells left out. Raises `Rejected` with 400 where it is none."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_table(f"byte {error.start} is not UTF-8") from None
    header = text.partition("\n")[0]
    if not header.strip():
        raise _no_table("it has no line of column names")
    delimiter = max(DELIMITERS, key=header.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise _no_table(str(error)) from None
    names = [name.strip() for name in lines[0]]
    rows = [
        {name: cell.strip() for name, cell in zip(names, line, strict=False) if name and cell.strip()}
        for line in lines[1:]
    ]
    return [row for row in rows if row]


def _no_table(why: str) -> Rejected:
    return Rejected(
        f"The body cannot be read as CSV: {why}.",
        status=400,
        code="not-csv",
        field="body",
        fix="Send UTF-8 with the columns' names in the first line; larger files are imported (docs/importing.md).",
    )
