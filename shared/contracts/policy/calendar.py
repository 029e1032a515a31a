"""By which calendar a business unit counts its weeks, months and years."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Literal

from persiantools.jdatetime import JalaliDate
from pydantic import Field

from shared.contracts.policy.section import Section

Period = Literal["day", "week", "month", "quarter", "half_year", "year"]
PERIODS: tuple[Period, ...] = ("day", "week", "month", "quarter", "half_year", "year")

System = Literal["gregorian", "jalali"]
SYSTEMS: tuple[System, ...] = ("gregorian", "jalali")

MONTHS_A_YEAR = 12
MONTHS: dict[str, int] = {"month": 1, "quarter": 3, "half_year": 6, "year": MONTHS_A_YEAR}
"""How many months those periods have that are made of months."""

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_A_NAME = re.compile(r"(?P<year>[0-9]{4})(?:/[0-9]{2})?(?:-(?P<part>[QH]?)(?P<number>[0-9]{1,2}))?")
_PARTS: dict[str, Period] = {"": "year", "Q": "quarter", "H": "half_year"}

Month = int
"""A month of a calendar, counted from its year 0."""


class Calendar(Section):
    """Months and years are the calendar's own, a Jalali month is never cut from a Gregorian one. Quarters, half-years and years
    begin with the month in which the fiscal year does."""

    system: System = "gregorian"
    week_starts: Literal["monday", "saturday", "sunday"] = "monday"
    fiscal_year_starts: Annotated[int, Field(ge=1, le=MONTHS_A_YEAR)] = 1

    def in_system(self, system: System) -> Calendar:
        """Itself where it is of that system, else a plain one whose weeks begin on the same day."""
        return self if self.system == system else Calendar(system=system, week_starts=self.week_starts)

    def first_of(self, period: Period, day: date) -> date:
        """The first day of the period that a day is in."""
        if period == "day":
            return day
        if period == "week":
            return day - timedelta(days=(day.weekday() - WEEKDAYS.index(self.week_starts)) % 7)
        return self.begins(self._first_month(period, self.month_of(day)))

    def moved(self, period: Period, first: date, by: int) -> date:
        """The first day of the period that is so many after one, or before it, given by its own first day."""
        if period in ("day", "week"):
            return first + timedelta(days=by * (7 if period == "week" else 1))
        return self.begins(self.month_of(first) + by * MONTHS[period])

    def name_of(self, period: Period, first: date) -> str:
        """What a period is called: `2026-03`, `2026-Q1`, `2026-H1`, `2026`; a day or a week by its first day. A year that does
        not begin with the calendar's is named by both that it has a part in: `2026/27`, `2026/27-Q1`."""
        if period in ("day", "week"):
            return self._day_in_words(first)
        month = self.month_of(first)
        if period == "month":
            return f"{month // MONTHS_A_YEAR:04}-{month % MONTHS_A_YEAR + 1:02}"
        begins = self._first_month("year", month)
        year = begins // MONTHS_A_YEAR
        name = f"{year:04}" if self.fiscal_year_starts == 1 else f"{year:04}/{(year + 1) % 100:02}"
        if period == "year":
            return name
        return f"{name}-{'Q' if period == 'quarter' else 'H'}{(month - begins) // MONTHS[period] + 1}"

    def named(self, name: str) -> tuple[Period, date] | None:
        """The period of months that a name means, and its first day; None for a name that this calendar gives none."""
        found = _A_NAME.fullmatch(name)
        if found is None:
            return None
        year, part, number = int(found["year"]), found["part"] or "", int(found["number"] or 1)
        period = _PARTS[part] if part or not found["number"] else "month"
        month = year * MONTHS_A_YEAR + number - 1
        if period != "month":
            month = year * MONTHS_A_YEAR + self.fiscal_year_starts - 1 + (number - 1) * MONTHS[period]
        try:
            first = self.begins(month)
        except ValueError:
            return None
        return (period, first) if self.name_of(period, first) == name else None

    def first_called(self, period: Period, name: str) -> date | None:
        """The first day of the period that a name means; None for a name that this calendar gives none of them."""
        if period not in ("day", "week"):
            found = self.named(name)
            return found[1] if found is not None and found[0] == period else None
        try:
            own = JalaliDate.fromisoformat(name) if self.system == "jalali" else date.fromisoformat(name)
        except ValueError:
            return None
        first: date = own.to_gregorian() if isinstance(own, JalaliDate) else own
        return first if self.first_of(period, first) == first else None

    def a_year_before(self, day: date) -> date:
        """The same day of the same month one year earlier; where that month is shorter, its last day."""
        month = self.month_of(day) - MONTHS_A_YEAR
        passed = day - self.begins(self.month_of(day))
        return min(self.begins(month) + passed, self.begins(month + 1) - timedelta(days=1))

    def month_of(self, day: date) -> Month:
        """The month that a day is in."""
        own = JalaliDate.to_jalali(day) if self.system == "jalali" else day
        return int(own.year) * MONTHS_A_YEAR + int(own.month) - 1

    def _first_month(self, period: Period, month: Month) -> Month:
        offset = self.fiscal_year_starts - 1
        return (month - offset) // MONTHS[period] * MONTHS[period] + offset

    def begins(self, month: Month) -> date:
        """The first day of a month."""
        year, number = month // MONTHS_A_YEAR, month % MONTHS_A_YEAR + 1
        return JalaliDate(year, number, 1).to_gregorian() if self.system == "jalali" else date(year, number, 1)

    def _day_in_words(self, day: date) -> str:
        return str(JalaliDate.to_jalali(day).isoformat()) if self.system == "jalali" else day.isoformat()
