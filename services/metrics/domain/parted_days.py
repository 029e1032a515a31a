"""How much of a local day has passed at a moment: of many things that are known by the day alone, as many are taken to have been by
then."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from services.metrics.domain.questions import Question

WHOLE = 1 << 20
"""A day in parts: a power of two, so that a count times parts divides exactly, and groups add up to their total."""

A_DAY = timedelta(days=1)


class Parted(NamedTuple):
    """The day that a moment is of where some units are (None: all others), and how many parts of it have passed."""

    units: tuple[str, ...] | None
    day: date
    passed: int


def passed(at: datetime, zone: tzinfo) -> tuple[date, int]:
    """The local day of a moment, and its parts by then: a day is as long as the zone has it, 23 to 25 hours mostly."""
    day = at.astimezone(zone).date()
    begins, ends = (datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + A_DAY))
    return day, max(0, min(WHOLE, (at - begins) * WHOLE // (ends - begins)))


def parted(question: Question, at: datetime) -> list[Parted]:
    """A moment where the units of a question are, last where all are that have no other zone."""
    if len(question.zones) == 1:
        return [Parted(None, *passed(at, question.zones[0]))]
    of: dict[tzinfo, list[str]] = {}
    for unit, zone in question.calendars.zones.items():
        of.setdefault(zone, []).append(unit)
    others = [Parted(tuple(units), *passed(at, zone)) for zone, units in of.items()]
    return [*others, Parted(None, *passed(at, question.calendars.zone))]
