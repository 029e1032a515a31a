"""Character sets that senders name, of which some are none to be read by."""

from __future__ import annotations

import codecs
from collections.abc import Iterable

_NO_CHARSETS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape"})
"""Encodings of names and of source code. Reading a few hundred kilobytes as one of them can take many seconds."""


def decoded(raw: bytes, charsets: Iterable[str | None]) -> str | None:
    """The text in the first of the character sets that fits, or None."""
    for charset in charsets:
        try:
            if charset and codecs.lookup(charset).name not in _NO_CHARSETS:
                return raw.decode(charset)
        except (LookupError, ValueError):  # among them what is no name at all
            continue
    return None
