"""Spreadsheets (XLSX, XLS, ODS) and Parquet files to lines of JSON, one a row of the sheet, so that they are read like any other
file and a row's number is its line. Run in a process of its own, since a sheet is held in memory whole:

    python -m shared.tabular.spreadsheet SOURCE TARGET HEADER_LINE [SHEET]

Its last line of output is a JSON object: `columns` and `rows`, or `fault` and `fix`.
"""

from __future__ import annotations

import json
import resource
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import BinaryIO

import orjson
from python_calamine import CalamineError, CalamineWorkbook, ZipError

from shared.tabular.errors import Unreadable

MAX_UNPACKED_BYTES = 1 << 30
MAX_MEMORY_BYTES = 3 << 30
MAX_COLUMNS = 1_000

Cell = object


_ARCHIVE, _PARQUET = b"PK\x03\x04", b"PAR1"
_NO_WORKBOOK, _SAVE_IT = "The file is no workbook that can be read.", "Save it as XLSX without a password, or as CSV."


def written(value: Cell) -> str | int | float | bool | None:
    """A cell as JSON has it: whole numbers without a point, times in ISO 8601, nothing for nothing."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**63 else value
    if isinstance(value, date) and not isinstance(value, datetime):
        return f"{value.isoformat()}T00:00:00"  # so that a date is told from text that looks like one
    if isinstance(value, datetime | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return (value.strip() or None) if isinstance(value, str) else value if isinstance(value, int) else str(value)


def lines(rows: Iterable[Sequence[Cell]], columns: Sequence[str]) -> Iterator[bytes]:
    """Rows after that of the columns' names, each a line; an empty line for an empty row."""
    for row in rows:
        cells = {name: cell for name, value in zip(columns, row, strict=False) if (cell := written(value)) is not None}
        cells.pop("", None)
        yield orjson.dumps(cells) + b"\n" if cells else b"\n"


def convert(source: Path, target: BinaryIO, sheet: str | None, header_line: int = 1) -> dict[str, object]:
    """Writes the lines and answers with what was found. What stands above `header_line` is left out."""
    check_archive(source)
    book = CalamineWorkbook.from_path(str(source))
    if sheet is not None and sheet not in book.sheet_names:
        raise Unreadable("There is no sheet of that name.", "Name one of the workbook's sheets, or none for the first.")
    if not book.sheet_names:
        raise Unreadable("The workbook has no sheet.", "Save it with one.")
    found = book.get_sheet_by_name(sheet) if sheet is not None else book.get_sheet_by_index(0)
    rows = iter(found.iter_rows())
    columns: list[str] = []
    for number, row in enumerate(rows, 1):
        target.write(b"\n")
        if number < header_line:
            continue
        columns = [str(written(cell) or "") for cell in row]
        if any(columns):
            break
    while columns and not columns[-1]:
        columns.pop()
    named = [name for name in columns if name]
    if not named:
        raise Unreadable("The sheet is empty.", "Upload one whose first row names the columns.")
    if len(columns) > MAX_COLUMNS:
        raise Unreadable(
            f"The sheet has more than {MAX_COLUMNS} columns.", "Leave out those that are no data of leads."
        )
    if len(set(named)) < len(named):
        raise Unreadable("The sheet has more than one column of the same name.", "Give each column its own name.")
    count = 0
    for line in lines(rows, columns):
        target.write(line)
        count += line != b"\n"
    if not count:
        raise Unreadable("The sheet names its columns and has no row below them.", "Send it with its rows.")
    return {"columns": named, "rows": count}


def _convert(source: Path, target: BinaryIO, sheet: str | None, header_line: int) -> dict[str, object]:
    with source.open("rb") as content:
        is_parquet = content.read(len(_PARQUET)) == _PARQUET
    if not is_parquet:
        return convert(source, target, sheet, header_line)
    from shared.tabular import parquet  # half a second, which no sheet has to wait for

    return parquet.convert(source, target, sheet)


def check_archive(source: Path) -> None:
    """A workbook is a packed archive. Raises `Unreadable` for one that unpacks to more than anybody types, or that begins
    like an archive and is none, is damaged, or asks for a version of the format that the library does not read."""
    with source.open("rb") as content:
        if not content.read(4).startswith(_ARCHIVE):
            return
    try:
        with zipfile.ZipFile(source) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, OSError):
        raise Unreadable(_NO_WORKBOOK, _SAVE_IT) from None
    if unpacked > MAX_UNPACKED_BYTES:
        raise Unreadable("The workbook unpacks to more than 1 GiB.", "Save the sheet as CSV.")


def main(arguments: Sequence[str]) -> int:
    """One conversion."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    source, target, header_line, *sheet = arguments
    try:
        with Path(target).open("wb") as content:
            told = _convert(Path(source), content, sheet[0] if sheet else None, int(header_line))
    except Unreadable as unreadable:
        told = {"fault": unreadable.detail, "fix": unreadable.fix}
    except (CalamineError, ZipError, zipfile.BadZipFile, ValueError, EOFError):
        told = {"fault": _NO_WORKBOOK, "fix": _SAVE_IT}
    except OSError as error:
        told = {"fault": f"The sheet cannot be made ready: {error.strerror}.", "fix": "Free some disk."}
    except MemoryError:
        told = {
            "fault": "The sheet is too large to be read at once.",
            "fix": "Save it as CSV, which may be of any size.",
        }
    sys.stdout.write(json.dumps(told) + "\n")
    return 1 if "fault" in told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
