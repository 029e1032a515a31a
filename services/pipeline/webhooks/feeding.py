"""Makes deliveries of what is on the log, and of what an endpoint asked to be told again; forgets those settled long ago."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from services.pipeline.domain.webhook_rules import wants
from services.pipeline.storage import webhook_queue, webhooks
from shared.contracts.topics import PIPELINE_LIFECYCLE
from shared.kit.background import again_and_again, as_it_comes, running
from shared.kit.database import Database, Transaction
from shared.kit.frames import unpack

FRAMES_AT_ONCE = 20
SWEPT_AT_ONCE = 5_000
SWEEP_SECONDS = 60.0

LINGERS = timedelta(minutes=10)
"""How long an endpoint that was removed is kept at least: nothing that was begun before still queues anything for it then."""

SHORTEST, LONGEST = timedelta(seconds=1), timedelta(days=7)
"""Of history that is told again, how much is queued in one transaction: more while there is little in it, less where there is
much."""

FEW, MANY = 1_000, 10_000


class Feeding:
    """Tasks beside the consumer; of several processes one gives out at a time, and one tells again. Neither waits for the other:
    years that are told again keep nothing waiting that happens now."""

    def __init__(self, database: Database, *, interval_seconds: float, keep: timedelta) -> None:
        self._database = database
        self._interval_seconds = interval_seconds
        self._keep = keep
        self._window = timedelta(minutes=1)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Goes on until the context ends."""
        sweep = again_and_again(self.sweep, SWEEP_SECONDS, "webhooks_not_swept")
        async with (
            running(self._often(self.feed), "pipeline-webhook-feed"),
            running(self._often(self.replay), "pipeline-webhook-replay"),
            running(sweep, "pipeline-webhook-sweep"),
        ):
            yield

    async def once(self) -> bool:
        """Gives out some of what is on the log, and queues some of what is to be told again. Whether there may be more."""
        fed, replayed = await self.feed(), await self.replay()
        return fed or replayed

    async def feed(self) -> bool:
        """Gives out some of what is on the log."""
        if not await webhook_queue.is_fed(self._database):
            return False
        return await self._database.run(self._give_out) == FRAMES_AT_ONCE

    async def replay(self) -> bool:
        """Queues some of what is to be told again."""
        if await webhook_queue.replaying(self._database) is None:
            return False
        try:
            return await self._database.run(self._replay, deadline_seconds=60)
        except Exception:
            self._window = max(self._window / 2, SHORTEST)
            raise

    async def sweep(self) -> None:
        """Forgets deliveries whose time is over, and what waited for endpoints that are removed."""
        while (
            await self._database.run(lambda tx: webhook_queue.sweep_removed(tx, tx.now - LINGERS, SWEPT_AT_ONCE))
            >= SWEPT_AT_ONCE
        ):
            pass
        while (
            await self._database.run(lambda tx: webhook_queue.sweep(tx, tx.now - self._keep, SWEPT_AT_ONCE))
            >= SWEPT_AT_ONCE
        ):
            pass

    async def _give_out(self, tx: Transaction) -> int:
        if not await webhook_queue.stand_alone(tx, "feed"):
            return 0
        rows = await webhook_queue.feed(tx, FRAMES_AT_ONCE)
        if not rows:
            return 0
        endpoints = await webhooks.listing(tx)
        queued: list[dict[str, Any]] = []
        missed: dict[UUID, tuple[datetime, datetime]] = {}
        for row in rows:
            for outgoing in unpack(bytes(row.frame)):
                if outgoing.topic != PIPELINE_LIFECYCLE.name:
                    continue
                said = orjson.loads(outgoing.value)
                for endpoint in endpoints:
                    if not wants(endpoint, said):
                        continue
                    if endpoint.state == "live":
                        entry = {name: said[name] for name in ("lead_id", "version", "event_id", "event")}
                        queued.append({"endpoint_id": endpoint.endpoint_id, **entry})
                    else:
                        at = datetime.fromisoformat(said["recorded_at"])
                        first, last = missed.get(endpoint.endpoint_id, (at, at))
                        missed[endpoint.endpoint_id] = min(first, at), max(last, at)
        await webhook_queue.missed(tx, missed)
        await webhook_queue.fill(tx, queued)
        await webhook_queue.fed(tx, [row.id for row in rows])
        return len(rows)

    async def _replay(self, tx: Transaction) -> bool:
        """One window of what one endpoint asked for."""
        if not await webhook_queue.stand_alone(tx, "replay"):
            return False
        endpoint = await webhook_queue.replaying(tx)
        if endpoint is None:
            return False
        end = min(endpoint.replay_from + self._window, endpoint.replay_until)
        queued = await webhook_queue.replay(tx, endpoint, endpoint.replay_from, end)
        await webhook_queue.replayed(tx, endpoint, end)
        if queued < FEW:
            self._window = min(self._window * 2, LONGEST)
        elif queued > MANY:
            self._window = max(self._window / 2, SHORTEST)
        return True

    async def _often(self, work: Callable[[], Awaitable[bool]]) -> None:
        await as_it_comes(work, self._interval_seconds, "webhooks_not_given_out")
