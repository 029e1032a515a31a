"""What metrics does with a lifecycle event: keep it as a fact and change the numbers by the difference it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.metrics.domain.facts import Fact
from services.metrics.domain.folding import fold
from services.metrics.domain.rollups import Rules
from services.metrics.storage import folding as storage
from services.metrics.storage import visitors
from shared.contracts.envelope import Event, LifecycleEvent
from shared.contracts.lifecycle_events import LeadCreated, LeadGraded, LeadQualified, LeadTouched
from shared.kit.database import Transaction
from shared.kit.records import Record

ENVELOPE = set(LifecycleEvent.model_fields)

FactId = tuple[UUID, UUID]


@dataclass(slots=True)
class Batch:
    """The records of one batch by the fact that each is, further records of the same facts, the people they are about, and what
    is told of visitors."""

    records: dict[FactId, Record] = field(default_factory=dict)
    duplicates: list[Record] = field(default_factory=list)
    people: set[UUID] = field(default_factory=set)
    visits: list[Record] = field(default_factory=list)
    forgotten: list[Record] = field(default_factory=list)


OnEvent = Callable[["Handlers", Batch, Record], None]


class Handlers:
    """Folds batches. Keeps nothing between them."""

    def __init__(self, rules: Rules, routes: Mapping[type[Event], OnEvent]) -> None:
        self._rules = rules
        self._routes = routes

    async def handle(self, tx: Transaction, records: Sequence[Record]) -> None:
        """One batch: facts in, the groups they are about before and after, the difference out."""
        batch = Batch()
        for record in records:
            self._routes[type(record.event)](self, batch, record)
        if batch.records:
            await self._fold(tx, batch)
        if batch.visits or batch.forgotten:
            await _visited(tx, batch)
        for record in batch.duplicates:
            tx.mark_duplicate(record)

    async def _fold(self, tx: Transaction, batch: Batch) -> None:
        new = await storage.meet(tx, batch.people)
        groups = await storage.lock_groups(tx, batch.people - new)
        known = await storage.known_of(tx, groups, new)
        for fact in known.facts:
            repeated = batch.records.pop((fact.lead_id, fact.event_id), None)
            if repeated is not None:
                batch.duplicates.append(repeated)
        fresh = [fact_of(record.event) for record in batch.records.values()]
        await storage.add_facts(tx, fresh)
        await storage.save(tx, fold(known, fresh, self._rules), self._rules)
        await storage.advance_progress(tx, progress_of(batch.records.values()))

    def on_fact(self, batch: Batch, record: Record) -> None:
        """Every event is a fact about its lead; what it counts as is for `contributions` to say."""
        event = record.event
        if batch.records.setdefault((event.lead_id, event.event_id), record) is not record:
            batch.duplicates.append(record)
        batch.people.add(event.lead_id)

    def on_visitor_seen(self, batch: Batch, record: Record) -> None:
        """Somebody was there, who is no lead or not yet."""
        batch.visits.append(record)

    def on_visitor_forgotten(self, batch: Batch, record: Record) -> None:
        """What was told of a visitor is to be nobody's."""
        batch.forgotten.append(record)

    def on_lead_merged(self, batch: Batch, record: Record) -> None:
        """A merge is about two people: both their groups change."""
        self.on_fact(batch, record)
        batch.people.add(record.event.into_lead_id)


async def _visited(tx: Transaction, batch: Batch) -> None:
    """Who was there, then who is to be nobody: of what is told after that, no more than was told before it."""
    fresh = await visitors.keep(tx, [record.event for record in batch.visits])
    for record in batch.visits:
        if record.event.event_id not in fresh:
            batch.duplicates.append(record)
        fresh.discard(record.event.event_id)
    for record in batch.forgotten:
        if not await visitors.forget(tx, record.event):
            batch.duplicates.append(record)


def fact_of(event: LifecycleEvent) -> Fact:
    """An event as a fact: its envelope as columns, the rest as data without what is null. Of a score it is kept whether it
    came with history, since nobody was told such when it counted; of a qualification, by which policy."""
    data = event.__pydantic_serializer__.to_python(event, mode="json", exclude=ENVELOPE, exclude_none=True)
    if event.historical and isinstance(event, LeadGraded | LeadCreated | LeadTouched):
        data["historical"] = True
    if event.policy_version and isinstance(event, LeadQualified):
        data["policy_version"] = event.policy_version
    return Fact(
        event.lead_id, event.event_id, event.version, event.event, event.occurred_at, event.recorded_at,
        event.causation_id, event.business_unit, data,
    )  # fmt: skip


def progress_of(fresh: Iterable[Record]) -> dict[int, tuple[int, datetime, datetime]]:
    """How far each partition came: its new facts and the newest of them by both clocks."""
    progress: dict[int, tuple[int, datetime, datetime]] = {}
    for record in fresh:
        event = record.event
        count, recorded, occurred = progress.get(record.partition, (0, event.recorded_at, event.occurred_at))
        progress[record.partition] = (count + 1, max(recorded, event.recorded_at), max(occurred, event.occurred_at))
    return progress
