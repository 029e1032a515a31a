"""Retention: what is kept for a time is forgotten after it, a little at once, by one process at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from services.capture.instruments import RetentionInstruments
from shared.kit.background import again_and_again
from shared.kit.clock import Clock
from shared.kit.database import Database, Transaction

LOOK_EVERY_SECONDS = 60.0
STEP_ROWS = 2_000
STEPS_AT_ONCE = 100
PAUSE_SECONDS = 0.05
FIRST_LOOK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Rule:
    """What is forgotten when: `delete(transaction, before, limit)` deletes rows from before a moment and says how many."""

    name: str
    keep: timedelta
    delete: Callable[..., Awaitable[int]]


class Retention:
    """Applies rules for as long as the process runs. While the database is away nothing is forgotten, and nothing fails."""

    def __init__(
        self, database: Database, clock: Clock, rules: Sequence[Rule], instruments: RetentionInstruments
    ) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules
        self._instruments = instruments

    async def run(self) -> None:
        """Looks once a minute, until it is cancelled."""
        await asyncio.sleep(FIRST_LOOK_SECONDS)
        await again_and_again(self.apply, LOOK_EVERY_SECONDS, "retention_waits")

    async def apply(self) -> None:
        """Forgets what is due, in short transactions with pauses between them. What is left waits for the next look."""
        for rule in self._rules:
            for _ in range(STEPS_AT_ONCE):
                gone = await self._step(rule)
                if gone:
                    self._instruments.deleted.labels(rule.name).inc(gone)
                if gone < STEP_ROWS:
                    break
                await asyncio.sleep(PAUSE_SECONDS)

    async def _step(self, rule: Rule) -> int:
        before = self._clock.now() - rule.keep

        async def work(tx: Transaction) -> int:
            (row,) = await tx.rows(
                "SELECT pg_try_advisory_xact_lock(hashtext(:name)) AS mine", name=f"leadflow-retention-{rule.name}"
            )
            return await rule.delete(tx, before, STEP_ROWS) if row.mine else 0

        return await self._database.run(work)
