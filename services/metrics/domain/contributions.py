"""From the facts of one person to what they count as. The stream, the audit, a rebuild and the tests all use this one
pure function, so that whatever order facts come in, the numbers are those of a computation from scratch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from services.metrics.domain import quality
from services.metrics.domain.customer_entries import Born, customer_entries
from services.metrics.domain.customers import CUSTOMER_EVENTS, Customer
from services.metrics.domain.deal_entries import deal_entries, spell_entry
from services.metrics.domain.entries import RANKED, Dims, Entry, Ledger, Measure, elapsed, entry_of, told_first
from services.metrics.domain.facts import CAPTURES, Counted, Fact, counted
from services.metrics.domain.opportunities import NOTHING_KNOWN, OPPORTUNITY_EVENTS, Held, Opportunity
from services.metrics.domain.places import FirstTouch, dims_of, place_of
from services.metrics.domain.responses import ANSWER, PROMISES, Activity, Answer, Responses
from services.metrics.domain.rollups import Rules
from services.metrics.domain.statuses import MOVES, Statuses
from shared.contracts.marks import Mark

LEAD_SCOPE = "lead"
STATUS_SCOPE = "status"
STAY = "stay:"
DEAL = "opportunity:"
SPELL = "spell:"
AT_FIRST = (LEAD_SCOPE, STATUS_SCOPE)
TOLD_WITHIN = timedelta(days=1)
REVIVES = frozenset({"LeadReopened", "LeadQualified", "OrderPlaced"}) | OPPORTUNITY_EVENTS
"""After these a lead is not archived, with or without a word about it: nobody sells to one that is put aside."""

HAPPENS = REVIVES | {"LeadArchived"} | CUSTOMER_EVENTS | PROMISES
"""What changes more than who the lead is, where it came from and whether it is worked: all else is done with sooner."""


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


def contributions_by(root_id: UUID, facts: Iterable[Fact], rules: Rules) -> tuple[Entry, ...]:
    """The same by the rules of the unit where the person came first, in whatever order facts are read."""
    known = counted(facts)
    if not known[0]:
        return ()
    unit = rules(known[0][0].business_unit)
    return lived(root_id, known, currency=unit.currency, margin_rate=unit.customers.margin)


def lived(root_id: UUID, known: Counted, *, currency: str, margin_rate: Decimal | None = None) -> tuple[Entry, ...]:
    """What a story in order counts as."""
    story, mark = known
    if not story:
        return ()
    lead = _Lead(root_id, story[0].business_unit, currency, mark, margin_rate)
    at, instant = story[0].occurred_at, list[Fact]()
    for fact in story:
        if fact.occurred_at != at:
            lead.live(at, instant)
            at, instant = fact.occurred_at, []
        instant.append(fact)
    lead.live(at, instant)
    return lead.entries()


class _Lead:
    """The lead as its facts have made it so far, and a snapshot of what that counts as after each instant."""

    held = NOTHING_KNOWN
    first_touch: FirstTouch | None = None
    touched_at: datetime | None = None
    moved_at: datetime | None = None
    contacts: frozenset[str] | None = None
    created: Moment | None = None
    created_explicitly = False
    graded_as_a_whole = False
    qualified: Moment | None = None
    archived: Moment | None = None
    converted: Opportunity | None = None
    failed: Moment | None = None
    responses: Responses | None = None
    customer: Customer | None = None

    def __init__(
        self, root_id: UUID, business_unit: str, currency: str, mark: Mark | None, margin_rate: Decimal | None
    ) -> None:
        self.ledger = Ledger()
        self.root_id = root_id
        self.business_unit = business_unit
        self.currency = currency
        self.mark = mark
        self.margin_rate = margin_rate
        self.touches: list[tuple[datetime, FirstTouch]] = []
        self.captures: list[Fact] = []
        self.opportunities: dict[str, Opportunity] = {}
        self.statuses = Statuses()
        self.changed: set[str] = set()
        self.told: list[Fact] = []

    def entries(self) -> tuple[Entry, ...]:
        """Everything that held at some moment. That a lead was told a score is known of it from the beginning, as who it
        is: it is asked for only when the lead is old."""
        entries = self.ledger.entries()
        if not self.mark:
            if self.moved_at is not None:
                entries += self._touches(self.moved_at)
            if self.captures:
                entries += quality.of_captures(self.captures, self.root_id, entries)
        first = self._first_told() if self.told else None
        if first is not None:
            told = first.data["score"], first.data.get("probability")
            entries = [told_first(one, *told) if one.measure in RANKED else one for one in entries]
        return tuple(entries)

    def _touches(self, moved_at: datetime) -> list[Entry]:
        """Every touch, in order, of a lead from when it was touched in a second place: to share out between them what it brings."""
        return [
            entry_of((
                Measure.TOUCHED, _touch_key(number), self.business_unit, at, at, dims_of(place, NOTHING_KNOWN), None, None, None,
                False, None, None, self.root_id, max(moved_at, at), None, None, None, None, None,
            ))
            for number, (at, place) in enumerate(self.touches)
        ]  # fmt: skip

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
        before, creates = self.held, False
        for fact in instant:
            event = fact.event
            if event in CAPTURES:
                creates = self._capture(fact) or creates
            elif event == "LeadGraded":
                self._grade(fact)
            elif event == "LeadAssigned":
                self.held = Held(self.held.product, fact.data["owner"], fact.data.get("team") or None, self.held.grade)
        if self.created is None or (creates and not self.created_explicitly):
            self.changed.update(AT_FIRST if self.created is None else self._everything())
            self.created = Moment(at, self.held)
            self.created_explicitly = creates
            self.statuses.begin(at)
        for fact in instant:
            if fact.event in MOVES:
                self.statuses.apply(fact)
            if fact.event in HAPPENS:
                self._happen(fact)
        if self.statuses.settle(at, self.held, archived=self.archived is not None):
            self.changed.add(STATUS_SCOPE)
            if self.statuses.stays:
                self.changed.add(f"{STAY}{len(self.statuses.stays) - 1}")
        elif self.held is not before and self.statuses.status is not None and self.held != before:
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
        """What one of the lead's stays, deals, activities or purchases counts as."""
        if scope == STATUS_SCOPE:
            return self._stands(at)
        if scope.startswith(STAY):
            return self._stay(at, int(scope.removeprefix(STAY)))
        if self.responses is not None:
            if scope.startswith(ANSWER):
                return [self._answer(at, self.responses.answers[scope.removeprefix(ANSWER)])]
            if activity := self.responses.activities.get(scope):
                return [self._activity(at, activity)] * activity.counts
        assert self.created is not None
        born = Born(self.root_id, self.business_unit, self.currency, self.created.at, self.created.held, self._dims)
        if scope.startswith(DEAL):
            return deal_entries(self.opportunities[scope.removeprefix(DEAL)], born, at)
        if scope.startswith(SPELL):
            number, _, name = scope.removeprefix(SPELL).partition(":")
            return [spell_entry(self.opportunities[name], int(number), born, at)]
        assert self.customer is not None
        return customer_entries(self.customer, scope, born, at)

    def _capture(self, fact: Fact) -> bool:
        """Who came, and from where; whether that creates a lead by itself."""
        data, creates = fact.data, _creates(fact)
        if creates:
            self.captures.append(fact)
        if (contacts := data.get("contacts")) is not None and (
            self.contacts is None or not self.contacts.issuperset(contacts)
        ):
            self.contacts = (self.contacts or frozenset()).union(contacts)
            self.changed.add(LEAD_SCOPE)
        touch = place_of(data.get("channel"), data.get("source"), data.get("campaign"))
        if touch.channel or touch.source:
            self.touches.append((fact.occurred_at, touch))
            if self.first_touch is None:
                self.first_touch = touch
                if self.created is not None:
                    self.changed.update(self._everything())
            elif self.moved_at is None and touch != self.first_touch:
                self.moved_at = fact.occurred_at
        if self.touched_at is None and not data.get("implied"):
            self.touched_at = fact.occurred_at
        if data.get("product"):
            _, owner, team, grade = self.held
            self.held = Held(data["product"], owner, team, grade)
        return creates

    def _grade(self, fact: Fact) -> None:
        """What it was told. The canonical id's grade counts everything known of the person; a merged id's, only a part."""
        if "historical" not in fact.data:
            self.told.append(fact)
        whole = fact.lead_id.int == self.root_id.int
        if whole or not self.graded_as_a_whole:
            product, owner, team, _ = self.held
            self.held = Held(product, owner, team, fact.data["grade"])
            self.graded_as_a_whole = whole

    def _stands(self, now: datetime) -> list[Entry]:
        """The lead's stay in its status that has not ended."""
        since, status = self.statuses.since, self.statuses.status
        if status is None or since is None:
            return []
        return [self._status(now, Measure.LEAD_OPEN, "", since, since, self.held, status)]

    def _stay(self, now: datetime, number: int) -> Iterator[Entry]:
        """One that has, unless the lead turned out to have begun later."""
        for one in self.statuses.stays[number : number + 1] if number >= 0 else ():
            yield self._status(now, Measure.STATUS_SPELL, f":{number}", one.until, one.since, one.held, one.status)

    def _status(
        self, now: datetime, measure: Measure, of: str, at: datetime, since: datetime, held: Held, status: str
    ) -> Entry:
        seconds = (at - since).total_seconds() if measure is Measure.STATUS_SPELL else None
        return entry_of((
            measure, f"{measure}{of}" if of else measure, self.business_unit, at, since, dims_of(self.first_touch, held),
            status, None, seconds, False, None, None, self.root_id, now, None, None, None, None, None,
        ))  # fmt: skip

    def _happen(self, fact: Fact) -> None:
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
        elif fact.event in PROMISES:
            self.responses = self.responses or Responses()
            first = self.responses.first
            self.changed |= self.responses.apply(fact, self.held)
            if self.responses.first is first:
                return
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
        yield from () if self.responses is None else self.responses.scopes
        yield from () if self.customer is None else self.customer.scopes

    def _dims(self, held: Held) -> Dims:
        return dims_of(self.first_touch, held)

    def _lead_snapshot(self, now: datetime) -> Iterator[Entry]:
        assert self.created is not None
        created, born = self.created.at, self._dims(self.created.held)
        unit, root_id, bought = self.business_unit, self.root_id, self.customer.first if self.customer else None

        def entry(
            measure: Measure, at: datetime, dims: Dims, reason: str | None = None, since: datetime | None = None
        ) -> Entry:
            seconds, negative = elapsed(since, at) if since else (None, False)
            return entry_of((
                measure, measure, unit, at, created, dims, None, reason, seconds, negative, None, None, root_id, now,
                None, None, None, None, None,
            ))  # fmt: skip

        if self.mark:
            yield entry(Measure.LEAD_MARKED, created, born, reason=self.mark)
            return
        yield entry(Measure.LEAD_CREATED, created, born)
        for lacking in quality.lacking(self.contacts, sourced=born.source is not None):
            yield entry(lacking, created, born)
        if self.qualified:
            yield entry(Measure.LEAD_QUALIFIED, self.qualified.at, self._dims(self.qualified.held))
            yield entry(Measure.COHORT_QUALIFIED, self.qualified.at, born, since=created)
        if self.archived:
            reason, held = self.archived.reason, self._dims(self.archived.held)
            yield entry(Measure.LEAD_ARCHIVED, self.archived.at, held, reason=reason)
            if self.qualified is None:
                yield entry(Measure.LEAD_TURNED_DOWN, self.archived.at, held, reason=reason)
                yield entry(Measure.ARCHIVED_BEFORE_QUALIFIED, self.archived.at, born, since=created)
        if self.converted:
            yield entry(Measure.LEAD_CONVERTED, self.converted.opened_at, self._dims(self.converted.opened))
            yield entry(Measure.COHORT_CONVERTED, self.converted.opened_at, born, since=created)
        elif self.archived:
            yield entry(Measure.ARCHIVED_BEFORE_CONVERTED, self.archived.at, born, since=created)
        if bought:
            touched = min(self.touched_at or created, created)
            yield entry(Measure.LEAD_CUSTOMER, bought.at, self._dims(bought.held), since=touched)
            yield entry(Measure.COHORT_CUSTOMER, bought.at, born, since=created)
        if self.responses is not None and (first := self.responses.first):
            yield entry(Measure.COHORT_CONTACTED, first.at, born, since=created)
        deals = self.opportunities.values()
        if bought is None and (self.archived or (deals and all(deal.status == "lost" for deal in deals))):
            self.failed = self.failed or Moment(now, self.held)
            yield entry(Measure.FAILED_BEFORE_CUSTOMER, self.failed.at, born, since=created)
        else:
            self.failed = None

    def _answer(self, now: datetime, one: Answer) -> Entry:
        """A promise to answer that is decided."""
        assert self.created is not None
        measure = Measure.RESPONSE_MET if one.outcome == "met" else Measure.RESPONSE_BREACHED
        return Entry(
            measure, f"{measure}:{one.task}" if one.task else measure, self.business_unit, one.at, self.created.at,
            self._dims(one.held), None, None, None, False, None, None, self.root_id, now,
        )  # fmt: skip

    def _activity(self, now: datetime, one: Activity) -> Entry:
        """What was done with the lead and how long it took; what kind of activity stands where reasons do."""
        return Entry(
            Measure.ACTIVITY, f"{Measure.ACTIVITY}:{one.key}", self.business_unit, one.at, one.at,
            self._dims(one.held), None, one.kind, one.seconds, False, None, None, self.root_id, now,
        )  # fmt: skip


@lru_cache(maxsize=1024)
def _touch_key(number: int) -> str:
    return f"{Measure.TOUCHED}:{number:06}"


def _scope(opportunity_id: str) -> str:
    return DEAL + opportunity_id


def _creates(fact: Fact) -> bool:
    """Whether a fact says by itself that a lead came in."""
    if fact.event == "LeadCreated":
        return not fact.data.get("implied")
    return fact.event == "LeadTouched" and fact.data.get("kind") == "captured"
