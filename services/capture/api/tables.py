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
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = _names(next(reader))
        return [
            {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}
            for cells in reader
            if any(cell.strip() for cell in cells) and _fits(cells, names, reader.line_num)
        ]
    except csv.Error as error:
        raise _no_table(str(error)) from None


def _names(header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    while names and not names[-1]:
        names.pop()
    if "" in names:
        raise _no_table(f"column {names.index('') + 1} has no name")
    if len(set(names)) < len(names):
        place = next(place for place, name in enumerate(names) if name in names[:place])
        raise _no_table(f"columns {names.index(names[place]) + 1} and {place + 1} have the same name")
    return names


def _fits(cells: list[str], names: list[str], line: int) -> bool:
    """Whether each cell stands under its own name: in a row of another width they may have moved, and nobody sees it."""
    if len(cells) < len(names) or any(cell.strip() for cell in cells[len(names) :]):
        why = f"line {line} has {len(cells)} cells, the first line names {len(names)}"
        raise _no_table(f"{why}; a cell with a delimiter or a line break in it needs quotation marks")
    return True


def _no_table(why: str) -> Rejected:
    return Rejected(
        f"The body cannot be read as CSV: {why}.",
        status=400,
        code="not-csv",
        field="body",
        fix="Send UTF-8 with the columns' names in the first line; larger files are imported (docs/importing.md).",
    )
