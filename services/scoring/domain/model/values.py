"""What a value of a feature is: a number, one of several levels, or not known. The same at learning and at work."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection
from functools import lru_cache

Cell = str | int | float | bool | None
"""What a lead has under a name, as it came in."""

LONGEST_LEVEL = 200


@lru_cache(maxsize=65536)
def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()[:LONGEST_LEVEL]


def as_level(value: Cell, placeholders: Collection[str] = ()) -> str | None:
    """The level a value stands for, without the differences that do not matter: letter case, width, space around it.
    None for what is not known, which a placeholder ("Select", "n/a") says as well as silence does."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = int(value) if value.is_integer() else value
    level = _folded(str(value))
    return None if not level or level in placeholders else level


def as_number(value: Cell) -> float | None:
    """The number a value is or spells; None for what is not known and for what is none."""
    if isinstance(value, bool):
        return float(value)
    if value is None:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_known_number(value: Cell, placeholders: Collection[str]) -> float | None:
    """The number a value of a column of numbers is. Like `as_level` it takes a placeholder for silence, be it spelled as a
    number (-1), and true and false for no numbers."""
    return None if isinstance(value, bool) or as_level(value, placeholders) is None else as_number(value)
