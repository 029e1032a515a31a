"""How a value is read before it is compared: the differences that do not matter to a rule are taken away."""

from __future__ import annotations

import math
import re
import unicodedata
from functools import lru_cache
from typing import Any

WORD = re.compile(r"[^\W_]+")

Value = bool | int | float | str | tuple[str, ...]
"""What a condition compares: one value, or the several a lead has at once (the purposes it consents to)."""


@lru_cache(maxsize=65536)
def folded(text: str) -> str:
    """Text without the differences that do not matter to a rule: letter case, width and ligatures, space around it."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


@lru_cache(maxsize=65536)
def _spaced(text: str) -> str:
    return f" {' '.join(WORD.findall(folded(text)))} "


def spaced(value: Any) -> str:
    """The words of a value between single spaces, one at each end too, so that a phrase is found only as whole words."""
    return _spaced(str(value))


def text_of(value: Any) -> str:
    """A value as text that is the same however it was written: 5, 5.0 and "5" are."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return folded(str(value))


def number_of(value: Value) -> float | None:
    """The number that a value is or spells, None where it is none."""
    if isinstance(value, bool | tuple):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
