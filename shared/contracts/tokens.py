"""Ids, addresses and codes as senders write them, in the one spelling by which each is known, wherever it is sent to. Frozen,
version 1, as what is made of them is: a change here is a version 2 beside it."""

from __future__ import annotations

import unicodedata
from math import isfinite

EXACT_INTEGER_LIMIT = 2**53
"""From here on a JSON number may already have lost digits before anyone could see it."""

_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))
_SPACES = dict.fromkeys((*range(0x09, 0x0E), *range(0x1C, 0x20), 0x85), " ")
_INVISIBLE = dict.fromkeys(
    (
        *(0x00AD, 0x034F, 0x061C, 0x180E, 0x200B, 0x200E, 0x200F, 0xFEFF),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        *range(0xFFF9, 0xFFFC),
    )
)
UNSEEN: dict[int, str | None] = {**_CONTROLS, **_SPACES, **_INVISIBLE}
"""What nobody sees, and what it is read as."""

_TOKEN_UNSEEN: dict[int, str | None] = {**UNSEEN, 0x200C: None, 0x200D: None}


def clean_token(value: str) -> str:
    """An id, address or code: Unicode NFC, nothing invisible, no space around it. What is inside stays as it is."""
    if value.isascii() and value.isprintable():
        return value.strip()
    return unicodedata.normalize("NFC", value.translate(_TOKEN_UNSEEN)).strip()


def spellings(value: str) -> tuple[str, ...]:
    """By which an id of another system may be known, the clean one first: imported history once took it as it was written, marks that
    nobody sees included."""
    return tuple(dict.fromkeys((clean_token(value), unicodedata.normalize("NFC", value).strip(), value.strip())))


def digits_of(value: float) -> str | None:
    """A JSON number as it is written for an id: a whole one without a point. None where it may have lost digits already."""
    if type(value) is not float:
        return str(value)
    if not isfinite(value) or abs(value) >= EXACT_INTEGER_LIMIT:
        return None
    return str(int(value)) if value.is_integer() else repr(value)
