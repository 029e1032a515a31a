"""What waits for people, as monitoring sees it: asked of the database at most every few seconds, however often it is scraped."""

from __future__ import annotations

from datetime import datetime

from services.pipeline.instruments import WorkInstruments
from services.pipeline.storage import tasks, worklist
from shared.contracts.policy import Policy
from shared.kit.database import Database
from shared.kit.looking import Looking


class Workload:
    """Keeps the gauges of work up to date."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        instruments: WorkInstruments,
    ) -> None:
        self._database = database
        self._policy = policy
        self._instruments = instruments
        self._looking = Looking()

    async def refresh(self) -> None:
        """Looks again if the last look is too old. A database that is away leaves what was seen last."""
        found = await self._looking.at(self._look)
        if found is None:
            return
        waiting, (due, late) = found
        self._instruments.timers_due.set(due)
        self._instruments.timers_late.set(late)
        counts = dict.fromkeys(["default", *self._policy.business_units, "other"], 0)
        oldest: dict[str, float] = dict.fromkeys(counts, 0.0)
        for unit, number, since in waiting:
            name = unit if unit in counts else "other"
            counts[name] += number
            oldest[name] = min(oldest[name] or since.timestamp(), since.timestamp())
        for name, number in counts.items():
            self._instruments.unassigned.labels(name).set(number)
            self._instruments.unassigned_since.labels(name).set(oldest[name])

    async def _look(self) -> tuple[list[tuple[str, int, datetime]], tuple[int, float]]:
        waiting = await worklist.waiting(self._database)
        return waiting, await tasks.lateness(self._database, self._database.clock.now())
