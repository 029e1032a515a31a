"""A first look at a file: what can be said of it, and of its first rows, without reading it all."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from shared.tabular.encodings import SAMPLE_BYTES, encoding_named, encoding_of
from shared.tabular.errors import Unreadable
from shared.tabular.preparing import Prepared, in_utf8, is_packed, is_workbook
from shared.tabular.spreadsheet import check_archive


def beginning_of(path: Path, target: Path, *, encoding: str | None = None) -> Prepared | None:
    """Writes the beginning of a file of text as it can be read; None for a workbook, of which nothing can be read before all
    of it was opened. Raises `Unreadable` for what is neither, also for a workbook that unpacks to too much."""
    with path.open("rb") as raw:
        head = raw.read(16)
        raw.seek(0)
        if is_workbook(head):
            check_archive(path)
            return None
        try:
            sample = (cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if is_packed(head) else raw).read(SAMPLE_BYTES)
        except (OSError, EOFError, zlib.error):
            raise Unreadable("The file is damaged: it does not unpack.", "Send it again.") from None
    found = encoding_of(sample) if encoding is None else encoding_named(encoding)
    text = b"".join(in_utf8(sample, found))
    if len(sample) == SAMPLE_BYTES:
        text = text[: text.rfind(b"\n") + 1] or text
    target.write_bytes(text)
    return Prepared(target, "text", found)
