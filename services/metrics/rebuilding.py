"""Everybody counted again from their facts, because somebody asked for it: in bounded steps, from where it was stopped, while
folding and answering go on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from services.metrics.domain.rollups import Rules
from services.metrics.storage import rebuilding as storage
from shared.kit.background import again_and_again, running, until_none
from shared.kit.database import Database


class Rebuilding:
    """One task beside the consumer. Of several replicas one works at a time."""

    def __init__(self, database: Database, rules: Rules, *, interval_seconds: float) -> None:
        self._database = database
        self._rules = rules
        self._interval_seconds = interval_seconds

    async def ask(self) -> Row[Any]:
        """Has everybody counted again. Asking again while that goes on changes nothing."""
        new_id = uuid4()
        return await self._database.run(lambda tx: storage.ask(tx, new_id), deadline_seconds=30)

    async def found(self, rebuild_id: UUID | None = None) -> Sequence[Row[Any]]:
        """One rebuild, or all, the latest first."""
        return await storage.found(self._database, rebuild_id)

    async def once(self) -> bool:
        """One step in one transaction; whether there was one to do."""
        return await self._database.run(lambda tx: storage.step(tx, self._rules), deadline_seconds=60)

    async def until_done(self) -> None:
        """Step after step."""
        await until_none(self.once)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Works on what was asked until the context ends."""
        async with running(
            again_and_again(self.until_done, self._interval_seconds, "rebuild_failed"), "metrics-rebuild"
        ):
            yield
