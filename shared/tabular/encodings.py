"""Which encoding a file of text is in: what it says itself, else what its bytes look like."""

from __future__ import annotations

import codecs
from itertools import pairwise

from shared.tabular.errors import Unreadable

SAMPLE_BYTES = 1 << 20

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OF_FILES = (
    *("utf", "cp", "iso8859", "koi8", "mac", "ascii", "latin", "tis", "ptcp", "kz"),
    *("gb", "hz", "big5", "euc", "shift", "iso2022", "johab"),
)
_HEBREW_LETTERS = frozenset(range(0xE0, 0xFB))


def known_encoding(name: str) -> str:
    """An encoding's name as Python spells it. Raises `ValueError` for one there is not, or one that is no text."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, UnicodeError, TypeError, ValueError):
        found = ""
    if not found.startswith(_OF_FILES) or found == "utf-7":
        raise ValueError(f"{name[:40]!r} is no encoding of files; write one such as utf-8, windows-1256 or utf-16")
    return found


def encoding_named(name: str) -> str:
    """The same for whoever reads a file by it. Raises `Unreadable`."""
    try:
        return known_encoding(name)
    except ValueError as error:
        raise Unreadable(f"{error}.", "Name the encoding the file is in, or none, and it is found out.") from None


def encoding_of(sample: bytes) -> str:
    """The encoding of a file that begins so. Without a mark: UTF-8 where it is that, UTF-16 where every other byte is
    empty, else one of the Windows pages, told apart by how their letters stand: European ones alone among plain ones,
    Arabic and Hebrew ones in words."""
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    if b"\x00" in sample[:4_000]:
        even, odd = sample[0:4_000:2].count(0), sample[1:4_000:2].count(0)
        return "utf-16-le" if odd > even else "utf-16-be"
    if _is_utf8(sample):
        return "utf-8"
    beyond = [byte > 0x7F for byte in sample]
    together = sum(1 for first, second in pairwise(beyond) if first and second)
    if 2 * together < sum(beyond):
        return "cp1252"
    letters = [byte for byte in sample if byte >= 0xC0]
    hebrew = sum(byte in _HEBREW_LETTERS for byte in letters)
    return "cp1255" if letters and hebrew >= 0.97 * len(letters) else "cp1256"


def _is_utf8(sample: bytes) -> bool:
    """Whether it is UTF-8, its last character perhaps cut off."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=len(sample) < SAMPLE_BYTES)
    except UnicodeDecodeError:
        return False
    return True
