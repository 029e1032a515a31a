"""How things are spread: how many fell into each narrow bucket of a scale, so that quantiles and curves over millions read
few numbers, and what is taken back can be taken away again."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from services.metrics.domain.entries import BY_COHORT, RANKED, Entry, Measure
from services.metrics.domain.rollups import Rules, age_days, local_day
from services.metrics.domain.statistics import QUANTILES

TIMED = frozenset(
    {
        Measure.COHORT_CONTACTED,
        Measure.COHORT_CONVERTED,
        Measure.ARCHIVED_BEFORE_CONVERTED,
        Measure.COHORT_CUSTOMER,
        Measure.FAILED_BEFORE_CUSTOMER,
        Measure.LEAD_CUSTOMER,
        Measure.LEAD_LATE,
        Measure.OPPORTUNITY_WON,
        Measure.STAGE_SPELL,
        Measure.STATUS_SPELL,
    }
)
"""Measures whose durations are kept by how they are spread."""

VALUED = frozenset({Measure.OPPORTUNITY_WON})
"""Measures whose amounts are."""

SKETCHED = TIMED | VALUED | RANKED

DURATION, AMOUNT, SCORE, PROBABILITY = "duration", "amount", "score", "probability"

GROWTH = Decimal("1.02")
"""From one bound of a scale to the next. Whatever lies between two is told as their harmonic mean, which is within 1 %."""

DAY_MICROSECONDS = 86_400_000_000
PERMILLE = 1_000
MICROS_OF_PROBABILITY = 1_000_000_000
"""Probabilities are added up in whole billionths, so that adding and taking away leaves nothing behind."""


def _durations() -> tuple[int, ...]:
    """Bounds in microseconds. Whole days are among them up to ten years, so that "within h days" is exact; from 50 days on
    they are close enough by themselves. Less than a hundredth of a second is as good as nothing."""
    found = {0, *(day * DAY_MICROSECONDS for day in range(1, 3651))}
    bound = Decimal(10_000)
    while bound < 400 * 365 * DAY_MICROSECONDS:
        if not 50 * DAY_MICROSECONDS < bound < 3650 * DAY_MICROSECONDS:
            found.add(int(bound))
        bound *= GROWTH
    return tuple(sorted(found))


def _amounts() -> tuple[Decimal, ...]:
    found = [Decimal("0.01")]
    while found[-1] < 10**15:
        found.append((found[-1] * GROWTH).quantize(Decimal("0.000001")))
    return tuple(found)


DURATION_BOUNDS = _durations()
AMOUNT_BOUNDS = _amounts()


def duration_bucket(seconds: float) -> int:
    """Bucket 0 is nothing at all; bucket k is beyond bound k-1, up to bound k and at it."""
    return bisect_left(DURATION_BOUNDS, round(seconds * 1_000_000))


def seconds_of(bucket: int) -> float:
    """What stands for all durations of a bucket."""
    if bucket == 0:
        return 0.0
    low = DURATION_BOUNDS[bucket - 1]
    high = DURATION_BOUNDS[bucket] if bucket < len(DURATION_BOUNDS) else low
    return (2 * low * high / (low + high) if low else high / 2) / 1_000_000


def amount_bucket(amount: Decimal) -> int:
    """Bucket k is from bound k-1 on, up to bound k; what is owed has the same with a minus."""
    bucket = bisect_right(AMOUNT_BOUNDS, abs(amount))
    return -bucket if amount < 0 else bucket


def amount_of(bucket: int) -> float:
    """What stands for all amounts of a bucket."""
    place = abs(bucket)
    if place == 0:
        return 0.0
    low = AMOUNT_BOUNDS[place - 1]
    high = AMOUNT_BOUNDS[place] if place < len(AMOUNT_BOUNDS) else low
    found = float(2 * low * high / (low + high))
    return -found if bucket < 0 else found


SECONDS = np.array([seconds_of(bucket) for bucket in range(len(DURATION_BOUNDS) + 1)])
AMOUNTS = np.array([amount_of(bucket) for bucket in (*range(len(AMOUNT_BOUNDS) + 1), *range(-len(AMOUNT_BOUNDS), 0))])
"""What stands for each bucket, by its number; those below zero are counted from the end."""


def permille_of(probability: float) -> int:
    """A probability in thousandths, rounded as PostgreSQL does."""
    return int(Decimal(f"{probability * PERMILLE:.15g}").quantize(Decimal(1), ROUND_HALF_UP))


def quantiles(counts: Mapping[float, int], shares: Sequence[float] = QUANTILES) -> tuple[float, ...] | None:
    """Type 7, as of the values themselves: between neighbouring order statistics, each told by its bucket. None for none."""
    values = sorted(value for value, n in counts.items() if n)
    ends: list[int] = []
    for value in values:
        ends.append((ends[-1] if ends else 0) + counts[value])
    if not ends:
        return None
    found = []
    for share in shares:
        place = (ends[-1] - 1) * share
        below = int(place)
        low = values[bisect_right(ends, below)]
        high = values[bisect_right(ends, min(below + 1, ends[-1] - 1))]
        found.append(low + (high - low) * (place - below))
    return tuple(found)


def neighbours(counts: Mapping[float, int], below: int) -> tuple[float, float]:
    """The value at a place of their order, from 0, and the next; the last one where there is none."""
    values = sorted(value for value, n in counts.items() if n)
    ends = list(accumulate(counts[value] for value in values))
    last = len(values) - 1
    low, high = (values[min(bisect_right(ends, place), last)] for place in (below, below + 1))
    return low, high


BLOCK_EPOCH = date(1800, 1, 1)
BLOCK_SHIFT = 3
LEVELS = 3
LEVEL_STRIDE = 1_000_000
"""Sketches are kept by day, by eight days and by sixty-four, counted from one day: any window is a few of them."""


def blocks_between(first: date, after: date) -> Iterator[int]:
    """The fewest blocks that make up the days from one to before another."""
    at, end = (first - BLOCK_EPOCH).days, (after - BLOCK_EPOCH).days
    while at < end:
        level = LEVELS - 1
        while at % (1 << BLOCK_SHIFT * level) or at + (1 << BLOCK_SHIFT * level) > end:
            level -= 1
        yield level * LEVEL_STRIDE + (at >> BLOCK_SHIFT * level)
        at += 1 << BLOCK_SHIFT * level


def blocks_of(first: date, after: date, bounds: Iterable[date]) -> list[int]:
    """The same, with no block across any of the bounds."""
    cuts = sorted({first, after, *(one for one in bounds if first < one < after)})
    return [block for begin, end in pairwise(cuts) for block in blocks_between(begin, end)]


def first_day_of(block: int) -> date:
    """The day a block begins with."""
    level, place = divmod(block, LEVEL_STRIDE)
    return BLOCK_EPOCH + timedelta(days=place << BLOCK_SHIFT * level)


class Spot(NamedTuple):
    """Where an entry falls: its day and dimensions as for sums, and its bucket on each scale that is kept of its measure.
    `age_days` is kept where outcomes are held against scores."""

    measure: str
    day: date
    business_unit: str
    dims: tuple[str | None, ...]
    currency: str
    duration_bucket: int | None
    amount_bucket: int | None
    score: int | None
    permille: int | None
    age_days: int


@dataclass(slots=True)
class Weight:
    """How many entries fall there, and what their probabilities and the squares of these add up to, in billionths."""

    n: int = 0
    probability: int = 0
    squares: int = 0

    def __bool__(self) -> bool:
        return bool(self.n or self.probability or self.squares)


def spot_of(entry: Entry, rules: Rules) -> Spot | None:
    """Where an entry falls; None where nothing is kept of it."""
    if entry.score is None and entry.duration_seconds is None and entry.amount is None:
        return None  # most of them; asked first, since a batch has many
    measure = entry.measure
    if entry.valid_to is not None or measure not in SKETCHED:
        return None
    seconds = entry.duration_seconds if measure in TIMED else None
    amount = entry.amount if measure in VALUED else None
    score = entry.score if measure in RANKED else None
    if seconds is None and amount is None and score is None:
        return None
    told = entry.probability if score is not None else None
    return Spot(
        measure,
        local_day(entry.cohort_at if measure in BY_COHORT else entry.at, rules(entry.business_unit).zone),
        entry.business_unit,
        (*entry.dims, entry.stage, entry.reason),
        "" if amount is None else entry.currency or "",
        None if seconds is None else duration_bucket(seconds),
        None if amount is None else amount_bucket(amount),
        score,
        None if told is None else permille_of(told),
        age_days(entry.duration_seconds) if score is not None and measure in BY_COHORT else -1,
    )


def weigh(gone: Iterable[Entry], come: Iterable[Entry], rules: Rules) -> dict[Spot, Weight]:
    """What a batch changes in how things are spread: those that are alike together, and nothing that stays as it was."""
    found: dict[Spot, Weight] = defaultdict(Weight)
    for sign, entries in ((-1, gone), (1, come)):
        for entry in entries:
            spot = spot_of(entry, rules)
            if spot is None:
                continue
            weight = found[spot]
            weight.n += sign
            if spot.permille is not None and entry.probability is not None:
                weight.probability += sign * round(entry.probability * MICROS_OF_PROBABILITY)
                weight.squares += sign * round(entry.probability * entry.probability * MICROS_OF_PROBABILITY)
    return {spot: weight for spot, weight in found.items() if weight}
