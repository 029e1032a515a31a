"""Numbers of a whole made of one window's mix of groups and another's contents, for those that are no mean of their groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import floor, lcm

from services.metrics.domain.decomposing import Group
from services.metrics.domain.statistics import Ages, cumulative_incidence
from shared.contracts.ranking import Ended

A_BIT = 1e-9
MOST_TIMES = 2**256
"""No group counts more often than so. Beyond that a whole number of times each is a weight rounded to far more places than a float
has, and products of two sums of them are still floats."""


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
    """A cohort where each group has as many as in `mix`, ending as they do in `within`, all times the same number."""
    sides = [
        (own, found if (found := within.get(group)) is not None and found.n else own) for group, own in mix.items()
    ]
    sides = [(own, found) for own, found in sides if own.n]
    scale = _times(found.n for _, found in sides)
    outcome: dict[float, int] = {}
    competing: dict[float, int] = {}
    waiting: dict[float, int] = {}
    for own, found in sides:
        weight = own.n * scale // found.n
        for into, counted in ((outcome, found.outcome), (competing, found.competing), (waiting, found.waiting)):
            for age, number in counted.items():
                into[age] = into.get(age, 0) + number * weight
    return Ages(outcome, competing, waiting)


def told(
    mix: Mapping[Group, Mapping[float, Ended]], within: Mapping[Group, Mapping[float, Ended]]
) -> dict[float, Ended]:
    """How those ended who were told each number, where each group has as many as in `mix`, told and ending as in `within`; all
    times the same number."""
    sides = [(own, within.get(group) or own) for group, own in mix.items()]
    sizes = [(_leads(own), _leads(found), found) for own, found in sides]
    scale = _times(n for _, n, _ in sizes)
    tally: dict[float, Ended] = {}
    for wanted, n, found in sizes:
        weight = wanted * scale // n
        for number, one in found.items():
            known = tally.get(number, Ended(0, 0))
            tally[number] = Ended(known.leads + one.leads * weight, known.followed + one.followed * weight)
    return tally


def _times(sizes: Iterable[int]) -> int:
    """How often everything counts, so that each group's members count a whole number of times."""
    return min(lcm(*sizes), MOST_TIMES)


def _leads(ended: Mapping[float, Ended]) -> int:
    return sum(one.leads for one in ended.values())


def incidence(cohort: Ages, horizon_seconds: float) -> float | None:
    """The share that has the outcome within the horizon."""
    return cumulative_incidence(cohort).at(horizon_seconds) if cohort.n else None


def median_time(cohort: Ages, horizon_seconds: float) -> float | None:
    """How long the outcome takes half of those that have it within the horizon."""
    return cumulative_incidence(cohort).time_at(0.5, horizon_seconds)
