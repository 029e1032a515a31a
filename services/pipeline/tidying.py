"""Looks at every lead now and then, slowly, for what somebody has to put in order; and tells monitoring how much that is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from services.pipeline.domain.hygiene import KINDS, findings
from services.pipeline.instruments import HygieneInstruments
from services.pipeline.storage import erasures, hygiene
from shared.contracts.policy import Policy
from shared.kit.background import again_and_again, running
from shared.kit.database import Database, Transaction
from shared.kit.looking import Looking

AT_ONCE = 200
BREATH_SECONDS = 0.1
"""Between one page and the next: a million leads take about ten minutes, and nobody notices."""

LOOK_EVERY_SECONDS = 5.0
"""How often it is asked whether the next look is due."""

OTHER = "other"


class Tidying:
    """One task beside the consumer; of several processes one looks at a time, and another goes on where it left off."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        instruments: HygieneInstruments,
        *,
        interval_seconds: float,
        max_age_seconds: float = 30.0,
    ) -> None:
        self._database = database
        self._policy = policy
        self._instruments = instruments
        self._interval = timedelta(seconds=interval_seconds)
        self._looking = Looking(max_age_seconds=max_age_seconds)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks until the context ends."""
        async with running(again_and_again(self.all, LOOK_EVERY_SECONDS, "hygiene_failed"), "pipeline-hygiene"):
            yield

    async def all(self) -> None:
        """Goes on until the look is over, where one is due."""
        busy = True
        while busy:
            busy = await self.once()
            if busy:
                await asyncio.sleep(BREATH_SECONDS)

    async def once(self) -> bool:
        """One page in one transaction. False where none is due, or somebody else looks."""
        return await self._database.run(self._page)

    async def _page(self, transaction: Transaction) -> bool:
        await erasures.stand_beside(transaction)
        if not await hygiene.stand_alone(transaction):
            return False
        look = await hygiene.look(transaction)
        position = look.position if look is not None else None
        if look is None or look.ended_at is not None:
            if look is not None and transaction.now - look.began_at < self._interval:
                return False
            await hygiene.begin(transaction)
            position = None
        records = await hygiene.page(transaction, position, AT_ONCE)
        found = [
            finding
            for record in records
            for finding in findings(record, self._policy.unit(record.business_unit).hygiene, transaction.now)
        ]
        is_last = len(records) < AT_ONCE
        await hygiene.keep(transaction, found, after=position, until=None if is_last else records[-1].lead_id)
        if not is_last:
            await hygiene.go_on(transaction, records[-1].lead_id)
            return True
        await hygiene.end(transaction)
        return False

    async def refresh(self) -> None:
        """Tells monitoring what the last whole look found. A database that is away leaves what was told last."""
        look = await self._looking.at(lambda: hygiene.look(self._database))
        if look is None or look.counted_at is None:
            return
        units = ["default", *self._policy.business_units, OTHER]
        counts = {(unit, kind): 0 for unit in units for kind in KINDS}
        for unit, by_kind in look.counts.items():
            for kind, number in by_kind.items():
                counts[unit if unit in units else OTHER, kind] += number
        for (unit, kind), number in counts.items():
            self._instruments.leads.labels(unit, kind).set(number)
        self._instruments.looked_at.set(look.counted_at.timestamp())
