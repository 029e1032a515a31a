"""Every lead by the present policy, because somebody asked for it: in bounded batches, from where it was stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from services.scoring import storage
from services.scoring.handlers import Handlers
from shared.kit.background import running, until_none
from shared.kit.database import Database, Transaction
from shared.kit.logs import log
from shared.kit.transient import is_transient


class Rescoring:
    """One task beside the consumer. Of several replicas one works at a time; a replica with another policy leaves it."""

    def __init__(self, database: Database, handlers: Handlers, *, interval_seconds: float, batch: int) -> None:
        self._database = database
        self._handlers = handlers
        self._interval_seconds = interval_seconds
        self._batch = batch
        self._asked = asyncio.Event()

    async def ask(self) -> Row[Any]:
        """Has every lead scored by the present policy. Asking again while that goes on changes nothing."""
        version, new_id = self._handlers.judge.policy.version, uuid4()
        asked = await self._database.run(lambda tx: storage.ask_rescore(tx, new_id, version))
        self._asked.set()
        return asked

    async def found(self, rescore_id: UUID | None = None) -> list[Row[Any]]:
        """One rescore, or the latest."""
        return await self._database.run(lambda tx: storage.rescores(tx, rescore_id))

    async def once(self) -> bool:
        """One batch in one transaction. Answers whether there is more to do."""
        try:
            return await self._database.run(self._batch_of(singly=False))
        except Exception as error:
            if is_transient(error):
                raise
            log().warning("rescore_refused", error_type=type(error).__name__)
        return await self._database.run(self._batch_of(singly=True))

    def _batch_of(self, *, singly: bool) -> Callable[[Transaction], Awaitable[bool]]:
        async def work(tx: Transaction) -> bool:
            rescore = await storage.running_rescore(tx, self._handlers.judge.policy.version)
            if rescore is None:
                return False
            return await self._handlers.score_anew(tx, rescore, limit=self._batch, singly=singly)

        return work

    async def until_done(self) -> None:
        """Batch after batch."""
        await until_none(self.once)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Works on what was asked until the context ends."""
        async with running(self._work(), "scoring-rescore"):
            yield

    async def _work(self) -> None:
        while True:
            self._asked.clear()
            try:
                await self.until_done()
            except Exception as error:
                if not is_transient(error):
                    log().error("rescore_failed", error_type=type(error).__name__)
            try:
                async with asyncio.timeout(self._interval_seconds):
                    await self._asked.wait()
            except TimeoutError:
                continue
