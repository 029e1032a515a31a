"""What periods are called, from a table of the days on which Jalali years began and by counting."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

NOWRUZ = {
    1402: date(2023, 3, 21), 1403: date(2024, 3, 20), 1404: date(2025, 3, 21), 1405: date(2026, 3, 21), 1406: date(2027, 3, 21),
    1407: date(2028, 3, 20), 1408: date(2029, 3, 20), 1409: date(2030, 3, 21),
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
