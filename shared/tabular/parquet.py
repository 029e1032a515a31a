"""Parquet files to lines of JSON, one a row, so that they are read like any other file and a row's number is its line."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import orjson
import pyarrow as pa
from pyarrow.parquet import ParquetFile

from shared.tabular.errors import Unreadable
from shared.tabular.spreadsheet import Cell, written

ROWS_AT_ONCE = 1_000


def convert(source: Path, target: BinaryIO, sheet: str | None) -> dict[str, object]:
    """Writes the lines and answers with what was found."""
    if sheet is not None:
        raise Unreadable("A Parquet file has no sheets.", "Leave out which one is meant.")
    try:
        return _lines(source, target)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, not the file's
        raise Unreadable(
            "The file is no Parquet file that can be read to its end.", "Write it again, or as CSV."
        ) from None


def _lines(source: Path, target: BinaryIO) -> dict[str, object]:
    with ParquetFile(source) as file:
        columns = file.schema_arrow.names
        if len(set(columns)) < len(columns):
            raise Unreadable("The file has more than one column of the same name.", "Give each column its own name.")
        for row in _rows(file):
            cells = {name: cell for name, value in row.items() if (cell := _cell(value)) is not None}
            target.write(orjson.dumps(cells, default=str) + b"\n")
        if not file.metadata.num_rows:
            raise Unreadable("The file names its columns and has no row below them.", "Send it with its rows.")
        return {"columns": columns, "rows": file.metadata.num_rows}


def _rows(file: ParquetFile) -> Iterator[dict[str, Cell]]:
    for batch in file.iter_batches(ROWS_AT_ONCE, use_threads=False):
        yield from batch.cast(_in_microseconds(batch.schema), safe=False).to_pylist()


def _in_microseconds(schema: pa.Schema) -> pa.Schema:
    """The same columns, with times as Python has them."""
    fields = []
    for field in schema:
        kind = field.type
        if pa.types.is_timestamp(kind):
            kind = pa.timestamp("us", kind.tz)
        elif pa.types.is_duration(kind):
            kind = pa.duration("us")
        elif pa.types.is_time(kind):
            kind = pa.time64("us")
        fields.append(field.with_type(kind))
    return pa.schema(fields)


def _cell(value: Cell) -> Cell:
    """As a spreadsheet's cell; lists and records stay what they are, and a number that is none is nothing."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, list | dict) else written(value)
