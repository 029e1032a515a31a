"""The commands of intake: decide, publish, answer. A payload counts as taken when the log has its event, or the
spool on disk where there is one, not before."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from time import perf_counter
from typing import NamedTuple

import orjson
from prometheus_client import Counter as Counting

from services.capture.answers import Answer, accepted_item, refusal, refused_item, told, unavailable
from services.capture.domain import IntakeRules, Kind, Refused, Submission, Taken
from services.capture.domain.channels import Draft
from services.capture.domain.naming import ItemNames
from services.capture.domain.reconciliation import Outcome as Ending
from services.capture.door_counts import DoorCounts
from services.capture.instruments import CaptureInstruments
from services.capture.log import SPOOLED, Log, Outcome, Spooled
from services.capture.memory import Memory
from services.capture.quarantine import Quarantine, Sent, Understood
from services.capture.repeats import contradiction
from shared.contracts.topics import CAPTURE_LEADS
from shared.kit.clock import Clock
from shared.kit.errors import LeadflowError, Rejected, Retryable

MAX_PRODUCED_AT_ONCE = 1_000
"""Messages given to the log in one go: enough to fill its batches, few enough to bound what one caller holds."""

BUSY_SECONDS = 0.02
"""How long a batch may keep the event loop from others."""

_UNIT_AND_CHANNEL = attrgetter("business_unit", "channel")
_NAMED = attrgetter("named")
_NOTHING = (b"", b"[]")


class Unreadable(NamedTuple):
    """A part of a batch that could not be read, and why."""

    raw: bytes
    error: Rejected


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sends, and what else they may do. `is_anybody` where nothing proves who it is."""

    sender: str
    may_backdate: bool
    is_anybody: bool = False


@dataclass(slots=True)
class Batch:
    """A batch's answers, by place. `unavailable` is set when the log failed some of it, `log_is_away` when it failed
    all of the last slice: then the rest is not tried, since each try would cost a deadline."""

    items: list[Answer] = field(default_factory=list)
    accepted: int = 0
    unavailable: Retryable | None = None
    log_is_away: bool = False


@dataclass(slots=True)
class _Slice:
    """Decided events that go to the log together, as bytes: a thousand of them as objects are so much memory that whatever
    is touched next is far away."""

    places: list[int] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    messages: list[tuple[bytes, bytes]] = field(default_factory=list)

    def add(self, place: int, sent: Sent, taken: Taken, encoded: tuple[bytes, bytes]) -> None:
        self.places.append(place)
        self.sent.append(sent)
        self.taken.append(taken.without_event())
        self.messages.append(encoded)

    def named(self) -> dict[str, bytes]:
        """The events that their sender named, by id."""
        return {
            taken.event_id: value for taken, (_, value) in zip(self.taken, self.messages, strict=True) if taken.named
        }


def message(taken: Taken) -> tuple[bytes, bytes]:
    """Key and value of the record: one lead's events share a key, and so their order."""
    return taken.lead_id.encode(), orjson.dumps(taken.event, option=orjson.OPT_UTC_Z)


def submitted(draft: Draft, caller: Caller, received_at: datetime, country: str | None) -> Submission:
    """The way a draft came. `country` is where its sender's numbers without a country code are dialled."""
    return Submission(
        caller.sender,
        caller.may_backdate,
        received_at,
        country,
        draft.flags,
        draft.is_test,
        draft.hidden_field_filled,
        draft.filled_in_seconds,
    )


