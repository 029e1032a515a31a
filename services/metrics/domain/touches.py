"""To which touches of a lead what became of it is put down."""

from __future__ import annotations

from enum import StrEnum

PLACES = ("channel", "source", "campaign")
"""What a touch names."""

HALF_LIFE_DAYS = 7.0
"""In how many days a touch loses half its share, unless told otherwise."""


class Attribution(StrEnum):
    """Which touches count, of those up to what is put down to them: the first; the last; all alike; the first and the last 40 % each
    and those between them the rest (of two, each half); or each half as much for every half-life that it lies further back."""

    FIRST = "first"
    LAST = "last"
    LINEAR = "linear"
    POSITION = "position"
    TIME_DECAY = "time_decay"
