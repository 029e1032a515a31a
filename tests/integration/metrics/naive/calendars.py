"""What periods are called, from a table of the days on which Jalali years began and by counting."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import NamedTuple

NOWRUZ = {
    1397: date(2018, 3, 21), 1398: date(2019, 3, 21), 1399: date(2020, 3, 20), 1400: date(2021, 3, 21), 1401: date(2022, 3, 21),
    1402: date(2023, 3, 21), 1403: date(2024, 3, 20), 1404: date(2025, 3, 21), 1405: date(2026, 3, 21), 1406: date(2027, 3, 21),
    1407: date(2028, 3, 20), 1408: date(2029, 3, 20), 1409: date(2030, 3, 21),
    1410: date(2031, 3, 21), 1411: date(2032, 3, 20), 1412: date(2033, 3, 20), 1413: date(2034, 3, 21),
    1414: date(2035, 3, 21), 1415: date(2036, 3, 20), 1416: date(2037, 3, 20), 1417: date(2038, 3, 21), 1418: date(2039, 3, 21),
    1419: date(2040, 3, 20), 1420: date(2041, 3, 20), 1421: date(2042, 3, 21), 1422: date(2043, 3, 21), 1423: date(2044, 3, 20),
    1424: date(2045, 3, 20), 1425: date(2046, 3, 21), 1426: date(2047, 3, 21), 1427: date(2048, 3, 20),
}  # fmt: skip
"""The first day of each Jalali year, as printed in almanacs."""


class Calendar(NamedTuple):
    """How a unit counts: Jalali or not, the weekday its weeks start with (Monday is 0), the month its fiscal year starts with."""

    jalali: bool = False
    week_starts: int = 0
    fiscal: int = 1


def month_of(day: date, calendar: Calendar) -> tuple[int, int]:
    """Year and month."""
    if not calendar.jalali:
        return day.year, day.month
    year = max(year for year, first in NOWRUZ.items() if first <= day)
    passed = (day - NOWRUZ[year]).days
    return year, passed // 31 + 1 if passed < 186 else (passed - 186) // 30 + 7


@cache
def month_firsts(calendar: Calendar) -> list[date]:
    """The first day of each month of some years."""
    every = [date(2021, 6, 1) + timedelta(days=number) for number in range(4_000)]
    return [day for day in every if month_of(day, calendar) != month_of(day - timedelta(days=1), calendar)]


def month_around(day: date, calendar: Calendar) -> tuple[date, date]:
    """The first day of the month that a day is in, and that of the next one."""
    firsts = month_firsts(calendar)
    after = next(number for number, first in enumerate(firsts) if first > day)
    return firsts[after - 1], firsts[after]


def day_name(day: date, calendar: Calendar) -> str:
    """A day in its calendar."""
    if not calendar.jalali:
        return day.isoformat()
    year, month = month_of(day, calendar)
    passed = (day - NOWRUZ[year]).days
    number = passed % 31 if passed < 186 else (passed - 186) % 30
    return f"{year}-{month:02}-{number + 1:02}"


def period_name(period: str, day: date, calendar: Calendar) -> str:
    """What the period is called that a day is in."""
    if period == "day":
        return day_name(day, calendar)
    if period == "week":
        while day.weekday() != calendar.week_starts:
            day -= timedelta(days=1)
        return day_name(day, calendar)
    year, month = month_of(day, calendar)
    if period == "month":
        return f"{year}-{month:02}"
    fiscal, place = (
        (year, month - calendar.fiscal) if month >= calendar.fiscal else (year - 1, month + 12 - calendar.fiscal)
    )
    named = f"{fiscal}" if calendar.fiscal == 1 else f"{fiscal}/{(fiscal + 1) % 100:02}"
    return {"quarter": f"{named}-Q{place // 3 + 1}", "half_year": f"{named}-H{place // 6 + 1}", "year": named}[period]


def periods_from(day: date, period: str, calendar: Calendar, many: int) -> list[tuple[str, date, date]]:
    """The period that a day is in and those after it: their names, first days and the days after them."""
    name = period_name(period, day, calendar)
    first = day
    while period_name(period, first - timedelta(days=1), calendar) == name:
        first -= timedelta(days=1)
    found = []
    for _ in range(many):
        after = first
        while period_name(period, after, calendar) == name:
            after += timedelta(days=1)
        found.append((name, first, after))
        name, first = period_name(period, after, calendar), after
    return found


def days_before(calendar: Calendar, first: date, after: date, *, a_year: bool) -> tuple[date, date]:
    """As many months of the calendar, or the same ones of the year before; where it is not of months, as many days: right before it, or
    from the same day of the year before on, of whole weeks from the same weekday."""
    firsts = month_firsts(calendar)
    if first in firsts and after in firsts:
        start, end = firsts.index(first), firsts.index(after)
        back = 12 if a_year else end - start
        return firsts[start - back], firsts[end - back]
    days = after - first
    if not a_year:
        return first - days, first
    if {first.weekday(), after.weekday()} == {calendar.week_starts}:
        begins = first - timedelta(weeks=52)
    else:
        month = max(place for place, one in enumerate(firsts) if one <= first)
        same = firsts[month - 12] + (first - firsts[month])
        begins = min(same, firsts[month - 11] - timedelta(days=1))
    return begins, begins + days
