"""What need not say for ever who it is about, or what they said: events that wait for their lead, dead letters, commands,
visits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from services.pipeline.erasing import Fingerprint, stripped
from services.pipeline.storage import erasures, named_commands, visits
from shared.contracts.personal import REDACTED
from shared.kit.background import again_and_again, running
from shared.kit.database import Database, Transaction
from shared.kit.redaction import Redaction

EVERY_SECONDS = 60.0
AT_ONCE = 500

VISIT_DAYS = 60
"""Longer than what capture tells is on the log."""


class Forgetting:
    """Two tasks beside the consumer, a little at a time."""

    def __init__(
        self,
        database: Database,
        fingerprint: Fingerprint,
        *,
        waiting: timedelta,
        letters: timedelta,
        commands: timedelta,
    ) -> None:
        self._database = database
        self._fingerprint = fingerprint
        self._waiting = waiting
        self._commands = commands
        self._letters = Redaction(database, REDACTED, keep=letters)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks every minute until the context ends."""
        waiting = again_and_again(self.once, EVERY_SECONDS, "waiting_not_forgotten")
        async with running(waiting, "pipeline-waiting"), running(self._letters.run(), "pipeline-letters"):
            yield

    async def once(self) -> int:
        """Leaves of what has waited too long only what happened, and of old commands that they were, and nothing of
        visits of long ago; how many there were."""
        done = 0
        for work in (self._waited, self._asked, self._visited):
            some = AT_ONCE
            while some == AT_ONCE:
                some = await self._database.run(work)
                done += some
        return done

    async def _asked(self, tx: Transaction) -> int:
        return await named_commands.forget(tx, tx.now - self._commands, AT_ONCE)

    async def _visited(self, tx: Transaction) -> int:
        return await visits.let_go(tx, VISIT_DAYS, AT_ONCE)

    async def _waited(self, tx: Transaction) -> int:
        rows = await erasures.waiting_since(tx, tx.now - self._waiting, AT_ONCE)
        await erasures.strip_waiting(tx, [stripped(row, self._fingerprint) for row in rows])
        return len(rows)
