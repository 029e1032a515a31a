"""Looks all the time at what is due, and records what was not done: as many timers as there are processes share the work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.pipeline.assigning import Assigning, Wanted
from services.pipeline.domain.follow_up import asks_story
from services.pipeline.instruments import WorkInstruments
from services.pipeline.sending.deciding import Deciding
from services.pipeline.storage import loading, saving, tasks
from shared.contracts.lifecycle_events import LeadReopened
from shared.kit.background import as_it_comes, running
from shared.kit.database import Database, Transaction

AT_ONCE = 500


class Timers:
    """One task beside the consumer."""

    def __init__(
        self,
        database: Database,
        assigning: Assigning,
        instruments: WorkInstruments,
        *,
        interval_seconds: float,
        deciding: Deciding | None = None,
    ) -> None:
        """`deciding` sees to steps that send; without it they are nothing but due."""
        self._database = database
        self._assigning = assigning
        self._instruments = instruments
        self._interval_seconds = interval_seconds
        self._deciding = deciding

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks until the context ends."""
        async with running(as_it_comes(self._all, self._interval_seconds, "timers_failed"), "pipeline-timers"):
            yield

    async def once(self) -> int:
        """Fires what is due now, at most a batch, in one transaction with what it announces. How many there were."""
        fired, lateness = await self._database.run(self._fire)
        for kind, event, late in lateness:
            self._instruments.fired.labels(kind, event).inc()
            self._instruments.lateness.observe(late)
        return fired

    async def _fire(self, transaction: Transaction) -> tuple[int, list[tuple[str, str, float]]]:
        due, ledger = await tasks.due(transaction, AT_ONCE)
        fired = len(due)
        await loading.load_stories(transaction, ledger, {one.lead_id for one in due if asks_story(one)})
        told: list[tuple[str, str, float]] = []
        sending = [task for task in due if task.send is not None]
        if sending and self._deciding is not None:
            for task, decided in await self._deciding.decide(transaction, ledger, sending):
                late = (transaction.now - task.starts_at).total_seconds()
                told.append((task.kind, decided[0].kind.__name__, max(late, 0.0)))
            due = [task for task in due if task.send is None]
        back: list[Wanted] = []
        for task in due:
            root = ledger.root(task.lead_id)
            drafts = self._assigning.following(root.business_unit).fire(root.state, task)
            for draft in drafts:
                ledger.record(ledger.story_of(root.lead_id, draft.data), draft)
                if draft.kind is LeadReopened:
                    back.append(Wanted.by(root.lead_id, draft))
            late = (transaction.now - task.due_at).total_seconds()
            told.append((task.kind, drafts[0].kind.__name__, max(late, 0.0)))
        await self._assigning.assign(transaction, ledger, back)
        await saving.save(transaction, ledger)
        return fired, told

    async def _all(self) -> bool:
        return await self.once() == AT_ONCE
