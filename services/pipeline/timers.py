"""Looks all the time at what is due, and records what was not done: as many timers as there are processes share the work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TypeAlias
from uuid import UUID

from services.pipeline.assigning import Assigning, Wanted
from services.pipeline.domain.follow_up import asks_story
from services.pipeline.instruments import WorkInstruments
from services.pipeline.sending.deciding import Deciding
from services.pipeline.storage import loading, saving, tasks
from shared.contracts.lifecycle_events import LeadReopened
from shared.kit.background import as_it_comes, running
from shared.kit.database import Database, RacedWrite, Transaction
from shared.kit.logs import log
from shared.kit.transient import is_transient, name_of

AT_ONCE = 500

ALONE_SECONDS = 1.0
"""For how long one that fires alone is tried."""

RESTS = timedelta(minutes=5)
"""After which a timer that could not fire is tried again."""

Fired: TypeAlias = tuple[int, list[tuple[str, str, float]]]
"""How many fired; and of what kind they were, what was told of them, and how late."""


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
        """Fires what is due now, at most a batch, in one transaction with what it announces. How many there were. Where that fails
        and the database is there, each fires alone, so that one that cannot keeps nobody else's from firing."""
        if not await tasks.due_ids(self._database, self._database.clock.now(), 1):
            return 0
        try:
            return await self._fired(self._fire)
        except Exception as error:
            if is_away(error):
                raise
        return await self._each_alone()

    async def _each_alone(self) -> int:
        fired = 0
        for task_id in await tasks.due_ids(self._database, self._database.clock.now(), AT_ONCE):
            try:
                fired += await self._fired(partial(self._fire, only=task_id), deadline_seconds=ALONE_SECONDS)
            except Exception as error:
                if is_away(error):
                    raise
                log().error("timer_failed", task_id=str(task_id), error_type=name_of(error.__cause__ or error))
                await self._database.run(partial(_let_rest, task_id=task_id))
        return fired

    async def _fired(self, fire: Callable[[Transaction], Awaitable[Fired]], *, deadline_seconds: float = 5.0) -> int:
        fired, lateness = await self._database.run(fire, deadline_seconds=deadline_seconds)
        for kind, event, late in lateness:
            self._instruments.fired.labels(kind, event).inc()
            self._instruments.lateness.observe(late)
        return fired

    async def _fire(self, transaction: Transaction, only: UUID | None = None) -> Fired:
        due, ledger = await tasks.due(transaction, AT_ONCE, only)
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
                ledger.record(ledger.story_of(root.lead_id, draft), draft)
                if draft.kind is LeadReopened:
                    back.append(Wanted.by(root.lead_id, draft))
            late = (transaction.now - task.due_at).total_seconds()
            told.append((task.kind, drafts[0].kind.__name__, max(late, 0.0)))
        await self._assigning.assign(transaction, ledger, back)
        await saving.save(transaction, ledger)
        return fired, told

    async def _all(self) -> bool:
        return await self.once() == AT_ONCE


async def _let_rest(transaction: Transaction, task_id: UUID) -> None:
    await tasks.let_rest(transaction, task_id, transaction.now + RESTS)


def is_away(error: Exception) -> bool:
    """Whether the database does not answer. That what is written stands there already is said of every try as well."""
    return is_transient(error) and not isinstance(error.__cause__ or error, RacedWrite)
