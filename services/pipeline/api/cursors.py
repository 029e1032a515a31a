"""Where a listing goes on: a time and an id, written so that nobody builds on them."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from uuid import UUID

import orjson

from shared.kit.errors import Rejected


def cursor_of(at: datetime, one: UUID) -> str:
    """The place behind an entry."""
    return base64.urlsafe_b64encode(f"{at.isoformat()} {one}".encode()).decode()


def after_of(cursor: str | None, field: str = "cursor") -> tuple[datetime, UUID] | None:
    """What a cursor says. Raises `Rejected` for one that is none of ours."""
    if cursor is None:
        return None
    try:
        at, _, one = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        return datetime.fromisoformat(at), UUID(one)
    except (ValueError, binascii.Error):
        raise Rejected(
            f"{field} is none of ours.", field=field, fix=f"Send the next_{field} of the page before."
        ) from None


def place_after(*words: str) -> str:
    """The place behind an entry that several words name."""
    return base64.urlsafe_b64encode(orjson.dumps(words)).decode()


def words_of(cursor: str) -> list[str]:
    """The words of a place. Raises `ValueError` for what is none."""
    words = orjson.loads(base64.urlsafe_b64decode(cursor.encode()))
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(cursor)
    return words
