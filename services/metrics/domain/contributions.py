"""From the facts of one person to what they count as. The stream, the audit, a rebuild and the tests all use this one
pure function, so that whatever order facts come in, the numbers are those of a computation from scratch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from services.metrics.domain import quality
from services.metrics.domain.customer_entries import Born, customer_entries
from services.metrics.domain.customers import CUSTOMER_EVENTS, Customer
from services.metrics.domain.deal_entries import deal_entries, spell_entry
from services.metrics.domain.entries import RANKED, Dims, Entry, Ledger, Measure, elapsed, told_first
from services.metrics.domain.facts import CAPTURES, Counted, Fact, counted
from services.metrics.domain.opportunities import OPPORTUNITY_EVENTS, Held, Opportunity
from services.metrics.domain.responses import ANSWER, PROMISES, Attempt, Responses
from services.metrics.domain.statuses import Statuses
from shared.contracts.marks import Mark

LEAD_SCOPE = "lead"
STATUS_SCOPE = "status"
STAY = "stay:"
DEAL = "opportunity:"
SPELL = "spell:"
TOLD_WITHIN = timedelta(days=1)
REVIVES = frozenset({"LeadReopened", "LeadQualified", "OrderPlaced"}) | OPPORTUNITY_EVENTS
"""After these a lead is not archived, with or without a word about it: nobody sells to one that is put aside."""


class FirstTouch(NamedTuple):
    """Where a lead came from: its earliest touch that names a channel or a source."""

    channel: str | None
    source: str | None
    campaign: str | None


class Moment(NamedTuple):
    """Something that happened to the lead, and what held then."""

    at: datetime
    held: Held
    reason: str | None = None


def contributions(
    root_id: UUID, facts: Iterable[Fact], *, currency: str, margin_rate: Decimal | None = None
) -> tuple[Entry, ...]:
    """Everything that the facts of one merge group count as, now and at any earlier `as_of`. Who is held out counts as one
    marked lead and as nothing else.

    `currency` stands for an amount that came without one, `margin_rate` for an order's own cost. Facts may come in any order and
    must not repeat.
    """
    return lived(root_id, counted(facts), currency=currency, margin_rate=margin_rate)


def lived(root_id: UUID, known: Counted, *, currency: str, margin_rate: Decimal | None = None) -> tuple[Entry, ...]:
    """What a story in order counts as."""
    story, mark = known
    if not story:
        return ()
    lead = _Lead(root_id, story[0].business_unit, currency, mark, margin_rate)
    for at, instant in groupby(story, key=_when):
        lead.live(at, list(instant))
    return lead.entries()


def _when(fact: Fact) -> datetime:
    return fact.occurred_at


class _Lead:
    """The lead as its facts have made it so far, and a snapshot of what that counts as after each instant."""

    def __init__(
        self, root_id: UUID, business_unit: str, currency: str, mark: Mark | None, margin_rate: Decimal | None
    ) -> None:
        self.ledger = Ledger()
        self.root_id = root_id
        self.business_unit = business_unit
        self.currency = currency
        self.mark = mark
        self.held = Held()
        self.first_touch: FirstTouch | None = None
        self.touched_at: datetime | None = None
        self.touches: list[tuple[datetime, FirstTouch]] = []
        self.captures: list[Fact] = []
        self.contacts: frozenset[str] | None = None
        self.created: Moment | None = None
        self.created_explicitly = False
        self.graded_as_a_whole = False
        self.qualified: Moment | None = None
        self.archived: Moment | None = None
        self.converted: Opportunity | None = None
        self.failed: Moment | None = None
        self.opportunities: dict[str, Opportunity] = {}
        self.responses = Responses()
        self.statuses = Statuses()
        self.margin_rate = margin_rate
        self.customer: Customer | None = None
        self.changed: set[str] = set()
        self.told: list[Fact] = []

    def entries(self) -> tuple[Entry, ...]:
        """Everything that held at some moment. That a lead was told a score is known of it from the beginning, as who it
        is: it is asked for only when the lead is old."""
        entries = (*self.ledger.entries(), *self._touches())
        if self.captures and not self.mark:
            entries += tuple(quality.of_captures(self.captures, self.root_id))
        first = self._first_told() if self.told else None
        if first is None:
            return entries
        told = first.data["score"], first.data.get("probability")
        return tuple([told_first(one, *told) if one.measure in RANKED else one for one in entries])

    def _touches(self) -> Iterator[Entry]:
        """Every touch, in order, of a lead from when it was touched in a second place: to share out between them what it brings."""
        if len(self.touches) < 2 or self.mark:
            return
        moved = next((at for at, place in self.touches if place != self.first_touch), None)
        for number, (at, place) in enumerate(self.touches if moved is not None else ()):
            yield Entry(
                Measure.TOUCHED, f"{Measure.TOUCHED}:{number:06}", self.business_unit, at, at, Dims(*place), None, None, None,
                False, None, None, self.root_id, max(at, moved or at),
            )  # fmt: skip

    def _first_told(self) -> Fact | None:
        """The first score, where it came within a day of the lead and before its first opportunity. What was imported was
        told to nobody."""
        assert self.created is not None
        created = self.created.at
        for first in self.told:
            at = first.occurred_at
            if at >= created:
                late = at - created > TOLD_WITHIN or (self.converted is not None and self.converted.opened_at <= at)
                return None if late else first
        return None

    def live(self, at: datetime, instant: list[Fact]) -> None:
        """One moment: attributes first, since those given at a moment hold at it, then what happened."""
        before = self.held
        for fact in instant:
            self._observe(fact)
        explicit = not self.created_explicitly and any(map(_creates, instant))
        if self.created is None or explicit:
            self.created = Moment(at, self.held)
            self.created_explicitly = explicit
            self.changed.update(self._everything())
            self.statuses.begin(at)
        for fact in instant:
            self._happen(fact)
        if self.statuses.settle(at, self.held, archived=self.archived is not None):
            self.changed.update((STATUS_SCOPE, f"{STAY}{len(self.statuses.stays) - 1}"))
        elif self.statuses.status is not None and self.held != before:
            self.changed.add(STATUS_SCOPE)
        if not self.changed:
            return
        if LEAD_SCOPE in self.changed:
            self.ledger.settle(LEAD_SCOPE, at, self._lead_snapshot(at))
            self.changed.discard(LEAD_SCOPE)
        for scope in () if self.mark else self.changed:
            self.ledger.settle(scope, at, self._snapshot(scope, at))
        self.changed.clear()

    def _snapshot(self, scope: str, at: datetime) -> Iterable[Entry]:
        """What one of the lead's stays, deals, attempts or purchases counts as."""
        if scope == STATUS_SCOPE:
            return self._stands(at)
        if scope.startswith(STAY):
            return self._stay(at, int(scope.removeprefix(STAY)))
        if scope.startswith(ANSWER):
            return [self._answer(at, scope.removeprefix(ANSWER))]
        if attempt := self.responses.attempts.get(scope):
            return [self._attempt(at, attempt)] * attempt.counts
        assert self.created is not None
        born = Born(self.root_id, self.business_unit, self.currency, self.created.at, self.created.held, self._dims)
        if scope.startswith(DEAL):
            return deal_entries(self.opportunities[scope.removeprefix(DEAL)], born, at)
        if scope.startswith(SPELL):
            number, _, name = scope.removeprefix(SPELL).partition(":")
            return [spell_entry(self.opportunities[name], int(number), born, at)]
        assert self.customer is not None
        return customer_entries(self.customer, scope, born, at)

    def _observe(self, fact: Fact) -> None:
        data = fact.data
        if fact.event in CAPTURES:
            if _creates(fact):
                self.captures.append(fact)
            if (contacts := data.get("contacts")) is not None and (
                self.contacts is None or not self.contacts.issuperset(contacts)
            ):
                self.contacts = (self.contacts or frozenset()) | frozenset(contacts)
                self.changed.add(LEAD_SCOPE)
            touch = FirstTouch(data.get("channel") or None, data.get("source") or None, data.get("campaign") or None)
            if touch.channel or touch.source:
                self.touches.append((fact.occurred_at, touch))
            if self.first_touch is None and self.touches:
                self.first_touch = touch
                if self.created is not None:
                    self.changed.update(self._everything())
            if self.touched_at is None and not data.get("implied"):
                self.touched_at = fact.occurred_at
            if data.get("product"):
                self.held = self.held._replace(product=data["product"])
        elif fact.event == "LeadGraded":
            # The canonical id's grade counts everything known of the person; a merged id's, only a part.
            if "historical" not in data:
                self.told.append(fact)
            whole = fact.lead_id == self.root_id
            if whole or not self.graded_as_a_whole:
                self.held = self.held._replace(grade=data["grade"])
                self.graded_as_a_whole = whole
        elif fact.event == "LeadAssigned":
            self.held = self.held._replace(owner=data["owner"], team=data.get("team") or None)

    def _stands(self, now: datetime) -> Iterator[Entry]:
        """The lead's stay in its status that has not ended."""
        statuses = self.statuses
        if statuses.status is not None and statuses.since is not None:
            since = statuses.since
            yield self._status(now, Measure.LEAD_OPEN, "", since, since, self.held, statuses.status)

    def _stay(self, now: datetime, number: int) -> Iterator[Entry]:
        """One that has, unless the lead turned out to have begun later."""
        for one in self.statuses.stays[number : number + 1] if number >= 0 else ():
            yield self._status(now, Measure.STATUS_SPELL, f":{number}", one.until, one.since, one.held, one.status)

    def _status(
        self, now: datetime, measure: Measure, of: str, at: datetime, since: datetime, held: Held, status: str
    ) -> Entry:
        seconds = (at - since).total_seconds() if measure is Measure.STATUS_SPELL else None
        return Entry(
            measure, f"{measure}{of}", self.business_unit, at, since, self._dims(held), status, None, seconds, False,
            None, None, self.root_id, now,
        )  # fmt: skip

    def _happen(self, fact: Fact) -> None:
        self.statuses.apply(fact)
        if self.archived is not None and fact.event in REVIVES:
            self.archived = None
            self.changed.add(LEAD_SCOPE)
        if fact.event == "LeadQualified" and self.qualified is None:
            self.qualified = Moment(fact.occurred_at, self.held)
        elif fact.event == "LeadArchived" and self.archived is None:
            self.archived = Moment(fact.occurred_at, self.held, fact.data.get("reason") or None)
        elif fact.event in OPPORTUNITY_EVENTS:
            self._deal(fact)
        elif fact.event in CUSTOMER_EVENTS:
            self.customer = self.customer or Customer(self.margin_rate)
            self.changed |= self.customer.apply(fact, self.held, self.opportunities)
        elif fact.event in PROMISES and (told := self.responses.apply(fact, self.held)):
            self.changed |= told
        else:
            return
        self.changed.add(LEAD_SCOPE)

    def _deal(self, fact: Fact) -> None:
        name = str(fact.data["opportunity_id"])
        known = self.opportunities.get(name)
        opportunity = known or Opportunity(name, fact.occurred_at, Held())
        spells = len(opportunity.spells)
        opportunity.apply(fact, self.held)
        self.changed.update(f"{SPELL}{number}:{name}" for number in range(spells, len(opportunity.spells)))
        if known is None:
            self.opportunities[name] = opportunity
            self.converted = self.converted or opportunity
        self.changed.add(_scope(name))
        if self.customer is None and opportunity.status == "won":
            self.customer = Customer(self.margin_rate)
        if self.customer is not None:
            self.changed |= self.customer.deal(opportunity, fact.occurred_at)

    def _everything(self) -> Iterator[str]:
        """Every scope there is: what is told of a lead's beginning is told of each."""
        yield from (LEAD_SCOPE, STATUS_SCOPE)
        yield from (f"{STAY}{number}" for number in range(len(self.statuses.stays)))
        for name, deal in self.opportunities.items():
            yield _scope(name)
            yield from (f"{SPELL}{number}:{name}" for number in range(len(deal.spells)))
        yield from self.responses.scopes
        yield from () if self.customer is None else self.customer.scopes

    def _dims(self, held: Held) -> Dims:
        channel, source, campaign = self.first_touch or (None, None, None)
        return Dims(channel, source, campaign, *held)

    def _lead_snapshot(self, now: datetime) -> Iterator[Entry]:
        assert self.created is not None
        created, born = self.created.at, self._dims(self.created.held)
        bought = self.customer.first if self.customer is not None else None

        def entry(
            measure: Measure,
            at: datetime,
            dims: Dims,
            *,
            reason: str | None = None,
            since: datetime | None = None,
        ) -> Entry:
            seconds, negative = elapsed(since, at) if since else (None, False)
            return Entry(
                measure, measure, self.business_unit, at, created, dims, None, reason, seconds, negative, None, None,
                self.root_id, now,
            )  # fmt: skip

        if self.mark:
            yield entry(Measure.LEAD_MARKED, created, born, reason=self.mark)
            return
        yield entry(Measure.LEAD_CREATED, created, born)
        if lacking := quality.lacking(self.contacts):
            yield entry(Measure.LEAD_LACKING, created, born, reason=lacking)
        if self.qualified:
            yield entry(Measure.LEAD_QUALIFIED, self.qualified.at, self._dims(self.qualified.held))
            yield entry(Measure.COHORT_QUALIFIED, self.qualified.at, born, since=created)
        if self.archived:
            reason = self.archived.reason
            yield entry(Measure.LEAD_ARCHIVED, self.archived.at, self._dims(self.archived.held), reason=reason)
            if self.qualified is None:
                yield entry(Measure.ARCHIVED_BEFORE_QUALIFIED, self.archived.at, born, since=created)
        if self.converted:
            yield entry(Measure.LEAD_CONVERTED, self.converted.opened_at, self._dims(self.converted.opened))
            yield entry(Measure.COHORT_CONVERTED, self.converted.opened_at, born, since=created)
        elif self.archived:
            yield entry(Measure.ARCHIVED_BEFORE_CONVERTED, self.archived.at, born, since=created)
        if bought:
            touched = min(self.touched_at, created) if self.touched_at else created
            yield entry(Measure.LEAD_CUSTOMER, bought.at, self._dims(bought.held), since=touched)
            yield entry(Measure.COHORT_CUSTOMER, bought.at, born, since=created)
        if first := self.responses.first:
            yield entry(Measure.COHORT_CONTACTED, first.at, born, since=created)
        deals = self.opportunities.values()
        if bought is None and (self.archived or (deals and all(deal.status == "lost" for deal in deals))):
            self.failed = self.failed or Moment(now, self.held)
            yield entry(Measure.FAILED_BEFORE_CUSTOMER, self.failed.at, born, since=created)
        else:
            self.failed = None

    def _answer(self, now: datetime, task: str) -> Entry:
        """A promise to answer that is decided."""
        assert self.created is not None
        one = self.responses.answers[task]
        measure = Measure.RESPONSE_MET if one.outcome == "met" else Measure.RESPONSE_BREACHED
        return Entry(
            measure, f"{measure}:{task}" if task else measure, self.business_unit, one.at, self.created.at,
            self._dims(one.held), None, None, None, False, None, None, self.root_id, now,
        )  # fmt: skip

    def _attempt(self, now: datetime, one: Attempt) -> Entry:
        """An attempt to reach the lead and how long it took; what kind of one stands where reasons do."""
        return Entry(
            Measure.CONTACT_ATTEMPTED, f"{Measure.CONTACT_ATTEMPTED}:{one.key}", self.business_unit, one.at, one.at,
            self._dims(one.held), None, one.kind, one.seconds, False, None, None, self.root_id, now,
        )  # fmt: skip


def _scope(opportunity_id: str) -> str:
    return DEAL + opportunity_id


def _creates(fact: Fact) -> bool:
    """Whether a fact says by itself that a lead came in."""
    if fact.event == "LeadCreated":
        return not fact.data.get("implied")
    return fact.event == "LeadTouched" and fact.data.get("kind") == "captured"
