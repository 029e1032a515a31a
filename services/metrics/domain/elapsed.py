"""For how many days a number per day is: those of the window, or of the period that a group is of, that have passed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, tzinfo
from typing import NamedTuple

from services.metrics.domain.answers import Cell, Group
from services.metrics.domain.questions import UNIT, Question
from services.metrics.domain.rollups import DAY_SECONDS
from shared.contracts.policy.calendar import PERIODS, Calendar


class Place(NamedTuple):
    """Where days begin and what periods are called there."""

    zone: tzinfo
    calendar: Calendar


class DaysPassed:
    """Of a question and what was counted for it: without a beginning its window begins on the day of the first one counted.
    Where business units differ the longest counts, for all of them together as for each period. Groups of the same unit and periods
    have the same days, which are worked out once."""

    def __init__(self, question: Question, cells: Iterable[Cell]) -> None:
        self._question = question
        self._first = min((cell.first_at for cell in cells if cell.first_at), default=None)
        self._telling = [at for at, name in enumerate(question.group_by) if name == UNIT or name in PERIODS]
        self._periods = [(name, at) for at, name in enumerate(question.group_by) if name in PERIODS]
        self._unit = question.group_by.index(UNIT) if UNIT in question.group_by else None
        self._everywhere = _places(question, _units(question))
        self._of_unit: dict[str | None, list[Place]] = {}
        self._known: dict[Group | None, float] = {}

    def of(self, group: Group | None) -> float | None:
        """The days of a group, of the whole window for None."""
        if self._question.start is None and self._first is None:
            return None
        told = None if group is None else tuple(group[at] for at in self._telling)
        if told not in self._known:
            self._known[told] = max(self._in(place, group) for place in self._places_of(group))
        return self._known[told]

    def _places_of(self, group: Group | None) -> list[Place]:
        if group is None or self._unit is None:
            return self._everywhere
        unit = group[self._unit]
        if unit not in self._of_unit:
            self._of_unit[unit] = _places(self._question, [unit])
        return self._of_unit[unit]

    def _in(self, place: Place, group: Group | None) -> float:
        question = self._question
        start = question.start
        if start is None:
            assert self._first is not None
            start = self._first.astimezone(place.zone).date()
        begins, ends = [_moment(start, place.zone)], [question.as_of.astimezone(UTC)]
        if question.end is not None:
            ends.append(_moment(question.end, place.zone))
        for period, name in [] if group is None else [(period, group[at] or "") for period, at in self._periods]:
            first = place.calendar.first_called(period, name)
            if first is None:
                return 0.0
            begins.append(_moment(first, place.zone))
            ends.append(_moment(place.calendar.moved(period, first, 1), place.zone))
        return max((min(ends) - max(begins)).total_seconds() / DAY_SECONDS, 0.0)


def _units(question: Question) -> Iterator[str | None]:
    """The business units asked about; for all, those that have a calendar or a zone of their own, and the rest."""
    if UNIT in question.filters:
        yield from question.filters[UNIT]
        return
    yield None
    yield from question.calendars.zones
    for units in question.calendars.others.values():
        yield from units


def _places(question: Question, units: Iterable[str | None]) -> list[Place]:
    calendars = question.calendars
    return list({Place(calendars.zones.get(unit or "", calendars.zone), calendars.of(unit)): None for unit in units})


def _moment(bound: date | datetime, zone: tzinfo) -> datetime:
    if not isinstance(bound, datetime):
        bound = datetime(bound.year, bound.month, bound.day, tzinfo=zone)
    return bound.astimezone(UTC)
