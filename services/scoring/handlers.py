"""What each event means to scoring: a batch comes in, ledgers grow, groups are scored again, changed scores go out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from services.scoring import storage
from services.scoring.domain import (
    Attachment,
    Case,
    Judge,
    Keepings,
    Lead,
    Outcome,
    Person,
    Place,
    Touch,
    Work,
    attachment,
    learned_at,
    outcome,
    pass_time,
    rests_on,
    score_anew,
    score_event,
    scored_moment,
    touch,
    without_person,
)
from services.scoring.instruments import ScoringInstruments
from services.scoring.models import Models
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.envelope import Event
from shared.contracts.erasure_events import ErasureOrdered
from shared.contracts.lifecycle_events import LeadMarked, LeadMerged, LeadUnmerged
from shared.contracts.personal import REDACTED
from shared.contracts.policy import Policy
from shared.contracts.scoring_events import LeadScored
from shared.contracts.topics import SCORING_SCORES
from shared.kit.database import Transaction
from shared.kit.logs import log
from shared.kit.records import Record
from shared.kit.redaction import redact_naming
from shared.kit.transient import is_transient


@dataclass(slots=True)
class Batch:
    """A batch on its way through the handlers: the work, the outcomes that were not known before, and the records that were
    not plainly new facts."""

    work: Work
    outcomes: set[Place] = field(default_factory=set)
    duplicates: list[Record] = field(default_factory=list)
    interactions: list[Record] = field(default_factory=list)


class Handlers:
    """Scoring's side of every event it consumes."""

    def __init__(
        self,
        policy: Policy,
        instruments: ScoringInstruments,
        routes: Mapping[type[Event], OnEvent],
        models: Models | None = None,
    ) -> None:
        self.judge = Judge(policy) if models is None else Judge(policy, models.opportunity, models.customer)
        self._models = models
        self._instruments = instruments
        self._routes = dict(routes)
        self._keepings = Keepings(policy)

    async def handle(self, tx: Transaction, records: Sequence[Record]) -> None:
        """One batch in a fixed handful of statements, however many records it has. Who is erased is known before anything
        of them is read."""
        for order in (record for record in records if isinstance(record.event, ErasureOrdered)):
            await self.on_erasure_ordered(tx, order)
        if others := [record for record in records if not isinstance(record.event, ErasureOrdered)]:
            await self._handle(tx, others)

    async def on_erasure_ordered(self, tx: Transaction, record: Record) -> None:
        """Somebody is to be forgotten: what they did stays, under an id that tells nobody who they are. Their score stays as
        it is, without what a model had to say for it, until something new happens or time changes it."""
        order: ErasureOrdered = record.event
        await storage.stand_alone(tx)
        if await storage.erase(tx, order):
            await storage.forget_reasons(tx, order.lead_ids)
        else:
            tx.mark_duplicate(record)
        await storage.strip(tx, order.lead_ids, order.until)
        await redact_naming(tx, [*map(str, order.lead_ids), *order.tokens], order.until, REDACTED)

    async def _handle(self, tx: Transaction, records: Sequence[Record]) -> None:
        await storage.stand_beside(tx)
        touches = await self._touches(tx, records)
        attachments = _attachments(records)
        named = _named(records, attachments)
        leads = await storage.locked_groups(tx, named)
        attached = await storage.add_attachments(tx, attachments)
        doubtful = [place for place in touches if place[0] in leads or place in attachments]
        fresh = await storage.add_touches(tx, touches, doubtful)
        # Attached to a lead before they came: nothing in the batch names that lead.
        leads |= await storage.locked_groups(tx, set(fresh.values()) - named - leads.keys())
        batch = Batch(Work(leads, fresh, attached), await storage.add_outcomes(tx, _outcomes(records)))
        for record in records:
            route = self._routes.get(type(record.event))
            if route is None:
                self._instruments.ignored.labels(record.event.event).inc()
            else:
                route(self, batch, record)
        await self._score(tx, batch.work, touches, {one.lead_id for one in attachments.values()})
        known = batch.work.known_roots()
        for record in batch.interactions:
            if leads[fresh[record.event.lead_id, record.event.event_id]].root_id not in known:
                tx.mark_waiting(record)
        for record in batch.duplicates:
            tx.mark_duplicate(record)

    async def pass_time(self, tx: Transaction, *, limit: int) -> int:
        """Tells what time has changed since the last look, of at most so many leads. Answers with how many were due."""
        due = await storage.due_leads(tx, limit)
        if due:
            await self._look_at_models(tx)
            self._instruments.sweep_late.set((tx.now - due[0].due_at).total_seconds())
            await self._pass_time(tx, [row.lead_id for row in due])
        return len(due)

    async def pass_time_singly(self, tx: Transaction, *, limit: int) -> int:
        """The same, each lead by itself: one that cannot be judged waits a day, and is counted."""
        due = await storage.due_leads(tx, limit)
        await storage.hold_groups(tx, [row.lead_id for row in due])
        for row in due:
            try:
                async with tx.savepoint():
                    await self._pass_time(tx, [row.lead_id])
            except Exception as error:
                if is_transient(error):
                    raise
                log().error("lead_not_swept", lead_id=str(row.lead_id), error_type=type(error).__name__)
                self._instruments.swept.labels("failed").inc()
                await storage.postpone(tx, row.lead_id)
        return len(due)

    async def score_anew(self, tx: Transaction, rescore: Row[Any], *, limit: int, singly: bool = False) -> bool:
        """Goes on with a rescore, by at most so many leads; `singly` each by itself, and one that cannot be judged is
        counted and left. Answers whether there is more."""
        await self._look_at_models(tx)
        roots = await storage.next_roots(tx, rescore.after_id, limit)
        if singly:
            await storage.hold_groups(tx, roots)
        changed = failed = 0
        for some in [[root] for root in roots] if singly else [roots]:
            try:
                async with tx.savepoint():
                    changed += await self._score_anew(tx, rescore, some)
            except Exception as error:
                if is_transient(error) or not singly:
                    raise
                log().error("lead_not_rescored", lead_id=str(some[0]), error_type=type(error).__name__)
                failed += 1
        last = len(roots) < limit
        await storage.advance_rescore(tx, rescore, roots, changed, failed, last=last)
        return not last

    async def _look_at_models(self, tx: Transaction) -> None:
        if self._models is not None:
            await self._models.refresh(tx)

    async def _score_anew(self, tx: Transaction, rescore: Row[Any], roots: Collection[UUID]) -> int:
        leads, people = await self._locked_people(tx, roots)
        told = [score_anew(person, self.judge, rescore.requested_at, tx.now) for person in people if person.is_whole]
        events = [event for event in told if event is not None]
        self._announce(tx, events)
        await storage.save_leads(tx, list(leads.values()))
        return len(events)

    async def _pass_time(self, tx: Transaction, lead_ids: Collection[UUID]) -> None:
        leads, people = await self._locked_people(tx, lead_ids)
        for person in people:
            events = pass_time(person, self.judge, tx.now)
            self._instruments.swept.labels("told" if events else "unchanged").inc()
            self._announce(tx, events)
        await storage.save_leads(tx, list(leads.values()))

    async def _locked_people(
        self, tx: Transaction, lead_ids: Collection[UUID]
    ) -> tuple[dict[UUID, Lead], list[Person]]:
        """The leads named, each with its group and everything it did, locked."""
        leads = await storage.locked_groups(tx, lead_ids)
        ledgers = await storage.ledgers(tx, leads.keys())
        members: dict[UUID, list[Lead]] = {}
        for lead in leads.values():
            members.setdefault(lead.root_id, []).append(lead)
        people = []
        for lead_id in sorted(set(lead_ids) & leads.keys()):
            group = members.get(lead_id, [])
            people.append(Person.of(leads[lead_id], group, ledgers))
        return leads, people

    def _announce(self, tx: Transaction, events: Sequence[LeadScored]) -> None:
        for event in events:
            tx.announce(SCORING_SCORES.name, str(event.lead_id), event.to_json())
            self._instruments.scores.labels(event.grade).inc()

    def on_lead_captured(self, batch: Batch, record: Record) -> None:
        """The lead is known, and its profile may have changed."""
        if not batch.work.capture(record.event):
            batch.duplicates.append(record)

    def on_interaction_recorded(self, batch: Batch, record: Record) -> None:
        """The lead did something, which counts once the lead is known."""
        (batch.interactions if batch.work.interact(record.event) else batch.duplicates).append(record)

    def on_lead_touched(self, batch: Batch, record: Record) -> None:
        """What a visitor did counts for the lead that pipeline found the visitor to be. Any other touch says nothing new:
        scoring has it from capture."""
        place = attachment(record.event)
        if place is None:
            self._instruments.ignored.labels(record.event.event).inc()
        elif not batch.work.attach(record.event, place):
            batch.duplicates.append(record)

    def on_lead_merged(self, batch: Batch, record: Record) -> None:
        """Two ledgers become one, scored under the id the lead was merged into."""
        if not batch.work.merge(record.event):
            batch.duplicates.append(record)

    def on_lead_unmerged(self, batch: Batch, record: Record) -> None:
        """One ledger becomes two again, each scored for itself."""
        if not batch.work.unmerge(record.event):
            batch.duplicates.append(record)

    def on_lead_marked(self, batch: Batch, record: Record) -> None:
        """Somebody said whether the lead is a test or spam: what it did stops to count, or counts again."""
        batch.work.mark(record.event)
        self.on_outcome(batch, record)

    def on_outcome(self, batch: Batch, record: Record) -> None:
        """Something came of a lead. No score changes by it; models learn from it."""
        if outcome(record.event) is None:
            self._instruments.ignored.labels(record.event.event).inc()
        elif (record.event.lead_id, record.event.event_id) in batch.outcomes:
            batch.outcomes.remove((record.event.lead_id, record.event.event_id))
        else:
            batch.duplicates.append(record)

    async def _touches(self, tx: Transaction, records: Iterable[Record]) -> dict[Place, Touch]:
        captured: dict[Place, LeadCaptured | InteractionRecorded] = {}
        for record in records:
            if isinstance(record.event, LeadCaptured | InteractionRecorded):
                captured.setdefault((record.event.lead_id, record.event.event_id), record.event)
        touches = {place: touch(event, self._keepings.of(event.business_unit)) for place, event in captured.items()}
        latest = await storage.latest(tx) if captured else None
        before = [place for place, event in captured.items() if latest is not None and event.recorded_at <= latest]
        erased = await storage.erased(tx, {lead_id for lead_id, _ in before}) if before else {}
        for place in before:
            if place[0] in erased and captured[place].recorded_at <= erased[place[0]]:
                touches[place] = without_person(touches[place])
        return touches

    async def _score(
        self, tx: Transaction, work: Work, arrived: Mapping[Place, Touch], attached_to: Collection[UUID]
    ) -> None:
        """Scores the groups the batch stirred from their whole ledgers, and announces what changed. A lead that did not
        exist before, and got nothing attached, has no ledger but what just arrived."""
        stirred = [stir for stir in work.stirred() if stir.known]
        ledgers: dict[UUID, list[Touch]] = {}
        for place, owner in work.fresh.items():
            ledgers.setdefault(owner, []).append(arrived[place].as_read())
        members = [member for stir in stirred for member in stir.members]
        before = [member.lead_id for member in members if member.stored or member.lead_id in attached_to]
        ledgers.update(await storage.ledgers(tx, before))
        people = [Person.of(stir.root, stir.members, ledgers) for stir in stirred]
        cases = [
            Case(stir.root.business_unit, person.counting, scored_moment(stir, person.touches))
            for stir, person in zip(stirred, people, strict=True)
        ]
        if cases:
            await self._look_at_models(tx)
        version = self.judge.policy.version
        for stir, person, case, verdict in zip(stirred, people, cases, self.judge.verdicts(cases), strict=True):
            event = score_event(stir, verdict, case.as_of, policy_version=version, recorded_at=tx.now)
            stir.root.await_change(verdict.judgement.changes_at)
            if event is not None:
                stir.root.publish(event, verdict)
                tx.announce(SCORING_SCORES.name, str(event.lead_id), event.to_json())
                self._instruments.scores.labels(event.grade).inc()
            elif version != stir.root.policy_version or rests_on(stir.root, stir.members, person.touches) != case.as_of:
                stir.root.confirm(case.as_of, version)
        await storage.save_leads(tx, list(work.leads.values()))


