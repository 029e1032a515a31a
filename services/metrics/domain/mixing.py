"""Numbers of a whole made of one window's mix of groups and another's contents, for those that are no mean of their groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, lcm

from services.metrics.domain.decomposing import Group
from services.metrics.domain.statistics import Ages, cumulative_incidence

A_BIT = 1e-9


def median(mix: Mapping[Group, Sequence[float]], within: Mapping[Group, Sequence[float]]) -> float | None:
    """The median where each group has as many as in `mix`, lying as they do in `within`; a group that is not there lies as in `mix`.
    Of one window with itself it is the median between neighbours that an answer shows."""
    weighed: list[tuple[float, float]] = []
    for group, own in mix.items():
        values = within.get(group) or own
        weighed += [(value, len(own) / len(values)) for value in values]
    if not weighed:
        return None
    weighed.sort()
    place = (sum(len(own) for own in mix.values()) - 1) / 2
    below = _at(weighed, floor(place))
    return below + (_at(weighed, floor(place) + 1) - below) * (place - floor(place))


def _at(weighed: Sequence[tuple[float, float]], place: int) -> float:
    """The value at a place, each standing at as many places as it weighs."""
    passed = 0.0
    for value, weight in weighed:
        passed += weight
        if passed > place + A_BIT:
            return value
    return weighed[-1][0]


def ages(mix: Mapping[Group, Ages], within: Mapping[Group, Ages]) -> Ages:
    """A cohort where each group has as many as in `mix`, ending as they do in `within`, all times the same whole number."""
    sides = [
        (own, found if (found := within.get(group)) is not None and found.n else own) for group, own in mix.items()
    ]
    sides = [(own, found) for own, found in sides if own.n]
    scale = lcm(*(found.n for _, found in sides))
    outcome: dict[float, int] = {}
    competing: dict[float, int] = {}
    waiting: dict[float, int] = {}
    for own, found in sides:
        weight = own.n * scale // found.n
        for into, counted in ((outcome, found.outcome), (competing, found.competing), (waiting, found.waiting)):
            for age, number in counted.items():
                into[age] = into.get(age, 0) + number * weight
    return Ages(outcome, competing, waiting)


def incidence(cohort: Ages, horizon_seconds: float) -> float | None:
    """The share that has the outcome within the horizon."""
    return cumulative_incidence(cohort).at(horizon_seconds) if cohort.n else None


def median_time(cohort: Ages, horizon_seconds: float) -> float | None:
    """How long the outcome takes half of those that have it within the horizon."""
    return cumulative_incidence(cohort).time_at(0.5, horizon_seconds)
