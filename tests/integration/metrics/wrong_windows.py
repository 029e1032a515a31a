"""Ways to compare a window with the wrong one: each is put into the running service, and the proof has to notice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from services.metrics import asking
from services.metrics.domain import calendars
from shared.contracts.policy.calendar import Calendar
from tests.integration.metrics.wrong import Patch, Wrong

A_YEAR = timedelta(days=365)
WRONG_WINDOWS: list[Wrong] = []


def wrong(name: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Adds to the list."""

    def added(put_in: Callable[[Patch], None]) -> Callable[[Patch], None]:
        WRONG_WINDOWS.append(Wrong(name, put_in))
        return put_in

    return added


@wrong("a month is compared with as many days")
def _(patch: Patch) -> None:
    patch.setattr(calendars, "_made_of", lambda *_: None)


@wrong("a year earlier is 365 days earlier")
def _(patch: Patch) -> None:
    original = calendars.compared

    def compared(calendar: Calendar, start: date, end: date, how: calendars.Comparison) -> tuple[date, date]:
        return (start - A_YEAR, end - A_YEAR) if how == "last_year" else original(calendar, start, end, how)

    patch.setattr(asking, "compared", compared)


@wrong("what is compared is by the calendar of the defaults")
def _(patch: Patch) -> None:
    original = calendars.compared
    patch.setattr(asking, "compared", lambda _, *window: original(Calendar(), *window))
