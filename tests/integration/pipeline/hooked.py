"""A pipeline that others follow, at a time that the test moves; and a sender of its own process, for a test to kill."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry

from services.pipeline.instruments import WebhookInstruments
from services.pipeline.settings import PipelineSettings
from services.pipeline.storage.webhooks import By
from services.pipeline.webhooks import Webhooks
from services.pipeline.webhooks.endpoints import Asked
from shared.kit.database import Database
from tests.support.clock import FakeClock
from tests.unit.pipeline.builders import SECRET, at

SCHEDULE = "10,60"
OPERATOR = Asked(By("ops", "deployment"))


def hooks_of(database: Database, registry: CollectorRegistry, **settings: Any) -> Webhooks:
    """Webhooks on a database, with what a test says otherwise."""
    told: dict[str, Any] = {
        "api_token": "a token of the tests",
        "identity_secret": SECRET.decode(),
        "webhook_interval_seconds": 0.05,
        "webhook_timeout_seconds": 5.0,
        "webhook_retry_seconds": SCHEDULE,
        "webhook_http_loopback": True,
    }
    return Webhooks(database, SECRET, PipelineSettings(**{**told, **settings}), WebhookInstruments(registry))


class Hooked:
    """What the log has is given out, sent and settled when the test says so."""

    def __init__(self, database: Database, **settings: Any) -> None:
        self.clock = FakeClock(at(0))
        self.registry = CollectorRegistry()
        self.database = database
        database.clock = self.clock
        self.hooks = hooks_of(database, self.registry, **settings)
        self._relayed = 0

    async def follow(self, url: str, by: By = OPERATOR.by, **said: Any) -> dict[str, Any]:
        """A new endpoint, with its secret."""
        wanted = {
            "url": url, "business_unit": "default", "events": [], "personal": False, "historical": False, "description": "",
        }  # fmt: skip
        made, _ = await self.hooks.endpoints.create({**wanted, **said}, uuid4(), by)
        return made

    async def relay(self) -> None:
        """What was committed is on the log, as the relay leaves it."""
        rows = await self.database.rows(
            "SELECT max(id) AS last FROM pipeline.outbox WHERE id > :after", after=self._relayed
        )
        async with self.database.transaction() as tx:
            await tx.execute(
                "INSERT INTO pipeline.webhook_feed (frame) SELECT frame FROM pipeline.outbox WHERE id > :after ORDER BY id",
                {"after": self._relayed},
            )
        self._relayed = rows[0].last or self._relayed

    async def give_out(self) -> None:
        """What was committed is on the log, and is queued for whoever follows."""
        await self.relay()
        while await self.hooks.feeding.once():
            pass

    async def send(self) -> None:
        """Sends all that is due."""
        while await self.hooks.sending.once():
            pass

    async def told(self) -> None:
        """Gives out and sends."""
        await self.give_out()
        await self.send()

    def after(self, **time: float) -> None:
        self.clock.advance(timedelta(**time))

    async def states(self) -> dict[str, int]:
        """How many deliveries there are of each state."""
        rows = await self.database.rows("SELECT status, count(*) AS n FROM pipeline.webhook_deliveries GROUP BY status")
        return {row.status: row.n for row in rows}

    async def endpoint(self, made: dict[str, Any]) -> dict[str, Any]:
        """An endpoint as it is now."""
        return await self.hooks.endpoints.one(UUID(str(made["endpoint_id"])))


async def _send_from(url: str) -> None:
    database = Database(url, schema="pipeline")
    try:
        sending = hooks_of(database, CollectorRegistry()).sending
        while await sending.once():
            pass
    finally:
        await database.close()


def main(arguments: Sequence[str]) -> None:
    """Sends what is due on a database, and ends."""
    asyncio.run(_send_from(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
