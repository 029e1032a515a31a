"""The periods a person names, as half-open windows of days."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from shared.cli.http import CommandFailed

EXAMPLES = "30d, 12w, 6m, 1y, 2026, 2026-Q3, 2026-03, this-month, last-quarter, this-year, all"


@dataclass(frozen=True, slots=True)
class Window:
    """From the first day up to the day after the last one; an open side has no bound."""

    start: date | None = None
    end: date | None = None

    def __str__(self) -> str:
        if self.start is None and self.end is None:
            return "all time"
        first = f"from {self.start}" if self.start else "from the beginning"
        return first + (f" to {self.end - timedelta(days=1)}" if self.end else " on")


def window_named(name: str, today: date) -> Window:
    """The window a name means on a day. Raises `CommandFailed` for a name nobody knows."""
    if name == "all":
        return Window()
    tomorrow = today + timedelta(days=1)
    if match := re.fullmatch(r"(\d{1,4})([dwmy])", name):
        number, unit = int(match[1]), match[2]
        if unit in "dw":
            return Window(tomorrow - timedelta(days=number * (7 if unit == "w" else 1)), tomorrow)
        return Window(_months_before(tomorrow, number * (12 if unit == "y" else 1)), tomorrow)
    if match := re.fullmatch(r"(\d{4})", name):
        return _months(int(match[1]), 1, 12)
    if match := re.fullmatch(r"(\d{4})-?[qQ]([1-4])", name):
        return _months(int(match[1]), int(match[2]) * 3 - 2, 3)
    if match := re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", name):
        return _months(int(match[1]), int(match[2]), 1)
    if match := re.fullmatch(r"(this|last)-(month|quarter|year)", name):
        length = {"month": 1, "quarter": 3, "year": 12}[match[2]]
        first = (today.month - 1) // length * length + 1
        start = date(today.year, first, 1)
        if match[1] == "last":
            start = _months_before(start, length)
        return _months(start.year, start.month, length)
    raise CommandFailed(f"{name!r} is no period.", f"Write one such as {EXAMPLES}.")


def day_named(text: str, option: str) -> date:
    """A day. Raises `CommandFailed`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandFailed(f"{option} {text!r} is no day.", "Write it as 2026-03-31.") from None


def _months(year: int, month: int, count: int) -> Window:
    following = month - 1 + count
    return Window(date(year, month, 1), date(year + following // 12, following % 12 + 1, 1))


def _months_before(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 - months
    if index < 12:
        raise CommandFailed("That period begins before the calendar does.", "Name a shorter one.")
    year, month = index // 12, index % 12 + 1
    last = _months(year, month, 1).end
    assert last is not None
    return date(year, month, min(day.day, (last - timedelta(days=1)).day))
