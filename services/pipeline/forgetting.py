"""What need not say for ever who it is about: events that wait for their lead, and dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from services.pipeline.erasing import Fingerprint, stripped
from services.pipeline.storage import erasures
from shared.contracts.personal import REDACTED
from shared.kit.background import again_and_again, running
from shared.kit.database import Database, Transaction
from shared.kit.redaction import Redaction

EVERY_SECONDS = 60.0
AT_ONCE = 500


class Forgetting:
    """Two tasks beside the consumer, a little at a time."""

    def __init__(self, database: Database, fingerprint: Fingerprint, *, waiting: timedelta, letters: timedelta) -> None:
        self._database = database
        self._fingerprint = fingerprint
        self._waiting = waiting
        self._letters = Redaction(database, REDACTED, keep=letters)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks every minute until the context ends."""
        waiting = again_and_again(self.once, EVERY_SECONDS, "waiting_not_forgotten")
        async with running(waiting, "pipeline-waiting"), running(self._letters.run(), "pipeline-letters"):
            yield

    async def once(self) -> int:
        """Leaves of what has waited too long only what happened; how many there were."""
        done = 0
        while True:
            some = await self._database.run(self._some)
            done += some
            if some < AT_ONCE:
                return done

    async def _some(self, tx: Transaction) -> int:
        rows = await erasures.waiting_since(tx, tx.now - self._waiting, AT_ONCE)
        await erasures.strip_waiting(tx, [stripped(row, self._fingerprint) for row in rows])
        return len(rows)
