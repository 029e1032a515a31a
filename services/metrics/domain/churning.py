"""Who left, of those who were there when the window, or each of its periods, began."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from services.metrics.domain.answers import TOTAL, Cell, Group, Values, ratio
from services.metrics.domain.customer_answers import DAYS_A_MONTH
from services.metrics.domain.entries import Measure
from services.metrics.domain.questions import UNIT, Question
from shared.contracts.policy.calendar import MONTHS_A_YEAR, PERIODS, Calendar, Period

Place = tuple[str | None, ...]
"""A business unit and what else the answer is cut by, but periods."""


class Change(NamedTuple):
    """How many customers there are more since a day (None: since before the window), in one place."""

    place: Place
    day: date | None
    more: int


class Loss(NamedTuple):
    """So many left on a day who had been customers since another."""

    place: Place
    day: date
    since: date
    n: int


class Cut(NamedTuple):
    """A period of the window as far as it is in it: what it is called in each of the cuts, its first day and the day after it."""

    names: tuple[str, ...]
    first: date
    after: date


def places(question: Question) -> tuple[str, ...]:
    """By what changes and losses have to be known: by unit at least, whose calendar it is."""
    return (UNIT, *(name for name in question.group_by if name not in (UNIT, *PERIODS)))


def changes(cells: Iterable[Cell], *, dated: bool) -> Iterator[Change]:
    """What cells, grouped by place and, where they are dated, by day, say."""
    for cell in cells:
        if cell.group is not None:
            day = date.fromisoformat(cell.group[-1] or "") if dated else None
            sign = -1 if cell.measure is Measure.CUSTOMER_LOST else 1
            yield Change(cell.group[:-1] if dated else cell.group, day, sign * cell.n)


def churned(
    question: Question, moved: Iterable[Change], losses: Iterable[Loss], today: date
) -> dict[Group | None, Values]:
    """The share that left, in the total and in every group. `today` is the day of `as_of`."""
    start, end = (_day(bound) for bound in (question.start, question.end))
    moved, losses = list(moved), list(losses)
    last = min(end, today) if end is not None else today
    active: dict[Group | None, int] = defaultdict(int)
    lost: dict[Group | None, int] = defaultdict(int)
    months: dict[Group | None, float] = {}
    calendar = question.calendars.only or Calendar()
    begins = start if start is not None else last
    months[TOTAL] = months_between(calendar, begins, last if end is None or end > today else end)
    begun = start is None or start <= today
    for one in moved:
        if one.day is None and begun:
            active[TOTAL] += one.more
    for each in losses:
        if start is not None and each.since < start:
            lost[TOTAL] += each.n
    names = tuple(name for name in question.group_by if name in PERIODS)
    here = places(question)
    if question.group_by and not names and begun:
        for one in moved:
            if one.day is None:
                active[_group(question, here, one.place, names, ())] += one.more
        for each in losses:
            if start is not None and each.since < start:
                lost[_group(question, here, each.place, names, ())] += each.n
    if names:
        _by_period(question, moved, losses, last, names, active, lost, months)
    return {
        group: _values(lost[group], active[group], months.get(group, months[TOTAL]))
        for group in {TOTAL: 0, **active}
        if group is TOTAL or active[group] > 0
    }


def _by_period(
    question: Question,
    moved: Sequence[Change],
    losses: Sequence[Loss],
    last: date,
    names: tuple[str, ...],
    active: dict[Group | None, int],
    lost: dict[Group | None, int],
    months: dict[Group | None, float],
) -> None:
    here = places(question)
    by_place: dict[Place, list[Change]] = defaultdict(list)
    for one in moved:
        by_place[one.place].append(one)
    gone: dict[Place, list[Loss]] = defaultdict(list)
    for each in losses:
        gone[each.place].append(each)
    days = [one.day for one in moved if one.day is not None]
    begins = _day(question.start) or min(days, default=last)
    cuts: dict[Calendar, list[Cut]] = {}
    for place, own in by_place.items():
        calendar = calendar_of(question, place[0] or "")
        if calendar not in cuts:
            cuts[calendar] = list(cuts_of(calendar, names, begins, last))
        for cut in cuts[calendar]:
            group = _group(question, here, place, names, cut.names)
            active[group] += sum(one.more for one in own if one.day is None or one.day < cut.first)
            lost[group] += sum(
                one.n for one in gone[place] if cut.first <= one.day < cut.after and one.since < cut.first
            )
            months.setdefault(group, months_between(calendar, cut.first, cut.after))


def _group(question: Question, here: Sequence[str], place: Place, names: Sequence[str], called: Sequence[str]) -> Group:
    known: dict[str, str | None] = {**dict(zip(here, place, strict=True)), **dict(zip(names, called, strict=True))}
    return tuple(known[name] for name in question.group_by)


def cuts_of(calendar: Calendar, names: Sequence[str], begins: date, after: date) -> Iterator[Cut]:
    """The periods from one day until before another."""
    cuts: tuple[Period, ...] = tuple(period for name in names for period in PERIODS if period == name)
    first = begins
    while first < after:
        bounds = [calendar.moved(period, calendar.first_of(period, first), 1) for period in cuts]
        ends = min(*bounds, after) if bounds else after
        yield Cut(tuple(calendar.name_of(period, calendar.first_of(period, first)) for period in cuts), first, ends)
        first = ends


def calendar_of(question: Question, unit: str) -> Calendar:
    """The calendar of a unit, as the question knows it."""
    for calendar, units in question.calendars.others.items():
        if unit in units:
            return calendar
    return question.calendars.default


def months_between(calendar: Calendar, start: date, end: date) -> float:
    """How many months a window has: whole ones of the calendar where it is made of them, else by its days."""
    if end > start and all(calendar.first_of("month", day) == day for day in (start, end)):
        return float(calendar.month_of(end) - calendar.month_of(start))
    return max((end - start) / timedelta(days=1), 0.0) / DAYS_A_MONTH


def _values(lost: int, active: int, months: float) -> Values:
    found = ratio(lost, active, interval=True)
    return {
        **found,
        "months": months,
        "monthly": converted(found["value"], months, 1),
        "yearly": converted(found["value"], months, MONTHS_A_YEAR),
    }


def converted(share: float | None, months: float, into: float) -> float | None:
    """A share that leaves in so many months, as that which leaves in so many others at the same pace: what stays, stays again."""
    if share is None or months <= 0:
        return None
    return float(1 - (1 - share) ** (into / months))


def _day(bound: date | datetime | None) -> date | None:
    return bound.date() if isinstance(bound, datetime) else bound
