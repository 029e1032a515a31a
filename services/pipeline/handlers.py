"""What pipeline does with each event of its topics: load → decide → save → announce, a batch at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import chain
from typing import Any
from uuid import UUID

import orjson

from services.pipeline import retracting
from services.pipeline.arrivals import Arrival, Work, as_record, nameless, repeated, wait, waited
from services.pipeline.assigning import Assigning, Wanted
from services.pipeline.domain import capture_intake
from services.pipeline.domain.batch import Batch, Pending, components
from services.pipeline.domain.due import Cause, task_from
from services.pipeline.domain.erasure import forgotten, names_of
from services.pipeline.domain.fingerprints import NOTHING_ELSE, said_besides
from services.pipeline.domain.follow_up import answer_to
from services.pipeline.domain.identity_join import join_by_identities
from services.pipeline.domain.qualification import Qualifiers
from services.pipeline.domain.returns import is_return
from services.pipeline.domain.visiting import visits_of
from services.pipeline.erasing import take_order
from services.pipeline.instruments import PipelineInstruments
from services.pipeline.joining import Joining
from services.pipeline.returning import Returning
from services.pipeline.storage import erasures, loading, matches, saving, tasks, touches, visits
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.envelope import Event
from shared.contracts.erasure_events import ErasureOrdered
from shared.contracts.interactions import refuses
from shared.contracts.lifecycle_events import LeadQualified
from shared.contracts.policy import Policy
from shared.contracts.scoring_events import LeadScored
from shared.kit.database import Transaction
from shared.kit.records import Record


class Handlers:
    """Pipeline's side of the log. Keeps nothing between batches."""

    def __init__(
        self,
        policy: Policy,
        secret: bytes,
        instruments: PipelineInstruments,
        routes: Mapping[type[Event], Callable[..., Any]],
    ) -> None:
        self._routes = routes
        self._policy = policy
        self._assigning = Assigning(policy)
        self._qualifiers = Qualifiers(policy)
        self._returning = Returning(policy, self._assigning)
        self._joining = Joining(self._assigning)
        key = blake2b(secret, digest_size=32).digest()
        self._hashes = {size: blake2b(digest_size=size, key=key) for size in (4, 8)}
        self._instruments = instruments

    async def handle(self, transaction: Transaction, records: Sequence[Record]) -> None:
        """One batch of the log. Who is erased is known before anything of them is read."""
        orders = [record for record in records if isinstance(record.event, ErasureOrdered)]
        for record in orders:
            await self.on_erasure_ordered(transaction, record)
        others = [one for one in records if not isinstance(one.event, ErasureOrdered)] if orders else records
        if others:
            await self._process(transaction, [Arrival(one) for one in others])

    async def take_up_stranded(self, transaction: Transaction, *, within_seconds: float | None) -> int:
        """Looks again at what waits although its lead is known. Answers with how many there were."""
        rows = await loading.stranded(transaction, within_seconds=within_seconds)
        arrivals = [waited(transaction, row) for row in rows]
        if arrivals:
            await self._process(transaction, arrivals)
        return len(arrivals)

    async def take_up_for(self, transaction: Transaction, lead_ids: Collection[UUID], tokens: Collection[str]) -> None:
        """Takes up what waited for leads and identities that were made known otherwise, as by an import."""
        rows = {(one.lead_id, one.event_id): one for one in await loading.waiting_for(transaction, lead_ids, tokens)}
        if rows:
            await self._process(transaction, [waited(transaction, row) for row in rows.values()])

    async def on_erasure_ordered(self, transaction: Transaction, record: Record) -> None:
        """Somebody is to be forgotten. This service said so itself; what its database does not know of it is done now."""
        if not await take_order(transaction, record.event, self.fingerprint):
            transaction.mark_duplicate(record)

    def on_lead_captured(self, work: Work, event: LeadCaptured, arrival: Arrival, _: UUID | None = None) -> None:
        """A new lead's story begins, or a known lead was captured again; identities may join it with others."""
        fingerprint = self.fingerprint(event)
        if work.is_repeated(event.event_id, fingerprint):
            repeated(work, arrival)
            return
        ledger = work.ledger
        erased = work.erased_by(event)
        known = event.lead_id in ledger
        held_out = known and ledger.root(event.lead_id).state.mark is not None
        owners = [
            (one.kind, owner)
            for one in event.identities
            if (owner := work.owners.get(one.token)) is not None
            and owner is not event.lead_id
            and owner != event.lead_id
        ]
        returned = is_return(ledger, event, [owner for _, owner in owners])
        if known:
            draft = capture_intake.touched(event, event.lead_id, fingerprint, returned=returned)
            draft = draft if erased is None else capture_intake.known_no_more(draft)
        else:
            ledger.create(event.lead_id, event.business_unit)
            draft = capture_intake.created(event, fingerprint, returned=returned)
        ledger.record(event.lead_id, draft)
        if erased is not None and not known:
            ledger.record(event.lead_id, forgotten(erased))
        if erased is None:
            ledger[event.lead_id].learn(
                capture_intake.personal(event), draft.occurred_at, doubtful=event.mark is not None and not held_out
            )
            if self._policy.unit(event.business_unit).matching.enabled:
                work.learned.append(event.lead_id)
        work.remember(event.event_id, event.lead_id, fingerprint)
        for consent in capture_intake.consents(event):
            ledger.record(event.lead_id, consent if erased is None else consent._replace(aside=None))
        joined: list[UUID] = []
        if event.mark is None:  # a test with a customer's number, or spam with anybody's, says nothing of who is who
            joined = join_by_identities(
                ledger,
                event.lead_id,
                owners,
                occurred_at=event.occurred_at,
                cause=event.event_id,
                correlation_id=event.correlation_id,
                historical=event.historical,
            )
        work.joined += joined
        if (returned or joined) and not event.historical and event.mark is None and erased is None:
            work.again.append(event)
        if erased is not None:
            work.extend(erased, event, joined=bool(joined))
        self._take_up(work, event.lead_id, [one.token for one in event.identities])
        if held_out:
            self._qualify(work, event.lead_id, event)

    def on_interaction_recorded(
        self, work: Work, event: InteractionRecorded, arrival: Arrival, under: UUID | None = None
    ) -> None:
        """A known lead was touched; an interaction of somebody unknown waits."""
        if work.knows(event.event_id):
            work.is_repeated(event.event_id, arrival.fingerprint or self.fingerprint(event))
            repeated(work, arrival)
            return
        is_known = event.lead_id in work.ledger
        tokens = () if is_known else tuple([one.token for one in event.identities])
        lead_id = event.lead_id if is_known else work.lead_for(tokens) or under
        if lead_id is None:
            if work.erased_by(event) is not None and not arrival.stored:
                said = arrival.fingerprint or self.fingerprint(event)
                arrival = Arrival(nameless(arrival.record), fingerprint=said)
            wait(work, arrival, event.lead_id, event.event_id, tokens)
            return
        fingerprint = arrival.fingerprint or self.fingerprint(event)
        touch = capture_intake.touched(event, lead_id, fingerprint)
        if work.erased_by(event) is None:
            work.notice(event, lead_id)
        else:
            touch = touch._replace(aside=None)
        asks = event.kind in self._assigning.following(event.business_unit).requests
        asks = asks and event.retracts is None and event.event_id not in work.retracted
        if asks and event.mark is None and not event.historical:
            touch = touch._replace(data={**touch.data, "moves": True})
        work.ledger.record(lead_id, touch)
        work.remember(event.event_id, lead_id, fingerprint)
        if event.retracts is None and refuses(event.kind):
            refused = capture_intake.refusal(event, self._policy.unit(event.business_unit).contact.mail_purpose)
            for member in work.ledger.group(lead_id):
                work.ledger.record(member.lead_id, refused)
        if "moves" in touch.data:
            if work.erased_by(event) is None:
                self._asked(work, lead_id, event)
        elif event.retracts is not None and event.mark is None:
            work.retracted.add(event.retracts)
            retracting.take_back(work, lead_id, event)

    def _asked(self, work: Work, lead_id: UUID, event: InteractionRecorded) -> None:
        """A lead asked for something: somebody is to answer, unless they are to already."""
        root = work.ledger.root(lead_id)
        name = answer_to(event.kind)
        if any((member.lead_id, name) in work.unanswered for member in work.ledger.group(lead_id)):
            return
        cause = Cause(event.event_id, event.correlation_id, event.occurred_at)
        for draft in self._assigning.following(root.business_unit).asked(root.state, root.lead_id, event.kind, cause):
            work.ledger.record(root.lead_id, draft)
            work.unanswered[root.lead_id, name] = task_from(root.lead_id, draft.data)

    def on_lead_scored(self, work: Work, event: LeadScored, arrival: Arrival, _: UUID | None = None) -> None:
        """Takes over the verdict, in the story of the id it names, and qualifies the person where the policy says so."""
        if event.lead_id in work.ledger:
            # An earlier verdict may wait, stranded while the lead was being made. Of two that are dated alike the one
            # recorded later counts, so it has to be recorded first.
            self._take_up(work, event.lead_id, ())
        if work.is_repeated(event.event_id, None):
            repeated(work, arrival)
            return
        if event.lead_id not in work.ledger:
            wait(work, arrival, event.lead_id, event.event_id, ())
            return
        work.ledger.record(event.lead_id, capture_intake.graded(event))
        work.remember(event.event_id, event.lead_id, None)
        self._qualify(work, event.lead_id, event)

    def _qualify(self, work: Work, lead_id: UUID, event: Event) -> None:
        """Qualifies the person by what is known now, where the policy says so and the event is no imported history."""
        if event.historical:
            return
        root = work.ledger.root(lead_id)
        drafts = self._qualifiers.of(root.business_unit).decide(
            work.ledger, lead_id, cause=event.event_id, correlation_id=event.correlation_id
        )
        for draft in drafts:
            work.ledger.record(work.ledger.story_of(root.lead_id, draft), draft)
            if draft.kind is LeadQualified:
                work.qualified.append((root.lead_id, draft))

    def _take_up(self, work: Work, lead_id: UUID, tokens: Iterable[str]) -> None:
        for one in work.take_up(lead_id, tokens) if work.pending else ():
            self._on(work, Arrival(one.record, one.stored, one.fingerprint), under=lead_id)
            self._instruments.taken_up.inc()

    def _on(self, work: Work, arrival: Arrival, under: UUID | None = None) -> None:
        event = arrival.record.event
        self._routes[type(event)](self, work, event, arrival, under)

    async def _process(self, transaction: Transaction, arrivals: Sequence[Arrival]) -> None:
        await erasures.stand_beside(transaction)
        work = await self._load(transaction, arrivals)
        for arrival in arrivals:
            self._on(work, arrival)
        await self._assigning.assign(transaction, work.ledger, [Wanted.by(*one) for one in work.qualified])
        if work.again:
            await self._returning.take(transaction, work.ledger, work.again)
        await self._joining.settle(transaction, work.ledger, work.joined)
        await self._save(transaction, work, arrivals)
        fresh = (arrival.record.event for arrival in arrivals if not arrival.stored)
        told = [one for one in fresh if not isinstance(one, LeadScored)]
        if work.erased:
            told = [one for one in told if work.erased_by(one) is None]
        if there := visits_of(told, lambda unit: self._policy.unit(unit).zone):
            await visits.keep(transaction, there)
        if work.visitors:
            await visits.belong(transaction, work.visitors)

    async def _load(self, transaction: Transaction, arrivals: Sequence[Arrival]) -> Work:
        """Everything the batch needs, in a handful of statements, identities before leads, leads in order."""
        events = [arrival.record.event for arrival in arrivals]
        seen, erased_until = await loading.seen_causes(transaction, [event.event_id for event in events])
        first: dict[UUID, LeadCaptured] = {}
        for event in events:
            if isinstance(event, LeadCaptured) and event.event_id not in seen:
                first.setdefault(event.event_id, event)
        captured = list(first.values())
        named = [event for event in events if not isinstance(event, LeadScored)]
        owners, claimed = await loading.claim_identities(
            transaction,
            ((event.business_unit, one, event.lead_id) for event in captured for one in event.identities),
            ((event.business_unit, one) for event in named for one in event.identities),
        )
        lead_ids = chain((event.lead_id for event in events), owners.values(), (one.lead_id for one in seen.values()))
        ledger = await loading.lock_groups(transaction, {one.int: one for one in lead_ids}.values())
        work: Work = Batch(ledger, owners)
        before = [event for event in named if erased_until is not None and event.recorded_at <= erased_until]
        if before:
            work.erased = await erasures.erased(transaction, (name for event in before for name in names_of(event)))
        for event_id, one in seen.items():
            work.remember(event_id, one.lead_id, one.fingerprint)
        unknown = {event.lead_id for event in captured if event.lead_id not in ledger}
        scored = {event.lead_id for event in events if isinstance(event, LeadScored) and event.lead_id in ledger}
        taken_up = {(event.lead_id, event.event_id) for event in (one.record.event for one in arrivals if one.stored)}
        await self._load_waiting(transaction, work, unknown | scored, claimed, taken_up)
        await self._load_unanswered(transaction, work, events)
        await self._load_stories(transaction, work, captured, [*events, *(one.record.event for one in work.pending)])
        return work

    async def _load_unanswered(self, transaction: Transaction, work: Work, events: Sequence[Event]) -> None:
        """What leads of this batch asked for before, where they ask for something now."""
        if not self._assigning.answers:
            return
        told = [*events, *(one.record.event for one in work.pending)]
        asking = [
            one
            for one in told
            if isinstance(one, InteractionRecorded)
            and (one.retracts is not None or one.kind in self._assigning.following(one.business_unit).requests)
        ]
        if asking and (known := [lead.lead_id for lead in work.ledger if lead.stored]):
            work.unanswered = {(one.lead_id, one.name): one for one in await tasks.open_tasks(transaction, known)}
            work.retracted = await touches.retracted(transaction, *retracting.told_of(work, asking))

    async def _load_waiting(
        self,
        transaction: Transaction,
        work: Work,
        lead_ids: Collection[UUID],
        claimed: Collection[str],
        taken_up: Collection[tuple[UUID, UUID]],
    ) -> None:
        """What waits for leads and identities that this batch makes known, or for leads that it has a verdict on."""
        if not lead_ids and not claimed and not taken_up:
            return
        tokens: dict[tuple[UUID, UUID], list[str]] = {}
        found: dict[tuple[UUID, UUID], loading.Stored] = {}
        for one in await loading.waiting_for(transaction, lead_ids, claimed, held=taken_up):
            place = (one.lead_id, one.event_id)
            found.setdefault(place, one)
            if one.token is not None:
                tokens.setdefault(place, []).append(one.token)
        if not found:
            return
        seen, _ = await loading.seen_causes(transaction, [event_id for _, event_id in found])
        for event_id, known in seen.items():
            work.remember(event_id, known.lead_id, known.fingerprint)
        for place, one in found.items():
            record = as_record(transaction, one)
            work.wait(Pending(*place, tuple(tokens.get(place, ())), record, stored=True, fingerprint=one.fingerprint))

    async def _load_stories(
        self, transaction: Transaction, work: Work, captured: Sequence[LeadCaptured], events: Iterable[Event]
    ) -> None:
        """The whole history of those who may be merged or were: their state is made from it, not gone on with. And of those
        whose qualification depends on it."""
        links: dict[UUID, list[UUID]] = {}
        for event in captured:
            for one in event.identities:
                owner = work.owners.get(one.token)
                if owner is not None and owner is not event.lead_id and owner != event.lead_id:
                    links.setdefault(event.lead_id, []).append(owner)
        meeting = components(work.ledger, links) if links else set()
        merged = {lead.root_id for lead in work.ledger if lead.is_merged}
        if meeting:
            await loading.load_apart(
                transaction, work.ledger, [one.lead_id for lead in meeting for one in work.ledger.group(lead)]
            )
        asked = self._asking_stories(work, events) | retracting.leads_of(work, events)
        if meeting or merged or asked:
            await loading.load_stories(transaction, work.ledger, meeting | merged | asked)

    def _asking_stories(self, work: Work, events: Iterable[Event]) -> set[UUID]:
        """Known leads of this batch whose qualification may depend on what they did or permit, or on what was asked before."""
        asked: set[UUID] = set()
        for event in events if self._qualifiers.ask_stories else ():
            qualifier = self._qualifiers.of(event.business_unit)
            if not qualifier.asks_story or event.lead_id not in work.ledger or event.historical:
                continue
            state = work.ledger.root(event.lead_id).state
            graded = state.graded
            score = max(
                graded.score if graded is not None else -1, event.score if isinstance(event, LeadScored) else -1
            )
            scored = isinstance(event, LeadScored) or state.mark is not None
            if scored and state.status in ("new", "working") and score >= qualifier.least_score:
                asked.add(event.lead_id)
        return asked

    async def _save(self, transaction: Transaction, work: Work, arrivals: Sequence[Arrival]) -> None:
        await saving.save(transaction, work.ledger)
        await matches.enqueue(transaction, work.learned)
        for event, count in Counter(entry.fact.event for entry in work.ledger.entries).items():
            self._instruments.facts.labels(event).inc(count)
        fresh = [one for one in work.pending if not one.stored and not one.taken]
        kept = await saving.keep_waiting(
            transaction, [(one.lead_id, one.event_id, one.tokens, one.record, one.fingerprint) for one in fresh]
        )
        for one in fresh:
            if (one.lead_id, one.event_id) in kept:
                transaction.mark_waiting(one.record)
            else:
                transaction.mark_duplicate(one.record)
        for record in work.duplicates:
            transaction.mark_duplicate(record)
        waiting = {(one.lead_id, one.event_id) for one in work.pending if not one.taken}
        taken = {(one.lead_id, one.event_id) for one in work.pending if one.stored and one.taken}
        stored = {(one.record.event.lead_id, one.record.event.event_id) for one in arrivals if one.stored}
        await saving.stop_waiting(transaction, taken | (stored - waiting))
        await erasures.extend(transaction, work.extensions)
        if work.conflicts:
            self._instruments.conflicts.inc(work.conflicts)

    def fingerprint(self, event: LeadCaptured | InteractionRecorded) -> str:
        """What the sender said, keyed and hashed: the times Leadflow adds by itself are left out."""
        besides = said_besides(event)
        return self._hash(capture_intake.said(event), 8) + (NOTHING_ELSE if besides is None else self._hash(besides, 4))

    def _hash(self, said: list[Any], size: int) -> str:
        document = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        made = self._hashes[size].copy()
        made.update(document)
        return made.hexdigest()
