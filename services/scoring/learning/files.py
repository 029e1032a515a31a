"""Rows from a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from services.scoring.learning.sheet import Row

DELIMITERS = ",;\t|"
SNIFFED_CHARACTERS = 64 * 1024


class UnreadableFile(ValueError):
    """A file cannot be read as rows. The message names it, what is wrong, and what to do."""


def read_rows(path: Path) -> list[Row]:
    """Every row of a CSV file with a header, in UTF-8, its delimiter found by looking."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            start = file.read(SNIFFED_CHARACTERS)
            file.seek(0)
            reader = csv.DictReader(file, delimiter=_delimiter(start))
            header = list(reader.fieldnames or ())
            _check_header(path, header)
            rows: list[Row] = []
            for row in reader:
                if None in row or None in row.values():
                    raise UnreadableFile(
                        f"{path.name}, line {reader.line_num}: {_cells(row)} values where the header names {len(header)}. "
                        "Quote values that hold the delimiter or a line break."
                    )
                rows.append(row)
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"{path.name} is not UTF-8 at byte {error.start}; save it as UTF-8.") from None
    except csv.Error as error:
        raise UnreadableFile(f"{path.name} is no CSV file: {error}.") from None
    if not rows:
        raise UnreadableFile(f"{path.name} has no rows below its header.")
    return rows


def check_columns(rows: list[Row], names: Iterable[str]) -> None:
    """Raises `UnreadableFile` for a column that was named and is not there."""
    there = rows[0].keys()
    for name in names:
        if name not in there:
            raise UnreadableFile(f"There is no column {name!r}; there are {', '.join(there)}.")


def _delimiter(start: str) -> str:
    header = start.partition("\n")[0]
    return max(DELIMITERS, key=lambda one: (header.count(one), -DELIMITERS.index(one)))


def _check_header(path: Path, header: list[str]) -> None:
    if not header:
        raise UnreadableFile(f"{path.name} is empty.")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise UnreadableFile(f"{path.name} has two columns named {twice[0]!r}; rename one.")


def _cells(row: dict[str, object]) -> int:
    extra = row.get(None)  # type: ignore[call-overload]
    return sum(value is not None for name, value in row.items() if name is not None) + len(extra or ())
