"""What batches left of how things are spread, and of who was there, merged beside them: seldom enough that much of it falls together, often enough
that questions find little of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from services.metrics.storage import sketches, visitor_registers
from shared.kit.background import again_and_again, running
from shared.kit.database import Database


class Merging:
    """One task beside the consumer. Of several replicas one works at a time."""

    def __init__(self, database: Database, *, interval_seconds: float, at_least: int, within_seconds: float) -> None:
        self._database = database
        self._interval_seconds = interval_seconds
        self._at_least = at_least
        self._within_seconds = within_seconds
        self._merged_at = self._made_at = time.monotonic()

    async def once(self) -> int:
        """Merges where much waits, or anything has for long; how much that was. Days that were visited are made again now and then
        only: each is read whole."""
        if time.monotonic() - self._made_at >= self._within_seconds:
            self._made_at = time.monotonic()
            while await self._database.run(visitor_registers.make, deadline_seconds=60):
                pass
        waiting = await self._database.run(lambda tx: sketches.waiting(tx, self._at_least))
        now, merged = time.monotonic(), 0
        if waiting < self._at_least and now - self._merged_at < self._within_seconds:
            return 0
        self._merged_at = now
        while done := await self._database.run(sketches.merge, deadline_seconds=60):
            merged += done
            await asyncio.sleep(0)
        if merged:
            await self._give_room_back()
        return merged

    async def _give_room_back(self) -> None:
        """Every question looks through what waits: rows that are gone should not be looked through."""
        async with self._database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("VACUUM metrics.sketch_changes"))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Merges until the context ends."""
        async with running(again_and_again(self.once, self._interval_seconds, "merging_failed"), "metrics-merging"):
            yield
