"""Scoring's handlers on a real database, without the log: batches go in, announcements come out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.scoring.app import CONSUMES
from services.scoring.handlers import Handlers
from services.scoring.instruments import ScoringInstruments
from shared.contracts.envelope import Event
from shared.contracts.scoring_events import LeadScored
from shared.contracts.topics import SCORING_SCORES
from shared.kit.database import Database, Transaction
from tests.unit.scoring.builders import POLICY, recorded


class Scoring:
    """The service's inside. `published` is everything announced so far, in order."""

    def __init__(self, url: str, registry: CollectorRegistry) -> None:
        self.url = url
        self.database = Database(url, schema="scoring")
        self.registry = registry
        routes = {event: on_event for topic in CONSUMES.values() for event, on_event in topic.items()}
        self.handlers = Handlers(POLICY, ScoringInstruments(registry), routes)
        self.published: list[LeadScored] = []
        self.duplicates: list[UUID] = []
        self.waiting: list[UUID] = []

    async def take(self, *events: Event) -> list[LeadScored]:
        """One batch in one transaction, and what it announced."""

        async def work(tx: Transaction) -> Transaction:
            await self.handlers.handle(tx, [recorded(event, offset) for offset, event in enumerate(events)])
            return tx

        tx = await self.database.run(work, deadline_seconds=20)
        assert all(one.topic == SCORING_SCORES.name for one in tx.announced)
        scored = [SCORING_SCORES.parse(one.value) for one in tx.announced]
        assert [one.key.decode() for one in tx.announced] == [str(event.lead_id) for event in scored]
        self.published += [event for event in scored if isinstance(event, LeadScored)]
        self.duplicates += [record.event.event_id for record in tx.duplicates]
        self.waiting += [record.event.event_id for record in tx.waiting]
        return [event for event in scored if isinstance(event, LeadScored)]

    async def take_batches(self, batches: Iterable[Iterable[Event]]) -> None:
        """Batch after batch."""
        for batch in batches:
            await self.take(*batch)


@pytest.fixture
async def scoring(migrated_database: Callable[..., str], registry: CollectorRegistry) -> AsyncIterator[Scoring]:
    service = Scoring(migrated_database("scoring"), registry)
    yield service
    await service.database.close()
