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


def period_names(question: Question) -> tuple[str, ...]:
    """The periods that the answer is cut by."""
    return tuple(name for name in question.group_by if name in PERIODS)


def changes(question: Question, cells: Iterable[Cell], begins: date | None) -> Iterator[Change]:
    """What cells say, grouped by place and, where they are of days from `begins` on, by the periods that the answer is cut by: who came
    or left in one did so on its first day, for none that is told apart."""
    names, here = period_names(question), len(places(question))
    firsts: dict[Calendar, dict[tuple[str | None, ...], date]] = {}
    for cell in cells:
        if cell.group is None:
            continue
        place, day = cell.group[:here], None
        if begins is not None:
            calendar = calendar_of(question, place[0] or "")
            if calendar not in firsts:
                cuts = cuts_of(calendar, names, begins, question.as_of.date() + timedelta(days=2))
                firsts[calendar] = {cut.names: cut.first for cut in cuts}
            day = firsts[calendar].get(cell.group[here:])
            if day is None:
                continue  # still to come
        yield Change(place, day, -cell.n if cell.measure is Measure.CUSTOMER_LOST else cell.n)


def churned(question: Question, moved: Iterable[Change], losses: Iterable[Loss]) -> dict[Group | None, Values]:
    """The share that left, in the total and in every group."""
    start, end = (_day(bound) for bound in (question.start, question.end))
    moved, losses = list(moved), list(losses)
    today = _today(question, "")
    last = min(end, today) if end is not None else today
    active: dict[Group | None, int] = defaultdict(int)
    lost: dict[Group | None, int] = defaultdict(int)
    months: dict[Group | None, float] = {}
    calendar = question.calendars.only or Calendar()
    begins = start if start is not None else last
    months[TOTAL] = months_between(calendar, begins, last if end is None or end > today else end)
    begun = {one.place for one in moved if start is None or start <= _today(question, one.place[0])}
    for one in moved:
        if one.day is None and one.place in begun:
            active[TOTAL] += one.more
    for each in losses:
        if start is not None and each.since < start:
            lost[TOTAL] += each.n
    names = period_names(question)
    here = places(question)
    if question.group_by and not names:
        for one in moved:
            if one.day is None and one.place in begun:
                active[_group(question, here, one.place, names, ())] += one.more
        for each in losses:
            if start is not None and each.since < start:
                lost[_group(question, here, each.place, names, ())] += each.n
    if names:
        _by_period(question, moved, losses, names, active, lost, months)
    return {
        group: _values(lost[group], active[group], months.get(group, months[TOTAL]))
        for group in {TOTAL: 0, **active}
        if group is TOTAL or active[group] > 0
    }


def _by_period(
    question: Question,
    moved: Sequence[Change],
    losses: Sequence[Loss],
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
    start, end = (_day(bound) for bound in (question.start, question.end))
    cuts: dict[tuple[Calendar, date], list[Cut]] = {}
    for place, own in by_place.items():
        calendar, today = calendar_of(question, place[0] or ""), _today(question, place[0])
        tomorrow = today + timedelta(days=1)
        if (calendar, today) not in cuts:
            begins, after = start or min(days, default=today), tomorrow if end is None else min(end, tomorrow)
            cuts[calendar, today] = list(cuts_of(calendar, names, begins, after))
        for cut in cuts[calendar, today]:
            group = _group(question, here, place, names, cut.names)
            active[group] += sum(one.more for one in own if one.day is None or one.day < cut.first)
            lost[group] += sum(
                one.n for one in gone[place] if cut.first <= one.day < cut.after and one.since < cut.first
            )
            # Where the day has come later, less has passed: the longest counts, in whatever order places come.
            passed = months_between(calendar, cut.first, min(cut.after, today))
            months[group] = max(months.get(group, 0.0), passed)


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


def _today(question: Question, unit: str | None) -> date:
    """The day of `as_of` where a unit is: whoever left on it has left."""
    return question.calendars.day(unit, question.as_of)


def _day(bound: date | datetime | None) -> date | None:
    return bound.date() if isinstance(bound, datetime) else bound
