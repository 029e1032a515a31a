"""When a report is due: so many days after its period is over, at a time of the day where its unit is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from shared.contracts.policy.calendar import Calendar, Period
from shared.contracts.policy.reports import Delivery

DELIVERIES = UUID("5b0d3a0e-6a0b-5f59-9d6f-2f5b8a1f64c3")
MOST_MISSED = 12
"""So many periods are made up for after a time in which nothing was sent, the latest ones."""

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
MOST_ATTEMPTS = 16


class Key(NamedTuple):
    """A schedule: whose report, which one, and where it goes."""

    owner: str
    report: str
    delivery: str


@dataclass(frozen=True, slots=True)
class Due:
    """One period of one schedule. The same one has the same id, whoever finds it."""

    key: Key
    first_day: date
    after_day: date
    due_at: datetime

    @property
    def delivery_id(self) -> UUID:
        """By what a receiver knows it again."""
        return uuid5(DELIVERIES, "\x1f".join((*self.key, self.first_day.isoformat(), self.after_day.isoformat())))


def dues(
    key: Key, delivery: Delivery, period: Period, calendar: Calendar, zone: ZoneInfo, since: datetime, now: datetime
) -> Iterator[Due]:
    """What became due after a moment and until now, the latest first."""
    after = calendar.first_of(period, now.astimezone(zone).date())
    found = 0
    while found < MOST_MISSED:
        first = calendar.moved(period, after, -1)
        due_at = _due_at(delivery, after, zone)
        if due_at <= since:
            return
        if due_at <= now:
            found += 1
            yield Due(key, first, after, due_at)
        after = first


def _due_at(delivery: Delivery, after: date, zone: ZoneInfo) -> datetime:
    """In an hour that the clocks leave out, as soon as they are past it."""
    hour, minute = map(int, delivery.at.split(":"))
    local = datetime.combine(after + timedelta(days=delivery.days_after), time(hour, minute), tzinfo=zone)
    return local.astimezone(UTC)


def pause(attempts: int, retry_after: timedelta | None = None) -> timedelta:
    """How long to wait after so many attempts: a minute, then twice as long each time up to an hour, or as long as is asked for."""
    waited: timedelta = min(MINUTE * (1 << min(max(attempts - 1, 0), 10)), HOUR)
    return max(waited, min(retry_after, 24 * HOUR)) if retry_after is not None else waited
