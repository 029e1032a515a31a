"""Looks again, every second, at what began to wait while another process was making its lead known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.pipeline.handlers import Handlers
from shared.kit.database import Database
from shared.kit.logs import log
from shared.kit.transient import is_transient

LOOK_BACK_SECONDS = 120.0
"""Longer than any transaction may take: what is older waits rightly, for somebody who is really not known."""


class Stranded:
    """One task beside the consumer. The first look is at everything, for what an earlier process left."""

    def __init__(self, database: Database, handlers: Handlers, *, interval_seconds: float) -> None:
        self._database = database
        self._handlers = handlers
        self._interval_seconds = interval_seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks until the context ends."""
        task = asyncio.create_task(self._look_often(), name="pipeline-stranded")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def look(self, *, within_seconds: float | None) -> int:
        """Takes up what is there, at most a batch."""
        return await self._database.run(
            lambda transaction: self._handlers.take_up_stranded(transaction, within_seconds=within_seconds)
        )

    async def _look_often(self) -> None:
        within_seconds: float | None = None
        while True:
            try:
                found = await self.look(within_seconds=within_seconds)
                if found:
                    log().info("stranded_taken_up", records=found)
                    continue
                within_seconds = LOOK_BACK_SECONDS
            except Exception as error:
                within_seconds = None  # whatever waited meanwhile may be older than a look back by now
                if not is_transient(error):
                    log().error("stranded_failed", error_type=type(error).__name__)
            await asyncio.sleep(self._interval_seconds)