class Intake:
    """Takes payloads in, one or many."""

    def __init__(
        self,
        *,
        rules: IntakeRules,
        log: Log,
        memory: Memory,
        quarantine: Quarantine,
        counts: DoorCounts,
        clock: Clock,
        instruments: CaptureInstruments,
    ) -> None:
        self._rules = rules
        self._log = log
        self._memory = memory
        self._quarantine = quarantine
        self._counts = counts
        self._clock = clock
        self._instruments = instruments

    async def take(self, kind: Kind, body: object, caller: Caller, key: str | None) -> Answer:
        """One payload. Raises `Rejected` with every fault, or `Retryable` when the log did not take it in time."""
        submission = Submission(caller.sender, caller.may_backdate, self._clock.now())
        sent = Sent(kind, body, submission, key)
        decision = self._rules.decide(kind, body, submission, key)
        if isinstance(decision, Refused):
            raise self._refuse(sent, decision)
        try:
            ended = await self._accept(kind, decision)
        except LeadflowError as error:
            self._counts.failed(submission.received_at, submission.sender, kind, error)
            raise
        if isinstance(ended, Rejected):
            raise self._contradicted(sent, decision, decision.tokens, ended)
        self._count(submission, kind, ended)
        return told(decision, spooled=ended == SPOOLED)

    async def release(self, sent: Sent) -> Answer:
        """The same for what was in quarantine, by the same rules; what is refused now stays where it is. The door has
        counted it before, when it came."""
        decision = self._rules.decide(sent.kind, sent.payload, sent.submission, sent.key)
        if isinstance(decision, Refused):
            raise refusal(decision)
        ended = await self._accept(sent.kind, decision)
        if isinstance(ended, Rejected):
            raise ended
        return told(decision, spooled=ended == SPOOLED)

    def unreadable(self, kind: Kind, payload: bytes, caller: Caller, key: str | None, error: Rejected) -> Rejected:
        """Puts into quarantine what a known sender sent and nobody can read; the error to answer with. What is too large
        was not read, and of nothing there is nothing to keep."""
        self._instruments.items_refused.labels(kind, "invalid").inc()
        submission = Submission(caller.sender, caller.may_backdate, self._clock.now())
        if error.status in (400, 422) and payload.strip() not in _NOTHING:
            error = self._quarantine.keep(Sent(kind, payload, submission, key), error, "unreadable")
        self._counts.failed(submission.received_at, submission.sender, kind, error)
        return error

    def turned_away(self, kind: Kind, caller: Caller, error: Exception) -> None:
        """Counts a request of a known sender that ended before its body was there: one item, whatever was in it."""
        self._counts.failed(self._clock.now(), caller.sender, kind, error)

    async def _accept(self, kind: Kind, decision: Taken) -> Ending | Rejected:
        """Publishes what is new. A contradiction of what was taken before is answered with."""
        encoded = message(decision)
        before = self._memory.said(decision.event_id) if decision.named else None
        if before is None:
            return await self._send(kind, decision, encoded) or "taken"
        if (conflict := contradiction(before, encoded[1], decision.event_id)) is not None:
            return conflict
        self._instruments.items_repeated.labels(kind).inc()
        return "repeated"

    def _refuse(self, sent: Sent, refused: Refused) -> Rejected:
        """Counts it, keeps it, and is the error to answer with."""
        reason = "forbidden" if refused.status == 403 else "invalid"
        self._instruments.items_refused.labels(sent.kind, reason).inc()
        error = refusal(refused)
        if refused.status != 403:
            understood = Understood(refused.identities, refused.business_unit, refused.channel)
            error = self._quarantine.keep(sent, error, "invalid", understood)
        self._counts.failed(sent.submission.received_at, sent.submission.sender, sent.kind, error)
        return error

    def _contradicted(self, sent: Sent, taken: Taken, tokens: tuple[str, ...], error: Rejected) -> Rejected:
        self._instruments.items_refused.labels(sent.kind, "conflict").inc()
        understood = Understood(
            tokens,
            self._rules.unit_label(taken.business_unit),
            self._rules.channel_label(taken.business_unit, taken.channel),
        )
        error = self._quarantine.keep(sent, error, "conflict", understood)
        self._counts.failed(sent.submission.received_at, sent.submission.sender, sent.kind, error)
        return error

    async def _send(self, kind: Kind, decision: Taken, encoded: tuple[bytes, bytes]) -> Spooled | None:
        started = perf_counter()
        try:
            kept = await self._log.send(CAPTURE_LEADS.name, *encoded)
        except LeadflowError as error:
            self._count_failed(kind, error)
            raise
        self._instruments.produce_seconds.observe(perf_counter() - started)
        self._accepted(kind, decision.business_unit, decision.channel).inc()
        if decision.named:
            self._memory.keep(decision.event_id, encoded[1])
        return kept

    async def take_many(
        self,
        kind: Kind,
        bodies: Iterable[object | Unreadable],
        caller: Caller,
        key: str | None,
        received_at: datetime | None = None,
    ) -> Batch:
        """Many payloads, each decided alone and published in order. What was received before, as in a file, is recorded as
        of then: who was erased since stays erased."""
        submission = Submission(caller.sender, caller.may_backdate, received_at or self._clock.now())
        batch, ready = Batch(), _Slice()
        names = None if key is None else ItemNames(key)
        since = perf_counter()
        for place, body in enumerate(bodies):
            if isinstance(body, Unreadable):
                name = None if names is None else names.name(body.raw)
                batch.items.append(refused_item(place, self.unreadable(kind, body.raw, caller, name, body.error)))
                continue
            name = None if names is None else names.name(body)
            decision = self._rules.decide(kind, body, submission, name)
            sent = Sent(kind, body, submission, name)
            if isinstance(decision, Refused):
                batch.items.append(refused_item(place, self._refuse(sent, decision)))
            else:
                ready.add(place, sent, decision, message(decision))
                # Stands only if the log takes it: `_publish` writes over it where the log does not.
                batch.items.append(accepted_item(place, decision))
            if len(ready.messages) >= MAX_PRODUCED_AT_ONCE:
                await self._publish(kind, batch, ready)
                ready = _Slice()
                since = perf_counter()
            elif place % 32 == 31 and perf_counter() - since > BUSY_SECONDS:
                await asyncio.sleep(0)
                since = perf_counter()
        if ready.messages:
            await self._publish(kind, batch, ready)
        return batch

    async def take_drafts(self, drafts: Sequence[Draft], caller: Caller, country: str | None) -> Batch:
        """What an adapter made of one delivery, published in its order. `country` is where the sender's numbers without a
        country code are dialled."""
        received_at = self._clock.now()
        batch, ready = Batch(), _Slice()
        since = perf_counter()
        for place, draft in enumerate(drafts):
            sent, decision = self._read(draft, caller, received_at, country)
            if isinstance(decision, Refused):
                batch.items.append(refused_item(place, self._refuse(sent, decision)))
            else:
                ready.add(place, sent, decision, message(decision))
                batch.items.append(accepted_item(place, decision))
            last = place + 1 == len(drafts) or drafts[place + 1].kind != draft.kind
            if ready.messages and (last or len(ready.messages) >= MAX_PRODUCED_AT_ONCE):
                await self._publish(draft.kind, batch, ready)
                ready = _Slice()
                since = perf_counter()
            elif place % 32 == 31 and perf_counter() - since > BUSY_SECONDS:
                await asyncio.sleep(0)
                since = perf_counter()
        return batch

    def _read(
        self, draft: Draft, caller: Caller, received_at: datetime, country: str | None
    ) -> tuple[Sent, Taken | Refused]:
        """What a draft is, or what it is otherwise where its key is remembered with another content."""
        submission = submitted(draft, caller, received_at, country)
        decision = self._rules.decide(draft.kind, draft.body, submission, draft.key)
        if draft.otherwise is not None and isinstance(decision, Taken):
            before = self._memory.said(decision.event_id)
            if before is not None and contradiction(before, message(decision)[1], decision.event_id) is not None:
                return self._read(draft.otherwise, caller, received_at, country)
        return Sent(draft.kind, draft.body, submission, draft.key, caller.is_anybody), decision

    async def _publish(self, kind: Kind, batch: Batch, ready: _Slice) -> None:
        """Sends a slice and writes its answers. What is said twice in it ends as what was said first."""
        submission = ready.sent[0].submission
        named = ready.named()
        again: list[tuple[int, Taken]] = []
        if len(named) != sum(map(_NAMED, ready.taken)) or self._memory.knows(named):
            ready, again = self._apart(batch, ready)
            named = ready.named()
        failed = await self._send_many(kind, batch, ready) if ready.messages else {}
        for event_id in failed:
            named.pop(event_id, None)
        self._memory.keep_many(named)
        failures = list(failed.values())
        for place, taken in again:
            if (outcome := failed.get(taken.event_id)) is not None:
                failures.append(outcome)
                self._fail(kind, batch, place, outcome)
            else:
                batch.accepted += 1
                self._instruments.items_repeated.labels(kind).inc()
        new, repeated = len(ready.taken) - len(failed), len(again) + len(failed) - len(failures)
        self._counts.published(submission, kind, new=new, again=repeated, failures=failures)

    def _apart(self, batch: Batch, ready: _Slice) -> tuple[_Slice, list[tuple[int, Taken]]]:
        """What is new of a slice, and what says again what was said. Contradictions are refused."""
        new, again = _Slice(), list[tuple[int, Taken]]()
        said: dict[str, bytes] = {}
        for place, sent, taken, encoded in zip(ready.places, ready.sent, ready.taken, ready.messages, strict=True):
            before = (self._memory.said(taken.event_id) or said.get(taken.event_id)) if taken.named else None
            if before is None:
                new.add(place, sent, taken, encoded)
                said[taken.event_id] = encoded[1]
            elif (conflict := contradiction(before, encoded[1], taken.event_id)) is None:
                again.append((place, taken))
            else:
                tokens = tuple(one["token"] for one in orjson.loads(encoded[1])["identities"])
                batch.items[place] = refused_item(place, self._contradicted(sent, taken, tokens, conflict))
        return new, again

    async def _send_many(self, kind: Kind, batch: Batch, ready: _Slice) -> dict[str, Exception]:
        """Sends what is new and answers with what failed, by event id."""
        started = perf_counter()
        outcomes: Sequence[Outcome]
        if batch.unavailable is not None and batch.log_is_away:
            outcomes = [batch.unavailable] * len(ready.messages)
        else:
            outcomes = await self._log.send_many(CAPTURE_LEADS.name, ready.messages)
            self._instruments.produce_seconds.observe(perf_counter() - started)
            batch.log_is_away = all(isinstance(outcome, Retryable) for outcome in outcomes)
        accepted = ready.taken
        failed: dict[str, Exception] = {}
        if outcomes.count(None) != len(ready.taken):
            accepted = []
            for place, taken, outcome in zip(ready.places, ready.taken, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    failed[taken.event_id] = outcome
                    self._fail(kind, batch, place, outcome)
                    continue
                accepted.append(taken)
                if outcome is SPOOLED:
                    batch.items[place]["spooled"] = True
            submission = ready.sent[0].submission
            self._counts.add(submission.received_at, submission.sender, kind, SPOOLED, outcomes.count(SPOOLED))
        batch.accepted += len(accepted)
        self._count_accepted(kind, accepted)
        return failed

    def _fail(self, kind: Kind, batch: Batch, place: int, outcome: Exception) -> None:
        self._count_failed(kind, outcome)
        if isinstance(outcome, Rejected):
            batch.items[place] = refused_item(place, outcome)
        elif isinstance(outcome, Retryable):
            batch.unavailable = outcome
            batch.items[place] = {"index": place, "status": outcome.status, "problem": unavailable(outcome)}
        else:
            raise outcome

    def _count(self, submission: Submission, kind: Kind, ended: Ending) -> None:
        """Counts one item that was taken in; on disk, it is taken in too."""
        at, sender = submission.received_at, submission.sender
        self._counts.add(at, sender, kind, "taken" if ended == SPOOLED else ended)
        if ended == SPOOLED:
            self._counts.add(at, sender, kind, SPOOLED)

    def _count_accepted(self, kind: Kind, accepted: Iterable[Taken]) -> None:
        for (unit, channel), count in Counter(map(_UNIT_AND_CHANNEL, accepted)).items():
            self._accepted(kind, unit, channel).inc(count)

    def _accepted(self, kind: Kind, business_unit: str, channel: str) -> Counting:
        counter = self._instruments.leads_accepted if kind == "lead" else self._instruments.interactions_accepted
        return counter.labels(self._rules.channel_label(business_unit, channel))

    def _count_failed(self, kind: Kind, error: Exception) -> None:
        reason = "invalid" if isinstance(error, Rejected) else "unavailable"
        self._instruments.items_refused.labels(kind, reason).inc()
