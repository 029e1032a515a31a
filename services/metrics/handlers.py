"""What metrics does with a lifecycle event: keep it as a fact and change the numbers by the difference it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial
from uuid import UUID

from services.metrics.domain.facts import Fact
from services.metrics.domain.folding import fold
from services.metrics.domain.rollups import Rules
from services.metrics.storage import folding as storage
from services.metrics.storage import quarantine, visitors
from services.metrics.storage.remembering import Memory
from shared.contracts.activity_events import NoteAdded
from shared.contracts.envelope import Event, LifecycleEvent
from shared.contracts.lifecycle_events import LeadCreated, LeadGraded, LeadQualified, LeadTouched
from shared.kit.database import Transaction
from shared.kit.records import Record

ENVELOPE = set(LifecycleEvent.model_fields)
UNREMARKABLE = ENVELOPE | {"flags", "mark_reasons"}
"""What is not kept of a capture that nothing was noticed about, as of most."""

FactId = tuple[int, int]
"""The ids of a lead and of an event as numbers, which are told apart in a fifth of the time."""


@dataclass(slots=True)
class Batch:
    """The records of one batch by the fact that each is, further records of the same facts, the people they are about, and what
    is told of visitors and of quarantine."""

    records: dict[FactId, Record] = field(default_factory=dict)
    duplicates: list[Record] = field(default_factory=list)
    people: dict[int, UUID] = field(default_factory=dict)
    visits: list[Record] = field(default_factory=list)
    forgotten: list[Record] = field(default_factory=list)
    quarantined: list[Record] = field(default_factory=list)
    settled: list[Record] = field(default_factory=list)


OnEvent = Callable[["Handlers", Batch, Record], None]


class Handlers:
    """Folds batches. Remembers between them only what follows from facts that are committed."""

    def __init__(self, rules: Rules, routes: Mapping[type[Event], OnEvent]) -> None:
        self._rules = lru_cache(rules)
        self._routes = routes
        self._memory = Memory()

    async def handle(self, tx: Transaction, records: Sequence[Record]) -> None:
        """One batch: facts in, the groups they are about before and after, the difference out."""
        batch = Batch()
        for record in records:
            self._routes[type(record.event)](self, batch, record)
        if batch.records:
            await self._fold(tx, batch)
        if batch.visits or batch.forgotten:
            await _visited(tx, batch)
        if batch.quarantined or batch.settled:
            await self._quarantined(tx, batch)
        for record in batch.duplicates:
            tx.mark_duplicate(record)

    async def _fold(self, tx: Transaction, batch: Batch) -> None:
        people = set(batch.people.values())
        new = await storage.meet(tx, people - self._memory.stories.keys())
        groups = await storage.lock_groups(tx, people - new)
        if strange := people - new - groups.roots.keys():  # remembered from before their table was emptied
            new |= await storage.meet(tx, strange)
        known = await storage.known_of(tx, groups, new, self._memory)
        for fact in known.facts:
            repeated = batch.records.pop((fact.lead_id.int, fact.event_id.int), None)
            if repeated is not None:
                batch.duplicates.append(repeated)
        fresh = [fact_of(record.event) for record in batch.records.values()]
        await storage.add_facts(tx, fresh)
        folded = fold(known, fresh, self._rules)
        await storage.save(tx, folded, self._rules)
        table = await storage.advance_progress(tx, progress_of(batch.records.values()))
        if table is not None:
            tx.once_committed(partial(self._memory.keep, table, folded.stories))

    async def _quarantined(self, tx: Transaction, batch: Batch) -> None:
        came = await quarantine.keep(tx, [record.event for record in batch.quarantined], self._rules)
        settled = await quarantine.settle(tx, [record.event for record in batch.settled])
        batch.duplicates += repeated(batch.quarantined, came) + repeated(batch.settled, settled)

    def on_fact(self, batch: Batch, record: Record) -> None:
        """Every event is a fact about its lead; what it counts as is for `contributions` to say."""
        event = record.event
        lead_id: UUID = event.lead_id
        if batch.records.setdefault((lead_id.int, event.event_id.int), record) is not record:
            batch.duplicates.append(record)
        batch.people[lead_id.int] = lead_id

    def on_visitor_seen(self, batch: Batch, record: Record) -> None:
        """Somebody was there, who is no lead or not yet."""
        batch.visits.append(record)

    def on_visitor_forgotten(self, batch: Batch, record: Record) -> None:
        """What was told of a visitor is to be nobody's."""
        batch.forgotten.append(record)

    def on_payload_quarantined(self, batch: Batch, record: Record) -> None:
        """Something could not be taken in."""
        batch.quarantined.append(record)

    def on_quarantine_settled(self, batch: Batch, record: Record) -> None:
        """It is no longer waited for."""
        batch.settled.append(record)

    def on_lead_merged(self, batch: Batch, record: Record) -> None:
        """A merge is about two people: both their groups change."""
        self.on_fact(batch, record)
        into: UUID = record.event.into_lead_id
        batch.people[into.int] = into


async def _visited(tx: Transaction, batch: Batch) -> None:
    """Who was there, then who is to be nobody: of what is told after that, no more than was told before it."""
    fresh = await visitors.keep(tx, [record.event for record in batch.visits])
    batch.duplicates += repeated(batch.visits, fresh)
    for record in batch.forgotten:
        if not await visitors.forget(tx, record.event):
            batch.duplicates.append(record)


def repeated(records: Iterable[Record], fresh: Iterable[UUID]) -> list[Record]:
    """The records of events that were known before, or that others of the same batch say."""
    left = set(fresh)
    found = []
    for record in records:
        if record.event.event_id not in left:
            found.append(record)
        left.discard(record.event.event_id)
    return found


def fact_of(event: LifecycleEvent) -> Fact:
    """An event as a fact: its envelope as columns, the rest as data without what is null. Of a score it is kept whether it
    came with history, since nobody was told such when it counted; of a qualification, by which policy; of a note, who wrote it."""
    left_out = ENVELOPE
    if isinstance(event, LeadCreated | LeadTouched) and not event.flags and not event.mark_reasons:
        left_out = UNREMARKABLE
    data = event.__pydantic_serializer__.to_python(event, mode="json", exclude=left_out, exclude_none=True)
    if event.historical and isinstance(event, LeadGraded | LeadCreated | LeadTouched):
        data["historical"] = True
    if event.policy_version and isinstance(event, LeadQualified):
        data["policy_version"] = event.policy_version
    if event.actor and isinstance(event, NoteAdded):
        data["actor"] = event.actor
    # Moments of one zone, as the database's are: two that the parser made, of a zone each, take twenty times as long to compare.
    return Fact(
        event.lead_id, event.event_id, event.version, event.event, event.occurred_at.astimezone(UTC),
        event.recorded_at.astimezone(UTC), event.causation_id, event.business_unit, data,
    )  # fmt: skip


def progress_of(fresh: Iterable[Record]) -> dict[int, tuple[int, datetime, datetime]]:
    """How far each partition came: its new facts and the newest of them by both clocks."""
    partitions: dict[int, list[LifecycleEvent]] = {}
    for record in fresh:
        partitions.setdefault(record.partition, []).append(record.event)
    return {
        partition: (len(told), max([one.recorded_at for one in told]), max([one.occurred_at for one in told]))
        for partition, told in partitions.items()
    }
