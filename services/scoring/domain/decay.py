"""How points fade: by whole days and in whole millionths, from tables, so that every machine gets the same to the byte."""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import lru_cache

WHOLE = 1_000_000
"""One point, in the millionths that points are counted in while they fade."""


class Fade:
    """How much something is still worth so many days after it was done: half in every `half_life_days`, nothing after
    `expires_days`. Without either it never fades."""

    def __init__(self, half_life_days: int | None, expires_days: int | None) -> None:
        self.half_life_days = half_life_days
        self.expires_days = expires_days
        self.never = half_life_days is None and expires_days is None
        self._within_one = () if half_life_days is None else _within_one(half_life_days)

    def left(self, age_days: int) -> int:
        """How many millionths of its points it still counts."""
        if self.expires_days is not None and age_days >= self.expires_days:
            return 0
        if self.half_life_days is None:
            return WHOLE
        halvings, rest = divmod(age_days, self.half_life_days)
        return self._within_one[rest] >> halvings

    def gone_after(self, points: int) -> int | None:
        """The age in days from which so many points round to nothing, None where they never do."""
        if self.half_life_days is None:
            return self.expires_days
        faded = (2 * abs(points)).bit_length() * self.half_life_days
        return faded if self.expires_days is None else min(faded, self.expires_days)


def rounded(millionths: int) -> int:
    """Whole points; a half counts as one more, away from nothing."""
    points = (abs(millionths) + WHOLE // 2) // WHOLE
    return points if millionths >= 0 else -points


@lru_cache(maxsize=1024)
def _within_one(half_life_days: int) -> tuple[int, ...]:
    """The millionths for each day of one half-life. Exact: fifty digits leave no doubt about the sixth."""
    with localcontext() as context:
        context.prec = 50
        powers = (Decimal(2) ** (Decimal(-day) / half_life_days) for day in range(half_life_days))
        return tuple(int(power * WHOLE) for power in powers)
