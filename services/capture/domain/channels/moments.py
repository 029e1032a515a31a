"""Times as senders write them: ISO 8601, RFC 5322 dates, Unix seconds or milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

_MILLISECONDS_FROM = 10**11
"""A number from here on is milliseconds: as seconds it would be a year beyond 5000."""


def moment_of(value: object) -> datetime | None:
    """The time a sender means, with its zone where it named one. None for what is no time."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        if isinstance(value, int | float):
            return _from_number(float(value))
        if not isinstance(value, str) or not value.strip():
            return None
        text = value.strip()
        if text.replace(".", "", 1).isdecimal() and len(text) >= 9:
            return _from_number(float(text))
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, OSError, IndexError):
        return None


def _from_number(number: float) -> datetime | None:
    if not isfinite(number) or number <= 0:
        return None
    return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS_FROM else number, UTC)


def sent_as(value: object) -> object:
    """The time as intake reads it, or the value as it is, so that intake says what is wrong with it."""
    at = moment_of(value)
    return value if at is None else at.isoformat()


def seconds_between(begin: datetime | None, end: datetime | None) -> float | None:
    """How long it took; None where one end is unknown, only one has a zone, or they are the wrong way round."""
    if begin is None or end is None or (begin.tzinfo is None) != (end.tzinfo is None):
        return None
    seconds = (end - begin).total_seconds()
    return seconds if seconds >= 0 else None
