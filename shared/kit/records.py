"""One record of the log, parsed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

NO_MOMENT = datetime.fromtimestamp(0, UTC)


def moment(milliseconds: int | None) -> datetime:
    """A record's timestamp, in milliseconds since 1970. A producer can write any number there, or none: what is no time
    counts as 1970, since a record must not be stopped by its label."""
    try:
        return datetime.fromtimestamp(max(milliseconds or 0, 0) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return NO_MOMENT


@dataclass(frozen=True, slots=True)
class Record:
    """A record at its place in the log. `event` is what its topic's parser made of `value`."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    timestamp: datetime
    event: Any
