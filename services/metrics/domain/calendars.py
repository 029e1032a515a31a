"""Whose periods an answer is cut by, and with what a window is compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple

from shared.contracts.policy import Policy
from shared.contracts.policy.calendar import MONTHS_A_YEAR, Calendar, Period

Comparison = Literal["previous", "last_year"]
COMPARISONS: tuple[Comparison, ...] = ("previous", "last_year")

WEEKS_A_YEAR = 52
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calendars:
    """The calendar of each business unit: the default one, and those of units that have another; and in which zones their days
    begin: those of units that have another than `zone`."""

    default: Calendar = field(default_factory=Calendar)
    others: Mapping[Calendar, tuple[str, ...]] = field(default_factory=dict)
    zone: tzinfo = UTC
    zones: Mapping[str, tzinfo] = field(default_factory=dict)

    @property
    def only(self) -> Calendar | None:
        """The one that holds for everybody asked about, where there is one."""
        return None if self.others else self.default

    def of(self, unit: str | None) -> Calendar:
        """The one of a business unit; the default one of everybody."""
        return next((calendar for calendar, units in self.others.items() if unit in units), self.default)

    def day(self, unit: str | None, at: datetime) -> date:
        """The day that it is at a moment where a business unit is."""
        return at.astimezone(self.zones.get(unit or "", self.zone)).date()


def calendars_of(policy: Policy, units: Collection[str | None]) -> Calendars:
    """The calendars of these units, of all for none, and the zone of the one that is asked about, of several that of the defaults.
    Those that the policy does not name have the default ones."""
    if not units:
        default, asked = policy.defaults.calendar, sorted(policy.business_units)
    else:
        asked = sorted(unit for unit in units if unit is not None)
        default = policy.unit(asked[0]).calendar if asked else policy.defaults.calendar
    zone = policy.unit(asked[0] if len(units) == 1 and asked else "").zone
    zones = {unit: there for unit in policy.business_units if (there := policy.unit(unit).zone) != zone}
    others: dict[Calendar, tuple[str, ...]] = {}
    for unit in asked:
        own = policy.unit(unit).calendar
        if own != default:
            others[own] = (*others.get(own, ()), unit)
    return Calendars(default, others, zone, zones)


class Periods(NamedTuple):
    """Periods one after the other: the first day of each, and what each is called."""

    firsts: tuple[date, ...]
    names: tuple[str, ...]


@lru_cache(maxsize=16)
def periods(calendar: Calendar, period: Period, start: date, end: date) -> Periods:
    """All periods from the one that `start` is in to the one that `end` is in."""
    if period == "day":
        return _days(calendar, start, end)
    firsts = [calendar.first_of(period, start)]
    while (following := calendar.moved(period, firsts[-1], 1)) <= end:
        firsts.append(following)
    return Periods(tuple(firsts), tuple(calendar.name_of(period, first) for first in firsts))


def _days(calendar: Calendar, start: date, end: date) -> Periods:
    """Days are named by their place in their month: a calendar is asked once a month, which has many days."""
    firsts: list[date] = []
    names: list[str] = []
    months = periods(calendar, "month", start, end)
    following = (*months.firsts[1:], calendar.moved("month", months.firsts[-1], 1))
    for first, name, after in zip(months.firsts, months.names, following, strict=True):
        for place in range((after - first).days):
            day = first + timedelta(days=place)
            if start <= day <= end:
                firsts.append(day)
                names.append(f"{name}-{place + 1:02}")
    return Periods(tuple(firsts), tuple(names))


def compared(calendar: Calendar, start: date, end: date, how: Comparison) -> tuple[date, date]:
    """The window that one is compared with: as many whole months or weeks of the calendar where it is made of them, else as
    many days; right before it, or the same of a year earlier."""
    period = _made_of(calendar, start, end)
    if period is None:
        before = calendar.a_year_before(start) if how == "last_year" else start - (end - start)
        return before, before + (end - start)
    back = MONTHS_A_YEAR if period == "month" else WEEKS_A_YEAR
    if how == "previous":
        back = _how_many(calendar, period, start, end)
    return calendar.moved(period, start, -back), calendar.moved(period, end, -back)


def _made_of(calendar: Calendar, start: date, end: date) -> Period | None:
    whole: tuple[Period, ...] = ("month", "week")
    return next((one for one in whole if all(calendar.first_of(one, day) == day for day in (start, end))), None)


def _how_many(calendar: Calendar, period: Period, start: date, end: date) -> int:
    if period == "week":
        return (end - start).days // 7
    return calendar.month_of(end) - calendar.month_of(start)
