"""Days and moments as they are written in what is asked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from shared.contracts.envelope import EARLIEST, LATEST
from shared.kit.errors import Rejected

CLOCKS_DIFFER = timedelta(minutes=10)
"""By how much the clock of whoever asks may be ahead."""


def bound(name: str, value: str) -> date | datetime:
    """A date or a timestamp. Nothing happens before 1900 or after 8999, and arithmetic with days has an end soon after."""
    try:
        found = date.fromisoformat(value) if len(value) <= 10 else _aware(value)
    except ValueError:
        raise Rejected(
            "It is neither a date nor a timestamp.", code="invalid-parameter", field=name,
            fix="Write 2026-03-01, or 2026-03-01T09:00:00+01:00 (a + in a URL is %2B).",
        ) from None  # fmt: skip
    if not is_in_time(found if isinstance(found, datetime) else midnight_utc(found)):
        raise Rejected(
            "Nothing happens then.", code="invalid-parameter", field=name,
            fix=f"Give a day from {EARLIEST.date()} on and before {LATEST.date()}, or leave it out.",
        )  # fmt: skip
    return found


def moment(name: str, value: str) -> datetime:
    """A moment, in UTC however it is written: its day is the same for everybody. A date is midnight UTC. Raises `Rejected`."""
    found = bound(name, value)
    return found.astimezone(UTC) if isinstance(found, datetime) else midnight_utc(found)


def moment_gone(name: str, value: str, now: datetime) -> datetime:
    """A moment as of which something can be told. Raises `Rejected`."""
    return gone(name, moment(name, value), now)


def gone(name: str, at: datetime, now: datetime) -> datetime:
    """A moment that is not to come, but for what clocks differ: until then more will happen, and a cohort would look as old as it
    is not. Raises `Rejected`."""
    if at > now + CLOCKS_DIFFER:
        raise Rejected(
            "It is still to come.", code="invalid-parameter", field=name,
            fix="Give a moment that has passed; it is now when left out. A plain date is midnight UTC.",
        )  # fmt: skip
    return at


def midnight_utc(day: date) -> datetime:
    """When a day begins in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def is_in_time(at: datetime) -> bool:
    """Whether a moment is known to the end and among those that there are facts of."""
    return at.tzinfo is not None and EARLIEST <= at < LATEST


def _aware(value: str) -> datetime:
    """A timestamp; without a zone it is UTC. A space stands for the plus that a URL turned into one."""
    at = datetime.fromisoformat(value.replace(" ", "+") if "T" in value else value)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