OnEvent = Callable[..., Any]
"""A method of `Handlers` for one kind of event."""


def _named(records: Iterable[Record], attachments: Mapping[Place, Attachment]) -> set[UUID]:
    """Every lead id that the batch's events speak of."""
    named: set[UUID] = set()
    for record in records:
        event = record.event
        if isinstance(event, LeadCaptured | InteractionRecorded | LeadMarked | LeadMerged | LeadUnmerged):
            named.add(event.lead_id)
        if isinstance(event, LeadMerged):
            named.add(event.into_lead_id)
    for (recorded_under, _), owner in attachments.items():
        named |= {recorded_under, owner.lead_id}
    return named


def _outcomes(records: Iterable[Record]) -> list[Outcome]:
    found: dict[Place, Outcome] = {}
    for record in records:
        one = outcome(record.event)
        if one is not None:
            found.setdefault((one.lead_id, one.event_id), one)
    return list(found.values())


def _attachments(records: Iterable[Record]) -> dict[Place, Attachment]:
    """The touches that the batch says are another lead's, each with that lead."""
    attachments: dict[Place, Attachment] = {}
    for record in records:
        place = attachment(record.event)
        if place is not None:
            attachments.setdefault(place, Attachment(record.event.lead_id, learned_at(record.event)))
    return attachments
