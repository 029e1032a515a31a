"""What deals that may be won or lost are worth together: the mean, how far it spreads, and an interval."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.metrics.domain.answers import TOTAL, Group, Values, one_or_each, plain

LEVEL = 0.95
ENUMERATED = 12
"""So many deals have few enough outcomes to look at each."""
CELLS = 4096
"""Into how many parts the sum of more deals is divided."""
NO_SKEWNESS = 1e-4
"""So little of it moves no bound by more than a ten-thousandth of the spread."""

Floats = NDArray[np.floating[Any]]


class Deal(NamedTuple):
    """An amount and how likely it is had."""

    amount: float
    chance: float


class Moments(NamedTuple):
    """A sum of independent amounts: its mean, variance and third central moment, and the least and most it can be."""

    mean: float = 0.0
    variance: float = 0.0
    third: float = 0.0
    least: float = 0.0
    most: float = 0.0

    def plus(self, other: Moments) -> Moments:
        """The sum of both, independent of each other."""
        return Moments(*(own + more for own, more in zip(self, other, strict=True)))


class Interval(NamedTuple):
    """Between what the sum is, with a chance of `level`."""

    low: float
    high: float
    level: float
    method: str


def interval_of(deals: Sequence[Deal], level: float = LEVEL) -> Interval:
    """The interval of the sum of deals, from its whole distribution: each outcome of a few deals, parts of the range of many."""
    certain = sum(amount for amount, chance in deals if chance >= 1)
    doubtful = [deal for deal in deals if 0 < deal.chance < 1]
    values, shares = _each_outcome(doubtful) if len(doubtful) <= ENUMERATED else _on_a_grid(doubtful)
    order = np.argsort(values, kind="stable")
    rising = np.cumsum(shares[order])
    tail = (1 - level) / 2
    low, high = (
        float(values[order][min(int(np.searchsorted(rising, share - 1e-12)), len(values) - 1)])
        for share in (tail, 1 - tail)
    )
    return Interval(certain + low, certain + high, level, "exact")


def interval_by_moments(of: Moments, level: float = LEVEL) -> Interval:
    """The same from the moments alone: a gamma distribution that is moved and mirrored to have them, within what can be."""
    sd = math.sqrt(max(of.variance, 0.0))
    if sd == 0:
        return Interval(of.mean, of.mean, level, "moments")
    skewness = of.third / sd**3
    tail = (1 - level) / 2
    low, high = (of.mean + sd * _quantile(skewness, share) for share in (tail, 1 - tail))
    return Interval(max(low, of.least), min(high, of.most), level, "moments")


def _quantile(skewness: float, share: float) -> float:
    """How many standard deviations from the mean."""
    if skewness < 0:
        return -_quantile(-skewness, 1 - share)
    if skewness < NO_SKEWNESS:
        return NormalDist().inv_cdf(share)
    from scipy.special import gammaincinv  # takes half a second to load, and only this asks for it

    shape = 4 / skewness**2
    return (float(gammaincinv(shape, share)) - shape) / math.sqrt(shape)


def _each_outcome(deals: Sequence[Deal]) -> tuple[Floats, Floats]:
    values: Floats = np.zeros(1)
    shares: Floats = np.ones(1)
    for amount, chance in deals:
        values = np.concatenate([values, values + amount])
        shares = np.concatenate([shares * (1 - chance), shares * chance])
    return values, shares


def _on_a_grid(deals: Sequence[Deal]) -> tuple[Floats, Floats]:
    """An amount between two places of the grid is shared by both, so that the mean stays what it is."""
    least = sum(min(amount, 0.0) for amount, _ in deals)
    span = sum(abs(amount) for amount, _ in deals)
    if span == 0:
        return np.zeros(1), np.ones(1)
    cell = span / (CELLS - len(deals) - 1) if len(deals) < CELLS // 2 else span / (CELLS // 2)
    size = CELLS + len(deals) + 2
    shares = np.zeros(size)
    shares[0] = 1.0
    for amount, chance in deals:
        # One that costs is the certain cost, and the chance of being spared it.
        gain, share = (amount, chance) if amount >= 0 else (-amount, 1 - chance)
        steps = gain / cell
        whole = math.floor(steps)
        part = steps - whole
        moved = _shifted(shares, whole) * (1 - part) + _shifted(shares, whole + 1) * part
        shares = shares * (1 - share) + moved * share
    return least + cell * np.arange(size), shares


def _shifted(shares: Floats, by: int) -> Floats:
    return np.concatenate([np.zeros(by), shares[: len(shares) - by]]) if by else shares


@dataclass(slots=True)
class Expected:
    """What deals of one group and currency come to: what was won, and the open ones: how many, in full, and as moments; each
    deal, where they are few enough."""

    won: float = 0.0
    won_n: int = 0
    open_n: int = 0
    in_full: float = 0.0
    overdue_n: int = 0
    without_chance: int = 0
    moments: Moments = field(default_factory=Moments)
    deals: list[Deal] | None = None


def expected_values(
    found: Mapping[tuple[Group | None, str], Expected], without_amount: Mapping[Group | None, int], beside: Values
) -> dict[Group | None, Values]:
    """The weighted forecast of every group, currencies apart, with its spread. `beside` is told with the total."""
    by_group: dict[Group | None, dict[str, Values]] = defaultdict(dict)
    counts: dict[Group | None, int] = defaultdict(int)
    for (group, currency), one in found.items():
        by_group[group][currency] = _values(one)
        counts[group] += one.won_n + one.open_n
    answers: dict[Group | None, Values] = {}
    empty = {**plain(0, 0, None, 0), **_open(Expected()), "sd": 0.0}
    for group in dict.fromkeys((TOTAL, *by_group, *without_amount)):
        nobody = without_amount.get(group, 0)
        answers[group] = one_or_each(by_group[group], counts[group] + nobody, nobody, empty)
    answers[TOTAL] = {**answers[TOTAL], **beside}
    return answers


def _values(one: Expected) -> Values:
    interval = interval_by_moments(one.moments) if one.deals is None else interval_of(one.deals)
    value = one.won + one.moments.mean
    return {
        **plain(value, value, None, one.won_n + one.open_n),
        **_open(one),
        "sd": math.sqrt(max(one.moments.variance, 0.0)),
        "interval": shown_interval(interval, one.won),
    }


def _open(one: Expected) -> Values:
    return {
        "won": one.won,
        "open": one.in_full,
        "open_n": one.open_n,
        "overdue": one.overdue_n,
        "without_probability": one.without_chance,
    }


def shown_interval(one: Interval, certain: float = 0.0) -> dict[str, Any]:
    """An interval as it is told, on top of what is certain."""
    return {"low": certain + one.low, "high": certain + one.high, "level": one.level, "method": one.method}
