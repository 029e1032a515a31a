"""Keeps quarantine within its time and its size, beside intake: empties what is old, counts what is there."""

from __future__ import annotations

from datetime import timedelta

from services.capture.instruments import QuarantineInstruments
from services.capture.quarantine import Quarantine
from services.capture.storage import quarantine as storage
from services.capture.storage.quarantine_told import tell_some
from shared.kit.background import again_and_again
from shared.kit.database import Database

EVERY_SECONDS = 30.0
AT_ONCE = 500
REMEMBERED = timedelta(days=365)
"""How long it stays known that there was an entry, why, and what became of it."""


class Keeping:
    """The work of one process; several do it side by side without waiting for each other."""

    def __init__(
        self, database: Database, quarantine: Quarantine, instruments: QuarantineInstruments, keep: timedelta
    ) -> None:
        self._database = database
        self._quarantine = quarantine
        self._instruments = instruments
        self._keep = keep

    async def run(self) -> None:
        """Goes on until it is cancelled. While the database is away, nothing is due."""
        await again_and_again(self.once, EVERY_SECONDS, "quarantine_not_kept")

    async def once(self) -> None:
        """Everything that is due now."""
        while await self._database.run(lambda tx: storage.expire_quarantined(tx, self._keep, AT_ONCE)) == AT_ONCE:
            pass
        until = self._keep + REMEMBERED
        while await self._database.run(lambda tx: storage.forget_quarantined(tx, until, AT_ONCE)) == AT_ONCE:
            pass
        while await self._database.run(lambda tx: tell_some(tx, AT_ONCE)) == AT_ONCE:
            pass
        await self.measure()

    async def measure(self) -> None:
        """What is there now, for monitoring and for the bound."""
        now = await storage.standing(self._database)
        self._quarantine.measured(now.kept_bytes)
        self._instruments.tell(now.open_by_reason, now.oldest_open)
