"""Looks for findings by itself, as of each midnight and again during the day, and keeps which of them go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, time, timedelta

import orjson

from services.metrics.domain.findings import Finding
from services.metrics.domain.noticing import place_id, severity
from services.metrics.finding import Looking, shown
from services.metrics.storage import noticed as storage
from shared.contracts.policy import Policy
from shared.kit.background import again_and_again, running
from shared.kit.clock import Clock
from shared.kit.database import Database


def midnight(now: datetime) -> datetime:
    """The last one, in UTC: a look is of whole days, and the same the whole day long but for what is told late."""
    return datetime.combine(now.date(), time(), now.tzinfo)


class Noticing:
    """One task beside the requests. Of several replicas one looks at a time."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        clock: Clock,
        *,
        interval_seconds: float,
        again_seconds: float,
        after_seconds: float = 0.0,
    ) -> None:
        self._database = database
        self._looking = Looking(database, policy)
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._again = timedelta(seconds=again_seconds)
        self._after_seconds = after_seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Goes on until the context ends."""
        async with running(self._now_and_then(), "metrics-noticing"):
            yield

    async def _now_and_then(self) -> None:
        """A process that has just begun has enough to do with what it missed, which a look should know besides."""
        await asyncio.sleep(self._after_seconds)
        await again_and_again(self.once, self._interval_seconds, "findings_not_looked_for")

    async def once(self) -> bool:
        """Looks where that is due, and nobody else is at it; whether it did."""
        as_of = midnight(self._clock.now())
        if not await self._database.run(lambda tx: storage.take_turn(tx, as_of, self._again)):
            return False
        looked = await self._looking.look(as_of)
        found = [_kept(one, as_of) for one in looked.findings]
        return await self._database.run(lambda tx: storage.note(tx, as_of, found, looked.tests))


def _kept(finding: Finding, as_of: datetime) -> storage.Found:
    content = orjson.loads(orjson.dumps(shown(finding, as_of)))
    return storage.Found(place_id(finding), finding.place.kind, severity(finding), finding.place.business_unit, content)
