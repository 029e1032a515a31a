"""Scores move with time: every so often, what came to pass since the last look is told, a bounded batch at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.scoring.handlers import Handlers
from services.scoring.instruments import ScoringInstruments
from shared.kit.background import running
from shared.kit.database import Database
from shared.kit.logs import log
from shared.kit.transient import is_transient


class Sweep:
    """One task beside the consumer. Of several replicas one sweeps at a time. Where it was stopped it goes on: which leads
    are due stands with the leads."""

    def __init__(
        self,
        database: Database,
        handlers: Handlers,
        instruments: ScoringInstruments,
        *,
        interval_seconds: float,
        batch: int,
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._instruments = instruments
        self._interval_seconds = interval_seconds
        self._batch = batch

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sweeps until the context ends."""
        async with running(self._sweep_often(), "scoring-sweep"):
            yield

    async def once(self) -> int:
        """One batch in one transaction. Answers with how many leads were due, 0 while another replica sweeps."""
        try:
            return await self._database.run(lambda tx: self._handlers.pass_time(tx, limit=self._batch))
        except Exception as error:
            if is_transient(error):
                raise
            log().warning("sweep_refused", error_type=type(error).__name__)
        return await self._database.run(lambda tx: self._handlers.pass_time_singly(tx, limit=self._batch))

    async def until_done(self) -> int:
        """Batch after batch until nobody is due. Answers with how many leads were."""
        total = 0
        while (due := await self.once()) > 0:
            total += due
            await asyncio.sleep(0)
        return total

    async def _sweep_often(self) -> None:
        while True:
            try:
                due = await self.until_done()
                self._instruments.sweep_late.set(0)
                if due:
                    log().info("scores_swept", leads=due)
            except Exception as error:
                if not is_transient(error):
                    log().error("sweep_failed", error_type=type(error).__name__)
            await asyncio.sleep(self._interval_seconds)
