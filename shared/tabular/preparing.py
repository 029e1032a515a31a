"""Any file of rows as one that can be read from any place in it: UTF-8, unpacked, a row a line where it was a spreadsheet."""

from __future__ import annotations

import codecs
import gzip
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

from shared.tabular.encodings import SAMPLE_BYTES, encoding_named, encoding_of
from shared.tabular.errors import Unreadable
from shared.tabular.source import SourceFile

Form = Literal["text", "spreadsheet"]

PIECE_BYTES = 1 << 20
SPREADSHEET_SECONDS = 900
MAX_UNPACKED_BYTES = 4 << 30

_ZIP, _OLE, _PARQUET, _GZIP = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1", b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file made ready: where it is, what it was, the columns of a spreadsheet."""

    path: Path
    form: Form
    encoding: str
    columns: tuple[str, ...] = ()

    def open(self, *, delimiter: str | None = None, called: str | None = None, header_line: int = 1) -> SourceFile:
        """The file, to read its rows. Raises `Unreadable`."""
        above = header_line if self.form == "text" else 1
        return SourceFile(self.path, delimiter=delimiter, called=called, columns=self.columns, header_line=above)


def is_workbook(head: bytes) -> bool:
    """Whether a file that begins so is a spreadsheet, or as good as one: a Parquet file."""
    return head.startswith((_ZIP, _OLE, _PARQUET))


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is packed with gzip."""
    return head.startswith(_GZIP)


def needs_preparing(path: Path, encoding: str | None = None) -> bool:
    """Whether the file cannot be read as it is. Raises `Unreadable` for one that cannot be opened."""
    head = _head(path)
    if is_workbook(head):
        return True
    if is_packed(head):
        return encoding is not None
    return (encoding or encoding_of(head)) not in ("utf-8", "utf-8-sig")


def prepare(
    path: Path,
    target: Path,
    *,
    encoding: str | None = None,
    sheet: str | None = None,
    header_line: int = 1,
    max_bytes: int = MAX_UNPACKED_BYTES,
) -> Prepared:
    """Writes the file anew, as it can be read; of a sheet, from the row that names its columns on. Raises `Unreadable`, also where a text becomes more than `max_bytes`."""
    if encoding is not None:
        encoding = encoding_named(encoding)
    head = _head(path)
    if is_workbook(head):
        return Prepared(target, "spreadsheet", "utf-8", _from_spreadsheet(path, target, sheet, header_line))
    try:
        with path.open("rb") as raw:
            content = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if is_packed(head) else raw
            sample = content.read(SAMPLE_BYTES)
            found = encoding or encoding_of(sample)
            with target.open("wb") as out:
                for piece in _within(max_bytes, in_utf8(sample, found, content)):
                    out.write(piece)
                os.fsync(out.fileno())
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise Unreadable("The file is damaged: it does not unpack to its end.", "Send it again.") from None
    return Prepared(target, "text", found)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as raw:
            return raw.read(SAMPLE_BYTES)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.", "Give the path of a file.") from None


def in_utf8(sample: bytes, encoding: str, content: BinaryIO | None = None) -> Iterator[bytes]:
    """A sample, and the content after it, in UTF-8, piece by piece. What is no character in the encoding becomes the sign
    for that; what claims to be UTF-8 stays as it is, so that a line that is not is found where it stands."""
    decoder = None if encoding in ("utf-8", "utf-8-sig") else codecs.getincrementaldecoder(encoding)("replace")
    piece = sample
    while piece:
        yield piece if decoder is None else decoder.decode(piece).encode("utf-8", "replace")
        piece = b"" if content is None else content.read(PIECE_BYTES)
    if decoder is not None and content is not None:
        yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _within(max_bytes: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > max_bytes:
            raise Unreadable(f"The file unpacks to more than {max_bytes >> 20:,} MiB.", "Send it in parts.")
        yield piece


def _from_spreadsheet(path: Path, target: Path, sheet: str | None, header_line: int) -> tuple[str, ...]:
    """The columns of a sheet whose rows were written as lines of JSON, by another process."""
    command = [sys.executable, "-m", "shared.tabular.spreadsheet", str(path), str(target), str(header_line)]
    try:
        done = subprocess.run(
            command + ([sheet] if sheet is not None else []),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SPREADSHEET_SECONDS,
            cwd=Path(__file__).parents[2],
        )
        told = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        raise Unreadable("The workbook cannot be read to its end.", "Save the sheet as CSV.") from None
    if "fault" in told:
        raise Unreadable(told["fault"], told["fix"])
    return tuple(told["columns"])
