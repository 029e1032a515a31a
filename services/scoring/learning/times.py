"""Moments in a file, in whatever way it writes them: dates, numbers, names of months."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from services.scoring.domain.model import Cell, as_number

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = re.compile(r"^[a-z]{3,9}$")


class NoMoments(ValueError):
    """A column does not say when. The message says what was found."""


def moments(values: Sequence[Cell], name: str) -> list[float]:
    """A column as moments that can be compared. Raises `NoMoments` where a value is none."""
    read = (_iso, as_number, _month)
    for reading in read:
        found = [reading(value) for value in values]
        if all(moment is not None for moment in found):
            return [float(moment) for moment in found if moment is not None]
    raise NoMoments(
        f"Column {name!r} does not say when: each of its values has to be a date such as 2026-03-01T12:00:00Z, a number "
        "(a year, a Unix time), or the name of a month."
    )


def _iso(value: Cell) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _month(value: Cell) -> int | None:
    text = str(value).strip().casefold()
    return MONTHS.index(text[:3]) if _MONTH.match(text) and text[:3] in MONTHS else None
