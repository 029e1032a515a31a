"""What metrics does with a lifecycle event: keep it as a fact and change the numbers by the difference it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.metrics.domain.facts import Fact
from services.metrics.domain.folding import fold
from services.metrics.domain.rollups import Rules
from services.metrics.storage import folding as storage
from shared.contracts.envelope import Event, LifecycleEvent
from shared.contracts.lifecycle_events import LeadMerged
from shared.kit.database import Transaction
from shared.kit.records import Record

ENVELOPE = set(LifecycleEvent.model_fields)

FactId = tuple[UUID, UUID]


@dataclass(slots=True)
class Batch:
    """The facts of one batch, each once, and the people they are about."""

    facts: dict[FactId, Fact] = field(default_factory=dict)
    people: set[UUID] = field(default_factory=set)


OnEvent = Callable[["Handlers", Batch, LifecycleEvent], None]


class Handlers:
    """Folds batches. Keeps nothing between them."""

    def __init__(self, rules: Rules, routes: Mapping[type[Event], OnEvent]) -> None:
        self._rules = rules
        self._routes = routes

    async def handle(self, tx: Transaction, records: Sequence[Record]) -> None:
        """One batch: facts in, the groups they are about before and after, the difference out."""
        batch = Batch()
        for record in records:
            self._routes[type(record.event)](self, batch, record.event)
        new = {lead: lead for lead in await storage.meet(tx, batch.people)}
        groups = await storage.lock_groups(tx, batch.people - new.keys())
        fresh = await storage.add_facts(tx, [batch.facts[key] for key in sorted(batch.facts)])
        known = await storage.known_of(tx, groups, new, fresh)
        await storage.save(
            tx, fold(known, [batch.facts[key] for key in batch.facts if key in fresh], self._rules), self._rules
        )
        await storage.advance_progress(tx, settle(tx, records, fresh))

    def on_fact(self, batch: Batch, event: LifecycleEvent) -> None:
        """Every event is a fact about its lead; what it counts as is for `contributions` to say."""
        batch.facts.setdefault((event.lead_id, event.event_id), fact_of(event))
        batch.people.add(event.lead_id)

    def on_lead_merged(self, batch: Batch, event: LifecycleEvent) -> None:
        """A merge is about two people: both their groups change."""
        assert isinstance(event, LeadMerged)
        self.on_fact(batch, event)
        batch.people.add(event.into_lead_id)


def fact_of(event: LifecycleEvent) -> Fact:
    """An event as a fact: its envelope as columns, the rest as data without what is null."""
    data = event.__pydantic_serializer__.to_python(event, mode="json", exclude=ENVELOPE, exclude_none=True)
    return Fact(
        event.lead_id, event.event_id, event.version, event.event, event.occurred_at, event.recorded_at,
        event.causation_id, event.business_unit, data,
    )  # fmt: skip


def settle(tx: Transaction, records: Sequence[Record], fresh: set[FactId]) -> dict[int, tuple[int, datetime, datetime]]:
    """How far each partition came: its new facts and the newest of them by both clocks. Every further record of a fact,
    in this batch or an earlier one, counts as a duplicate."""
    progress: dict[int, tuple[int, datetime, datetime]] = {}
    open_ids = set(fresh)
    for record in records:
        event = record.event
        key = (event.lead_id, event.event_id)
        if key not in open_ids:
            tx.mark_duplicate(record)
            continue
        open_ids.remove(key)
        count, recorded, occurred = progress.get(record.partition, (0, event.recorded_at, event.occurred_at))
        progress[record.partition] = (count + 1, max(recorded, event.recorded_at), max(occurred, event.occurred_at))
    return progress
