"""Scoring's handlers on a real database, without the log: batches go in, announcements come out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.scoring.app import CONSUMES
from services.scoring.auditing import Audit, Auditor
from services.scoring.domain import Assessor, Judge
from services.scoring.handlers import Handlers
from services.scoring.instruments import ModelInstruments, ScoringInstruments
from services.scoring.models import Models
from services.scoring.policies import Policies
from services.scoring.rescoring import Rescoring
from shared.contracts.envelope import Event
from shared.contracts.policy import Policy
from shared.contracts.scoring_events import LeadScored
from shared.contracts.topics import SCORING_SCORES
from shared.kit.database import Database, Transaction
from tests.support.clock import FakeClock
from tests.unit.scoring.builders import NOON, POLICY, recorded


class Scoring:
    """The service's inside. `published` is everything announced so far, in order."""

    def __init__(
        self,
        url: str,
        registry: CollectorRegistry,
        policy: Policy = POLICY,
        assessor: Assessor | None = None,
    ) -> None:
        self.url = url
        self.clock = FakeClock(NOON)
        self.database = Database(url, schema="scoring", clock=self.clock)
        self.registry = registry
        self.instruments = ScoringInstruments(registry)
        self.models = Models(ModelInstruments(registry), interval_seconds=0)
        self.use(policy, assessor)
        self.published: list[LeadScored] = []
        self.duplicates: list[UUID] = []
        self.waiting: list[UUID] = []

    def use(self, policy: Policy, assessor: Assessor | None = None, of_customers: Assessor | None = None) -> None:
        """Goes on with another policy, as after a restart."""
        self.models.policy = policy
        routes = {event: on_event for topic in CONSUMES.values() for event, on_event in topic.items()}
        self.handlers = Handlers(policy, self.instruments, routes, models=None if assessor else self.models)
        if assessor:
            self.handlers.judge = Judge(policy, assessor, of_customers)
        self.policies = Policies(self.database, self.handlers.judge)
        self.auditor = Auditor(
            self.database,
            self.policies,
            self.instruments,
            interval_seconds=1,
            batch=100,
            models=None if assessor else self.models,
        )
        self.rescoring = Rescoring(self.database, self.handlers, interval_seconds=1, batch=2)

    async def sweep(self, *, limit: int = 100) -> list[LeadScored]:
        """What has come to pass by the clock's time, one batch."""

        async def work(tx: Transaction) -> Transaction:
            await self.handlers.pass_time(tx, limit=limit)
            return tx

        return self._told(await self.database.run(work, deadline_seconds=20))

    async def audit(self) -> Audit:
        """Every score made again."""
        await self.policies.remember()
        return await self.auditor.page(None, 2_000)

    async def take(self, *events: Event) -> list[LeadScored]:
        """One batch in one transaction, and what it announced."""

        async def work(tx: Transaction) -> Transaction:
            await self.handlers.handle(tx, [recorded(event, offset) for offset, event in enumerate(events)])
            return tx

        tx = await self.database.run(work, deadline_seconds=20)
        self.duplicates += [record.event.event_id for record in tx.duplicates]
        self.waiting += [record.event.event_id for record in tx.waiting]
        return self._told(tx)

    def _told(self, tx: Transaction) -> list[LeadScored]:
        assert all(one.topic == SCORING_SCORES.name for one in tx.announced)
        scored = [SCORING_SCORES.parse(one.value) for one in tx.announced]
        assert [one.key.decode() for one in tx.announced] == [str(event.lead_id) for event in scored]
        told = [event for event in scored if isinstance(event, LeadScored)]
        self.published += told
        return told

    async def take_batches(self, batches: Iterable[Iterable[Event]]) -> None:
        """Batch after batch."""
        for batch in batches:
            await self.take(*batch)


@pytest.fixture
async def scoring(migrated_database: Callable[..., str], registry: CollectorRegistry) -> AsyncIterator[Scoring]:
    service = Scoring(migrated_database("scoring"), registry)
    yield service
    await service.database.close()
