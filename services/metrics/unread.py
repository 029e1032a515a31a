"""What every replica sees of the log's end is told to all that answer: up to when what they count is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol

from services.metrics.storage import unread
from shared.contracts.topics import PIPELINE_LIFECYCLE
from shared.kit.background import again_and_again, running
from shared.kit.database import Database

EVERY_SECONDS = 2.0


class Reads(Protocol):
    """Who knows since when a topic has anything that is not done; nothing before the first look."""

    unread_since: dict[str, datetime | None]


class Unread:
    """One task beside the consumer, in every replica: all see the same log."""

    def __init__(self, database: Database, reads: Reads) -> None:
        self._database = database
        self._reads = reads

    async def once(self) -> None:
        """Tells what was seen last."""
        topic, seen = PIPELINE_LIFECYCLE.name, self._reads.unread_since
        if topic in seen:
            await self._database.run(lambda tx: unread.tell(tx, topic, seen[topic]))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tells until the context ends."""
        async with running(again_and_again(self.once, EVERY_SECONDS, "unread_not_told"), "metrics-unread"):
            yield
