"""What could not be taken in: how much of it came, and where it stands."""

from __future__ import annotations

from typing import NamedTuple

from services.metrics.domain.answers import Values

CUTS = ("business_unit", "channel")
"""By what it is known: what could not be read has no source and no owner."""


class Held(NamedTuple):
    """What came in a window and could not be taken in, what of it still waits, and what was released since."""

    n: int = 0
    open: int = 0
    released: int = 0


def part(held: Held) -> Values:
    """As a part of an answer. What neither waits nor was released is given up."""
    return {
        "value": held.n,
        "n": held.n,
        "open": held.open,
        "released": held.released,
        "given_up": held.n - held.open - held.released,
    }
