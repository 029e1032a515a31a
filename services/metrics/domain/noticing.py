"""Findings over time: what is found again the next day is the same one, what comes back later is another, and people say what they
think of it."""

from __future__ import annotations

import math
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID, uuid5

from services.metrics.domain.findings import Finding, Kind

PLACES = UUID("7f1e2c06-51a4-5d3c-9e37-6d0b6a0f7d52")
SERIOUS_TIMES = 1.5
"""From here on it is not only for the worse but much."""


class Severity(StrEnum):
    """How much somebody should mind."""

    GOOD = "good"
    NOTICE = "notice"
    SERIOUS = "serious"


class State(StrEnum):
    """Where a finding stands with people. Only an open one is for somebody to look at."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    DISMISSED = "dismissed"
    ENDED = "ended"


class Word(NamedTuple):
    """What somebody said of a finding, why, and until when that holds; without a time as long as the finding lasts."""

    said: State
    by: str
    why: str
    at: datetime
    until: datetime | None


def place_id(finding: Finding) -> UUID:
    """The same change in the same place, whatever day it is looked at: of what, where, in which direction, and over how many days.
    The pace of a target is of that target's days, the first and the last: those of a month and of a year may begin on the same one."""
    place = finding.place
    cut = "\x1f".join(f"{name}={value}" for name, value in sorted(place.cut.items()))
    first, after = place.after
    days = f"{first}:{after}" if place.kind is Kind.PACE else str((after - first).days)
    return uuid5(PLACES, "\x1f".join((place.kind, place.kpi, place.business_unit, cut, finding.direction, days)))


def noticed_id(place: UUID, since: datetime) -> UUID:
    """One stretch of days in which it was found."""
    return uuid5(place, since.isoformat())


def severity(finding: Finding) -> Severity:
    """Staying longer, dropping out more often, fewer of what is counted, and being off the pace are for the worse."""
    kind, effect = finding.place.kind, finding.found.effect
    worse = {Kind.DWELL: "up", Kind.DROP_OFF: "up", Kind.LEVEL: "down"}.get(kind, finding.direction)
    if finding.direction != worse:
        return Severity.GOOD
    times = max(effect, 1 / effect) if effect is not None and effect > 0 else math.inf
    before, after = finding.found.before, finding.found.after
    if kind is Kind.PACE and effect is None and before and after is not None:
        # where less than nothing should be there, as many times is no measure
        times = 1 + abs(after - before) / abs(before)
    return Severity.SERIOUS if times >= SERIOUS_TIMES else Severity.NOTICE


def state(ended: datetime | None, word: Word | None, as_of: datetime) -> State:
    """Where it stands at a moment. What was said holds until its time is over."""
    if ended is not None and ended <= as_of:
        return State.ENDED
    if word is None or word.at > as_of or (word.until is not None and word.until <= as_of):
        return State.OPEN
    return word.said
