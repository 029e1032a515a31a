"""Files of rows, read once, in constant memory, with the place where each row ends, so that reading can go on from there."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self, cast

import orjson

from shared.tabular.errors import Unreadable

LINE_MAX_BYTES = 1 << 20
FIELD_MAX_CHARACTERS = 131_072
DELIMITERS = (",", ";", "\t", "|")
REPORT_COLUMNS = frozenset({"rejected_line", "rejected_reason"})
"""What a report of rejected lines adds to a row; left out again when the mended report is imported."""

_NOT_UTF8 = "the line is not UTF-8 text; convert the file, for example with `iconv -f WINDOWS-1252 -t UTF-8`"
_TOO_LONG = f"the line is longer than {LINE_MAX_BYTES:,} bytes"

_NEEDS_ROWS = "Its first line names the columns, rows stand below it."

Format = Literal["csv", "ndjson"]


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two rows: bytes of content (unpacked) and lines before it."""

    byte: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it begins on, its columns (empty cells left out), where it ends, and what is wrong with it. `more` are
    the rows after it that are one thing with it."""

    line: int
    columns: dict[str, Any]
    after: Position
    fault: str | None = None
    more: tuple[Row, ...] = ()

    @property
    def all(self) -> tuple[Row, ...]:
        """The rows that are one thing, this one first."""
        return self, *self.more


class SourceFile:
    """A CSV or NDJSON file in UTF-8, packed with gzip or not. `called` is what messages call it, `columns` are those of a
    file whose lines do not name them all; what stands above `header_line` is left out. Raises `Unreadable` for a file that is
    neither."""

    def __init__(
        self,
        path: Path,
        *,
        delimiter: str | None = None,
        called: str | None = None,
        columns: Sequence[str] = (),
        header_line: int = 1,
    ) -> None:
        self._called = called or str(path)
        try:
            self._raw: BinaryIO = path.open("rb")
            magic = self._raw.read(2)
        except OSError as error:
            raise Unreadable(f"{self._called} cannot be read: {error.strerror}.", "Give the path of a file.") from None
        self.path = path
        self.columns: tuple[str, ...] = tuple(columns)
        self.total_bytes = path.stat().st_size
        self._raw.seek(0)
        packed = magic == b"\x1f\x8b"
        self._content = cast(BinaryIO, gzip.GzipFile(fileobj=self._raw)) if packed else self._raw
        try:
            self._open_content(delimiter, header_line)
        except BaseException:
            self._raw.close()
            raise

    def _open_content(self, delimiter: str | None, header_line: int) -> None:
        try:
            head = self._content.read(4096)
        except (OSError, EOFError, zlib.error) as error:
            raise Unreadable(f"{self._called} is not a whole gzip file: {error}.", "Pack it again.") from None
        if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in head[:64]:
            raise Unreadable(
                f"{self._called} is not UTF-8 text.", "Say which encoding it is in, or save it as CSV in UTF-8."
            )
        self._bom = 3 if head.startswith(b"\xef\xbb\xbf") else 0
        self._begin = self._below(header_line - 1)
        self._content.seek(self._begin.byte)
        begin = self._content.read(4096).lstrip()
        if not begin:
            raise Unreadable(f"{self._called} is empty.", _NEEDS_ROWS)
        if begin.startswith(b"["):
            raise Unreadable(
                f"{self._called} is one JSON array, which cannot be read in constant memory.",
                "Write one object a line, for example with `jq -c '.[]'`.",
            )
        self.format: Format = "ndjson" if begin.startswith(b"{") else "csv"
        if self.format == "csv":
            self._read_header(delimiter)

    def _below(self, count: int) -> Position:
        """The place below so many lines."""
        lines = _Lines(self._content, Position(self._bom, 0))
        for _ in range(count):
            if next(lines, None) is None:
                raise Unreadable(f"{self._called} has no line {count + 1}.", "Name the line that names its columns.")
        return lines.position

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._content.close()
        self._raw.close()

    @property
    def bytes_read(self) -> int:
        """How far into the file on disk reading has come, for a progress bar."""
        return min(self._raw.tell(), self.total_bytes)

    def rows(self, start: Position | None = None) -> Iterator[Row]:
        """Every row from `start` (a place an earlier row ended at) or from the first one."""
        position = start if start is not None and start.byte > self._begin.byte else self._begin
        return self._csv_rows(position) if self.format == "csv" else self._ndjson_rows(position)

    def _read_header(self, delimiter: str | None) -> None:
        lines = _Lines(self._content, self._begin)
        try:
            header_text = next(line for line in lines if line.strip())
        except StopIteration:
            raise Unreadable(f"{self._called} is empty.", _NEEDS_ROWS) from None
        if lines.fault is not None:
            raise Unreadable(f"{self._called}, line {lines.position.line}: {lines.fault}.", "Mend that line.")
        self.delimiter = delimiter or max(DELIMITERS, key=lambda each: len(_split(header_text, each)))
        names = [name.strip() for name in _split(header_text, self.delimiter)]
        while names and not names[-1]:
            names.pop()
        repeated = sorted({name for name in names if name and names.count(name) > 1})
        if repeated:
            raise Unreadable(
                f"{self._called} has more than one column of the same name.",
                "Give each column its own name.",
                columns=repeated,
            )
        if "" in names:
            raise Unreadable(f"{self._called}: column {names.index('') + 1} has no name.", "Name it in the first line.")
        self.columns = tuple(names)
        self._begin = lines.position

    def _csv_rows(self, position: Position) -> Iterator[Row]:
        csv.field_size_limit(FIELD_MAX_CHARACTERS)
        while True:
            lines = _Lines(self._content, position)
            reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
            while True:
                before = lines.position
                lines.begin_row()
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    fault = f"the line is not well-formed CSV ({error}); is a quotation mark not closed?"
                    position = lines.first_line_end
                    yield Row(before.line + 1, {}, position, fault)
                    break  # go on with the line after the faulty one, so that one stray quote costs one line
                if not any(cell.strip() for cell in cells):
                    continue
                fault_found = lines.fault or self._width_fault(cells)
                if fault_found is not None and lines.position.line > before.line + 1:
                    position = lines.first_line_end
                    yield Row(before.line + 1, self._named(cells), position, fault_found)
                    break
                yield Row(before.line + 1, self._named(cells), lines.position, fault_found)

    def _width_fault(self, cells: list[str]) -> str | None:
        given, named = len(cells), len(self.columns)
        if given < named:
            return f"the line has {given} fields, the header has {named}"
        if given > named and any(cell.strip() for cell in cells[named:]):
            return f"the line has {given} fields, the header has {named}; is a field with a delimiter not quoted?"
        return None

    def _named(self, cells: list[str]) -> dict[str, Any]:
        named = {name: cell.strip() for name, cell in zip(self.columns, cells, strict=False)}
        return {name: cell for name, cell in named.items() if cell and name not in REPORT_COLUMNS}

    def _ndjson_rows(self, position: Position) -> Iterator[Row]:
        lines = _Lines(self._content, position)
        while True:
            lines.begin_row()
            text = next(lines, None)
            if text is None:
                return
            if not text.strip() and lines.fault is None:
                continue
            fault, columns = lines.fault, {}
            if fault is None:
                try:
                    document = orjson.loads(text)
                except orjson.JSONDecodeError as error:
                    fault = f"the line is not JSON: {error}"
                else:
                    if isinstance(document, dict):
                        columns = {
                            name: value
                            for name, value in document.items()
                            if value not in (None, "") and name not in REPORT_COLUMNS
                        }
                    else:
                        fault = "the line is no JSON object"
            yield Row(lines.position.line, columns, lines.position, fault)


class _Lines:
    """Lines of text from a place in a stream on, counting bytes, never holding more than one long line."""

    def __init__(self, content: BinaryIO, start: Position) -> None:
        content.seek(start.byte)
        self._content = content
        self.position = start
        self.first_line_end = start
        self.fault: str | None = None
        self._row_begins = True

    def __iter__(self) -> Iterator[str]:
        return self

    def begin_row(self) -> None:
        """Forget the previous row's faults and where its first line ended."""
        self.fault = None
        self._row_begins = True

    def __next__(self) -> str:
        try:
            line = self._content.readline(LINE_MAX_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise Unreadable(
                f"The file is damaged after line {self.position.line:,}: {error}.", "Fetch it again."
            ) from None
        if not line:
            raise StopIteration
        size = len(line)
        text = ""
        if size == LINE_MAX_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = self._content.readline(LINE_MAX_BYTES)
                size += len(line)
            self.fault, text = _TOO_LONG, "-\n"
        else:
            try:
                text = line.decode()
            except UnicodeDecodeError:
                self.fault, text = _NOT_UTF8, line.decode(errors="replace")
        self.position = Position(self.position.byte + size, self.position.line + 1)
        if self._row_begins:
            self.first_line_end, self._row_begins = self.position, False
        return text


def _split(header: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(header), delimiter=delimiter), [])
    except csv.Error:
        return []
