"""The periods that people name, as days of a calendar."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import get_args

from services.metrics.reporting.wording import Wording
from shared.contracts.policy.calendar import MONTHS_A_YEAR, PERIODS, Calendar, Period
from shared.kit.errors import Rejected

EXAMPLES = "last-week, last-month, this-quarter, 2026-03, 2026-Q3, 2026-H1, 2026, 30d, 12w, 6m, 1y, 2026-03-31, all"
"""Of a calendar whose years begin in January; others name theirs otherwise."""
A_DAY = timedelta(days=1)
MOST_BARS = 31
SHOWN: dict[Period, int] = {"day": 14, "week": 13, "month": 13, "quarter": 9, "half_year": 6, "year": 5}
"""How many periods a chart shows of a report's own: a year of them and the one that it is compared with."""


@dataclass(frozen=True, slots=True)
class Window:
    """From the first day up to the day after the last one; an open side has no bound. `period` where it is exactly one."""

    start: date | None = None
    end: date | None = None
    period: Period | None = None

    @property
    def is_closed(self) -> bool:
        """Whether there are as many days before it to compare it with."""
        return self.start is not None and self.end is not None


def window_named(name: str, today: date, calendar: Calendar) -> Window:
    """The days that a name means on a day. Raises `Rejected` for a name nobody knows."""
    try:
        found = _window(name, today, calendar)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise Rejected(
            f"{name[:60]!r} is no period.",
            code="invalid-parameter",
            field="period",
            fix=f"Write one such as {examples(today, calendar)}.",
        )
    return found


def examples(day: date, calendar: Calendar) -> str:
    """Periods to name, as this calendar calls those that a day is in."""
    wanted: tuple[Period, ...] = ("month", "quarter", "half_year", "year")
    named = [calendar.name_of(period, calendar.first_of(period, day)) for period in wanted]
    return ", ".join(
        (
            "last-week",
            "last-month",
            "this-quarter",
            *named,
            "30d",
            "12w",
            "6m",
            "1y",
            calendar.name_of("day", day),
            "all",
        )
    )


def _window(name: str, today: date, calendar: Calendar) -> Window | None:
    if name == "all":
        return Window()
    if match := re.fullmatch(r"(this|last)-(day|week|month|quarter|half-year|year)", name):
        period = next(one for one in PERIODS if one == match[2].replace("-", "_"))
        first = calendar.first_of(period, today)
        return _one(calendar, period, calendar.moved(period, first, -1) if match[1] == "last" else first)
    if match := re.fullmatch(r"([1-9]\d{0,3})([dwmy])", name):
        number, unit, end = int(match[1]), match[2], today + A_DAY
        if unit in "dw":
            return Window(end - timedelta(days=number * (7 if unit == "w" else 1)), end)
        for _ in range(number if unit == "y" else 0):
            end = calendar.a_year_before(end)
        if unit == "y":
            return Window(end, today + A_DAY)
        first = calendar.first_of("month", end)
        begins = calendar.begins(calendar.month_of(first) - number)
        after = calendar.begins(calendar.month_of(begins) + 1)
        return Window(min(begins + (end - first), after - A_DAY), end)
    if match := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", name):
        first = calendar.begins(int(match[1]) * MONTHS_A_YEAR + int(match[2]) - 1) + timedelta(days=int(match[3]) - 1)
        return _one(calendar, "day", first) if calendar.name_of("day", first) == name else None
    found = calendar.named(name.replace("q", "Q").replace("h", "H"))
    return _one(calendar, *found) if found is not None else None


def _one(calendar: Calendar, period: Period, first: date) -> Window:
    return Window(first, calendar.moved(period, first, 1), period)


def of_days(start: date | None, end: date | None, calendar: Calendar) -> Window:
    """A window of these days; where they are exactly one period, that one."""
    if start is not None and end is not None:
        if end <= start:
            raise Rejected("It ends before it begins.", code="invalid-parameter", field="to", fix="Give a later `to`.")
        for period in reversed(PERIODS):
            if calendar.first_of(period, start) == start and calendar.moved(period, start, 1) == end:
                return Window(start, end, period)
    return Window(start, end)


def last_whole(period: Period, today: date, calendar: Calendar) -> Window:
    """The last one that is over."""
    return _one(calendar, period, calendar.moved(period, calendar.first_of(period, today), -1))


def label(window: Window, calendar: Calendar, words: Wording) -> str:
    """What a window is called."""
    start, end = window.start, window.end
    if start is None and end is None:
        return words.text("all_time")
    if end is None and start is not None:
        return words.text("since", first=words.day(start))
    if start is None and end is not None:
        return words.text("until", last=words.day(end - A_DAY))
    assert start is not None
    assert end is not None
    if window.period is not None and window.period not in ("day", "week"):
        return words.period(calendar.name_of(window.period, start))
    return words.days(start, end - A_DAY)


def key(window: Window, calendar: Calendar) -> str:
    """A window as a part of a file's name."""
    if window.period is not None and window.start is not None:
        return calendar.name_of(window.period, window.start).replace("/", "-")
    return (
        f"{window.start or 'beginning'}_{window.end - A_DAY if window.end else 'now'}" if window != Window() else "all"
    )


def trend(window: Window, today: date, calendar: Calendar) -> tuple[Period, date | None, date]:
    """By what a chart is parted, and from where to where: of a whole period the ones before it too, else the window itself."""
    end = min(window.end, today + A_DAY) if window.end else today + A_DAY
    if window.period is not None and window.start is not None and window.end is not None:
        return window.period, calendar.moved(window.period, window.start, 1 - SHOWN[window.period]), window.end
    if window.start is None:
        return "month", None, end
    for period in get_args(Period):
        bars = 1
        first = calendar.first_of(period, window.start)
        while bars <= MOST_BARS and (first := calendar.moved(period, first, 1)) < end:
            bars += 1
        if bars <= MOST_BARS:
            return period, window.start, max(end, window.start + A_DAY)
    return "year", window.start, end
