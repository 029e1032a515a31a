"""One record of the log, parsed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

NO_MOMENT = datetime.fromtimestamp(0, UTC)


@lru_cache(maxsize=4096)
def moment(milliseconds: int | None) -> datetime:
    """A record's timestamp, in milliseconds since 1970. A producer can write any number there, or none: what is no time
    counts as 1970, since a record must not be stopped by its label."""
    try:
        return datetime.fromtimestamp(max(milliseconds or 0, 0) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return NO_MOMENT


def content_of(value: bytes | None) -> Any:
    """What a record's bytes say, also where they are only nearly JSON: good enough to tell records apart by the ids they
    claim. Raises `ValueError` for what nobody can read."""
    try:
        return orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        try:
            return json.loads(value or b"")
        except RecursionError:
            raise ValueError("nested too deep") from None


class Record(NamedTuple):
    """A record at its place in the log. `event` is what its topic's parser made of `value`."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    timestamp: datetime
    event: Any
