"""Business time: what passes only while somebody works. The clock on the wall says when that is, and what passes is real time,
so that a day on which the clock is put forward or back has as much of it as it really has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.contracts.policy import WorkingHours
from shared.contracts.policy.working_time import MINUTES_A_DAY, Span

LONGEST_GAP_DAYS = 800
"""A calendar without an hour of work for so long is taken for one that has none left."""

DAY = timedelta(days=1)


class Interval(NamedTuple):
    """Working time without a break, in UTC, the end not in it."""

    start: datetime
    end: datetime


class NoTimeLeft(ValueError):
    """A calendar has no working time any more."""


class BusinessCalendar(NamedTuple):
    """When work is done, in a zone. Equal calendars share what was worked out of them."""

    zone: ZoneInfo
    week: tuple[tuple[Span, ...], ...]
    holidays: frozenset[date]

    @staticmethod
    def of(hours: WorkingHours, zone: ZoneInfo) -> BusinessCalendar:
        """The calendar that a policy describes."""
        return BusinessCalendar(zone, hours.week(), frozenset(hours.holidays))

    def is_open(self, at: datetime) -> bool:
        """Whether it is working time."""
        day = self._day(at)
        return any(one.start <= at < one.end for near in (day - DAY, day) for one in _of_day(self, near))

    def add(self, start: datetime, duration: timedelta) -> datetime:
        """When so much business time has passed. Of no duration at all, when there is working time next.

        Raises `NoTimeLeft` where there is not so much.
        """
        left = duration
        for one in self._from(start):
            begin = max(one.start, start)
            if begin + left <= one.end and (left or begin < one.end):
                return begin + left
            left -= one.end - begin
        raise NoTimeLeft("the calendar has no working time any more")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """How much business time passes from one moment to another; none where the second comes first."""
        passed = timedelta()
        day, last = self._day(start) - DAY, self._day(end)
        while day <= last:
            for one in _of_day(self, day):
                passed += max(min(one.end, end) - max(one.start, start), timedelta())
            day += DAY
        return passed

    def _day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def _from(self, start: datetime) -> Iterator[Interval]:
        day, without = self._day(start) - DAY, 0
        while without < LONGEST_GAP_DAYS:
            found = [one for one in _of_day(self, day) if one.end > start]
            yield from found
            day, without = day + DAY, 0 if found else without + 1


@lru_cache(maxsize=4096)
def _of_day(calendar: BusinessCalendar, day: date) -> tuple[Interval, ...]:
    """The working time that begins on a day. A time of the clock that comes twice is the first for a beginning and the second
    for an end; one that is left out is that much later."""
    if day in calendar.holidays:
        return ()
    found: list[Interval] = []
    for start_minute, end_minute in calendar.week[day.weekday()]:
        start = _moment(day, start_minute, calendar.zone, fold=0)
        end = _moment(day, end_minute, calendar.zone, fold=int(end_minute < MINUTES_A_DAY))
        if found:
            start = max(start, found[-1].end)
        if start < end:
            found.append(Interval(start, end))
    return tuple(found)


def _moment(day: date, minute: int, zone: ZoneInfo, *, fold: int) -> datetime:
    """A minute of a day in UTC; 24:00 is where the next day begins."""
    day += timedelta(days=minute // MINUTES_A_DAY)
    wall = datetime(day.year, day.month, day.day, minute // 60 % 24, minute % 60, tzinfo=zone, fold=fold)
    if fold == 1 and wall.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall.replace(tzinfo=None):
        wall = wall.replace(fold=0)  # in a gap the later reading is an hour before what the clock shows next
    return wall.astimezone(UTC)
