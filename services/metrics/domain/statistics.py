"""Numbers about numbers: intervals, quantiles, and curves of competing outcomes."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

QUANTILES: tuple[float, ...] = (0.5, 0.75, 0.9, 0.95)
SMALL_SAMPLE = 30
Z_95 = 1.959963984540054


def wilson(successes: float, n: float) -> tuple[float, float] | None:
    """The 95 % Wilson score interval of a proportion; None for no trials."""
    if n == 0:
        return None
    share, squared = successes / n, Z_95 * Z_95
    centre = share + squared / (2 * n)
    spread = Z_95 * math.sqrt(share * (1 - share) / n + squared / (4 * n * n))
    scale = 1 + squared / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Type 7: interpolates between neighbouring order statistics. None for no values."""
    if not ordered:
        return None
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


@dataclass(frozen=True, slots=True)
class Ages:
    """A cohort as ages in seconds with their counts: when the outcome came, when a competing one did, and how old
    those are that still wait."""

    outcome: Mapping[float, int]
    competing: Mapping[float, int]
    waiting: Mapping[float, int]

    @property
    def n(self) -> int:
        """How many the cohort has."""
        return sum(sum(ages.values()) for ages in (self.outcome, self.competing, self.waiting))


@dataclass(frozen=True, slots=True)
class Curve:
    """Cumulative incidence as a step function: at `times[i]` seconds it rises to `shares[i]`."""

    times: tuple[float, ...]
    shares: tuple[float, ...]

    def at(self, seconds: float) -> float:
        """The share that had the outcome within so many seconds, to the very second."""
        place = bisect_left(self.times, seconds)
        if place < len(self.times) and self.times[place] == seconds:
            return self.shares[place]
        return self.shares[place - 1] if place else 0.0

    def time_at(self, share: float, horizon_seconds: float) -> float | None:
        """When the curve, taken as 1 at the horizon, reaches a share; None where nothing happened by then."""
        reached = self.at(horizon_seconds)
        if reached <= 0:
            return None
        wanted = share * reached * (1 - 1e-12)
        return self.times[bisect_left(self.shares, wanted)]


def cumulative_incidence(ages: Ages) -> Curve:
    """The Aalen–Johansen curve of the outcome: competing outcomes end the wait, and those that still wait count as at
    risk up to their own age, and at it."""
    at_risk = ages.n
    surviving, share = 1.0, 0.0
    times: list[float] = []
    shares: list[float] = []
    for time in sorted({*ages.outcome, *ages.competing, *ages.waiting}):
        outcomes, competitors = ages.outcome.get(time, 0), ages.competing.get(time, 0)
        if outcomes:
            share += surviving * outcomes / at_risk
            times.append(time)
            shares.append(share)
        if outcomes or competitors:
            surviving *= 1 - (outcomes + competitors) / at_risk
        at_risk -= outcomes + competitors + ages.waiting.get(time, 0)
    return Curve(tuple(times), tuple(shares))


def counts(values: Iterable[float]) -> dict[float, int]:
    """How often each value occurs."""
    found: dict[float, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return found
