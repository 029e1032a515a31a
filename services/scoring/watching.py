"""The models at work, watched: off every hot path, from a share of the people, each time the same share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from uuid import UUID

from services.scoring import storage
from services.scoring.domain.model import History
from services.scoring.domain.model.assessor import Expert
from services.scoring.domain.model.watching import Watch
from services.scoring.instruments import ModelInstruments
from services.scoring.models import Models, whose
from shared.kit.background import again_and_again, running
from shared.kit.database import Database, Transaction
from shared.kit.logs import log

PAGE = 100

Place = tuple[str, str]
"""Which outcome a model foretells, and for which business unit."""


class Watching:
    """One task beside the consumer. What it finds is told to Prometheus; a model it finds wanting goes on to speak."""

    def __init__(
        self,
        database: Database,
        models: Models,
        instruments: ModelInstruments,
        *,
        interval_seconds: float,
        people: int,
    ) -> None:
        self._database = database
        self._models = models
        self._instruments = instruments
        self._interval_seconds = interval_seconds
        self._people = people

    async def once(self) -> dict[Place, Watch]:
        """Looks at every model that speaks. Answers with what was seen."""
        await self._database.run(self._models.refresh)
        watches: dict[Place, Watch] = {}
        profiles = {}
        for outcome, speakers in self._models.of.items():
            for unit, expert in speakers.experts.speaking.items():
                row = await self._database.run(partial(storage.model, version=expert.version))
                if row is not None:
                    horizon = timedelta(days=row.horizon_days)
                    watches[outcome, unit] = Watch(expert, outcome, horizon, row.data_to, self._database.clock.now())
                    profiles[outcome, unit] = row.profile
        if watches:
            await self._see({watch.expert: watch for watch in watches.values()})
        self._instruments.watched(
            {
                (outcome, whose(unit)): (watch, watch.drift(profiles[outcome, unit]))
                for (outcome, unit), watch in watches.items()
            }
        )
        return watches

    async def _see(self, watches: Mapping[Expert, Watch]) -> None:
        everybody = await self._database.run(storage.people_count)
        one_in = max(1, -(-everybody // self._people))
        after: UUID | None = None
        while True:

            async def read(tx: Transaction, after: UUID | None = after) -> tuple[list[History], UUID | None]:
                await storage.in_snapshot(tx)
                return await storage.histories(tx, after, PAGE, one_in=one_in)

            page, after = await self._database.run(read, deadline_seconds=20)
            for history in page:
                for speakers in self._models.of.values():
                    expert = speakers.experts.expert(history.business_unit)
                    if isinstance(expert, Expert) and expert in watches:
                        self._show(watches[expert], history)
            if after is None:
                return
            await asyncio.sleep(0.05)

    def _show(self, watch: Watch, history: History) -> None:
        """One that a model fails at is passed over, and counted as where it is scored."""
        try:
            watch.see([history])
        except Exception as error:
            self._instruments.failed.labels(watch.outcome).inc()
            log().error("lead_not_watched", lead_id=str(history.root_id), error_type=type(error).__name__)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks until the context ends."""
        often = again_and_again(self.once, self._interval_seconds, "models_not_watched")
        async with running(often, "scoring-watching"):
            yield
