"""The few sums that results rest on."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from enum import Enum

SETTLE_SECONDS = 2.0
KEPT_UP = 0.95


def percentile(values: Sequence[float], share: float) -> float:
    """Interpolated between neighbouring order statistics (type 7). Not a number where there are no values."""
    if not values:
        return math.nan
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def median(values: Sequence[float]) -> float:
    """The middle one; not a number where there are none."""
    return statistics.median(values) if values else math.nan


def ratio(measured: float, reference: float) -> float | None:
    """How many times the reference; None where there is none."""
    return measured / reference if reference and not math.isnan(reference) else None


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The least-squares slope of (x, y); 0 for fewer than two different x."""
    if len(points) < 2:
        return 0.0
    mean_x = statistics.fmean(x for x, _ in points)
    mean_y = statistics.fmean(y for _, y in points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def is_sustained(rate: float, accepted_per_second: float, backlog: Sequence[tuple[float, float]]) -> bool:
    """Whether a rate can go on for ever: it was really posted, what is left to count at the end is worth less than two
    seconds of it, and over the second half of the time that did not grow by more than a twentieth of the rate."""
    if not backlog or accepted_per_second < KEPT_UP * rate:
        return False
    half = backlog[len(backlog) // 2 :]
    return backlog[-1][1] < rate * SETTLE_SECONDS and slope(half) <= (1 - KEPT_UP) * rate


def waits(sent_at: Sequence[float], seen_at: Sequence[float], gave_up_at: float) -> list[float]:
    """The seconds from sending to seeing: the n-th sent is seen when n are. Whatever was never seen has waited until the
    looking ended, which is the least that it can have been."""
    seen = [*seen_at, *[gave_up_at] * (len(sent_at) - len(seen_at))]
    return [max(0.0, at - sent) for sent, at in zip(sorted(sent_at), seen, strict=False)]


class Verdict(Enum):
    """How a rate went: it holds, it does not, or it failed by so little that it is worth another look."""

    HOLDS = "holds"
    CLOSE = "close"
    FAILS = "fails"


def verdict(rate: float, accepted_per_second: float, backlog: Sequence[tuple[float, float]]) -> Verdict:
    """`is_sustained`, with a second chance for what one hiccup may have spoiled: nearly all posted, and less than twice
    the backlog that is allowed."""
    if is_sustained(rate, accepted_per_second, backlog):
        return Verdict.HOLDS
    nearly = accepted_per_second >= 0.9 * rate and bool(backlog) and backlog[-1][1] < 2 * rate * SETTLE_SECONDS
    return Verdict.CLOSE if nearly else Verdict.FAILS


def highest(rates: Sequence[int], look: Callable[[int], Verdict]) -> int | None:
    """The highest of ascending rates that holds, found by halving; None when not even the first does."""
    low, high = -1, len(rates)
    while high - low > 1:
        middle = (low + high) // 2
        seen = look(rates[middle])
        if seen is Verdict.CLOSE:
            seen = look(rates[middle])
        low, high = (middle, high) if seen is Verdict.HOLDS else (low, middle)
    return rates[low] if low >= 0 else None
