"""What a spool holds, told beside intake, so that whoever asks what is kept of somebody hears of every process's; and what was
set aside there, deleted when its time has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

from services.capture.spool.spool import Spool
from services.capture.storage import SpoolStanding, forget_spool, note_spool
from shared.kit.background import again_and_again, running
from shared.kit.database import Database
from shared.kit.errors import Retryable

TELL_EVERY_SECONDS = 10.0
LAST_WORD_SECONDS = 3.0


class SpoolTelling:
    """One process's spool. Without a database nothing is told, and time goes on for what was set aside."""

    def __init__(self, spool: Spool, home: str, database: Database | None, keep_aside: timedelta) -> None:
        self._spool = spool
        self._home = home
        self._database = database
        self._keep_aside = keep_aside

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tells now and then, and at the end once more, if the database hears it then."""
        async with running(again_and_again(self.once, TELL_EVERY_SECONDS, "spool_not_told_of"), "spool-telling"):
            yield
        with suppress(Retryable, OSError):
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await self._last_word()

    async def once(self) -> SpoolStanding:
        """Deletes what was aside for long enough, and tells what is left."""
        newest = await self._spool.forget_aside(self._keep_aside)
        until = None if newest is None else datetime.fromtimestamp(newest, UTC) + self._keep_aside
        now = SpoolStanding(self._spool.records, self._spool.aside, until)
        if self._database is not None:
            await self._database.run(lambda tx: note_spool(tx, self._home, now))
        return now

    async def _last_word(self) -> None:
        now = await self.once()
        if self._database is not None and not (now.records or now.aside):
            await self._database.run(lambda tx: forget_spool(tx, self._home))
