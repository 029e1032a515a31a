"""When people work: the hours of each day of the week in a zone, and the days that are free."""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator

from shared.contracts.policy.calendar import WEEKDAYS
from shared.contracts.policy.section import Section


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Amsterdam or Asia/Tehran")
    return name


ZoneName = Annotated[str, AfterValidator(_known_zone)]

MINUTES_A_DAY = 24 * 60

Span = tuple[int, int]
"""From one minute of a day to another, as the clock on the wall has them; 24:00 is the end of the day."""

_SPAN = re.compile(r"^(\d\d?):(\d\d)\s*[-–]\s*(\d\d?):(\d\d)$")


def span_of(text: str) -> Span:
    """`09:00-17:30` in minutes of the day. Raises `ValueError`."""
    found = _SPAN.match(text.strip())
    if found is None:
        raise ValueError(f"{text!r} are no hours; write them as 09:00-17:30")
    hour, minute, until_hour, until_minute = map(int, found.groups())
    start, end = hour * 60 + minute, until_hour * 60 + until_minute
    if minute > 59 or until_minute > 59 or end > MINUTES_A_DAY:
        raise ValueError(f"{text!r} has a time that no clock shows; a day goes from 00:00 to 24:00")
    if start >= end:
        raise ValueError(f"{text!r} ends before it begins; write hours over midnight as two spans, on two days")
    return start, end


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _in_order(texts: tuple[str, ...]) -> tuple[str, ...]:
    spans = [(span_of(text), text) for text in texts]
    for (earlier, one), (later, other) in pairwise(spans):
        if earlier[1] > later[0]:
            raise ValueError(f"{other!r} begins before {one!r} ends; write the hours of a day in their order")
    return texts


Hours = Annotated[tuple[str, ...], BeforeValidator(_several), AfterValidator(_in_order)]


class WorkingHours(Section):
    """The hours of a week and the days without any. With no hours at all it is always working time."""

    monday: Hours = ()
    tuesday: Hours = ()
    wednesday: Hours = ()
    thursday: Hours = ()
    friday: Hours = ()
    saturday: Hours = ()
    sunday: Hours = ()
    holidays: tuple[date, ...] = ()

    def week(self) -> tuple[tuple[Span, ...], ...]:
        """The spans of each day, Monday first."""
        week = tuple(tuple(map(span_of, getattr(self, day))) for day in WEEKDAYS)
        return week if any(week) else (((0, MINUTES_A_DAY),),) * len(WEEKDAYS)
