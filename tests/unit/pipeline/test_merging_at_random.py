"""Merges, unmerges and everything that happens between them: nothing is lost, nothing moves, and what is parted is what it would have
been alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from random import Random
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.pipeline.domain import capture_intake, customers, deals
from services.pipeline.domain.consents import decide_consent, standing
from services.pipeline.domain.decisions import Act, decide_unmerge
from services.pipeline.domain.facts import Draft, Fact
from services.pipeline.domain.identity_join import join_by_identities, merge_by_judgement
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.refusals import Refused
from services.pipeline.domain.state import LeadState, evolve, fold
from shared.contracts.policy import UnitPolicy
from tests.unit.pipeline.builders import START, a_lead, an_id, an_interaction

UNIT = UnitPolicy()
IDS = [UUID(int=number) for number in range(1, 6)]
LEADS = st.sampled_from(IDS)
LINKS = ("LeadMerged", "LeadUnmerged")


@dataclass
class Alone:
    """One id and what was ever recorded of it, as somebody would note it down. `parent` is whom it is merged into."""

    created_at: datetime
    parent: UUID | None = None
    touches: list[str] = field(default_factory=list)
    consents: list[tuple[datetime, str, bool]] = field(default_factory=list)
    deals: dict[str, str] = field(default_factory=dict)
    orders: set[str] = field(default_factory=set)
    facts: list[UUID] = field(default_factory=list)


class Merging(RuleBasedStateMachine):
    """Five ids that turn out to be one person, or not."""

    @initialize()
    def begin(self) -> None:
        self.ledger = Ledger()
        self.noted: dict[UUID, Alone] = {}
        self.apart: set[frozenset[UUID]] = set()
        self.now = START + timedelta(days=1)
        self.number = 0
        for lead_id in IDS:
            self.capture(lead_id, 60, None)

    # what was noted down

    def root(self, lead_id: UUID) -> UUID:
        while (parent := self.noted[lead_id].parent) is not None:
            lead_id = parent
        return lead_id

    def members(self, lead_id: UUID) -> list[UUID]:
        return [one for one in self.noted if self.root(one) == self.root(lead_id)]

    def below(self, lead_id: UUID) -> set[UUID]:
        return {one for one in self.noted if lead_id in self.line(one)}

    def line(self, lead_id: UUID) -> list[UUID]:
        parent = self.noted[lead_id].parent
        return [lead_id] if parent is None else [lead_id, *self.line(parent)]

    def winner_and_loser(self, one: UUID, other: UUID) -> tuple[UUID, UUID]:
        def age(root: UUID) -> tuple[datetime, UUID]:
            return min(self.noted[member].created_at for member in self.members(root)), root

        first, second = sorted((self.root(one), self.root(other)), key=age)
        return first, second

    def are_apart(self, one: UUID, other: UUID) -> bool:
        return any(
            frozenset((mine, theirs)) in self.apart for mine in self.members(one) for theirs in self.members(other)
        )

    # what is done

    def tell(self, lead_id: UUID, drafts: Iterable[Draft]) -> None:
        for draft in drafts:
            self.noted[lead_id].facts.append(draft.event_id)
            self.ledger.record(lead_id, draft)

    def act(self) -> Act:
        return Act(an_id(), self.now, "kim")

    @rule(minutes=st.integers(1, 60))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(lead_id=LEADS, ago=st.integers(0, 500), permits=st.none() | st.booleans())
    def capture(self, lead_id: UUID, ago: int, permits: bool | None) -> None:
        self.number += 1
        at = self.now - timedelta(minutes=ago, microseconds=self.number)
        consents = () if permits is None else ({"purpose": "mail", "granted": permits},)
        event = a_lead(lead_id=lead_id, occurred_at=at, source=f"s{self.number}", consents=consents)
        if lead_id in self.noted:
            self.noted[lead_id].created_at = min(self.noted[lead_id].created_at, at)
            draft = capture_intake.touched(event, lead_id, "")
        else:
            self.noted[lead_id] = Alone(at)
            self.ledger.create(lead_id, "default")
            draft = capture_intake.created(event, "")
        self.noted[lead_id].touches.append(f"s{self.number}")
        if permits is not None:
            self.noted[lead_id].consents.append((at, "mail", permits))
        self.tell(lead_id, [draft, *capture_intake.consents(event)])

    @rule(lead_id=LEADS, ago=st.integers(0, 500))
    def interact(self, lead_id: UUID, ago: int) -> None:
        self.number += 1
        at = self.now - timedelta(minutes=ago, microseconds=self.number)
        event = an_interaction(lead_id=lead_id, occurred_at=at, source=f"s{self.number}")
        self.noted[lead_id].touches.append(f"s{self.number}")
        self.tell(lead_id, [capture_intake.touched(event, lead_id, "")])

    @rule(lead_id=LEADS, granted=st.booleans())
    def permit(self, lead_id: UUID, granted: bool) -> None:
        self.now += timedelta(seconds=1)
        said = {"lawful_basis": None, "text_version": None, "proof": None}
        self.noted[lead_id].consents.append((self.now, "mail", granted))
        self.tell(lead_id, decide_consent(self.act(), purpose="mail", granted=granted, **said))

    @rule(lead_id=LEADS)
    def sell(self, lead_id: UUID) -> None:
        """A deal of whoever it is, in the story of the canonical id, as commands have it."""
        root, name = self.root(lead_id), f"d{self.number}"
        self.number += 1
        state = self.ledger[root].state._replace(qualified_at=START)
        self.noted[root].deals[name] = "open"
        self.tell(root, deals.decide_open(state, UNIT, self.act(), deals.Deal(name, stage="open")))

    @rule(lead_id=LEADS, how=st.sampled_from(["won", "lost"]))
    def close(self, lead_id: UUID, how: str) -> None:
        """In the story that the deal began in, whoever is canonical now."""
        for name, deal in self.ledger[self.root(lead_id)].state.deals.items():
            if deal.status == "open":
                decide = deals.decide_win(deal, UNIT, self.act(), amount="1", currency=None)
                drafts = (
                    decide if how == "won" else deals.decide_lose(deal, UNIT, self.act(), reason="other", note="so")
                )
                story = self.ledger.story_of(lead_id, drafts[0])
                self.noted[story].deals[name] = how
                self.tell(story, drafts)
                return

    @rule(lead_id=LEADS)
    def order(self, lead_id: UUID) -> None:
        root, name = self.root(lead_id), f"o{self.number}"
        self.number += 1
        drafts = customers.decide_order(self.ledger[root].state, UNIT, self.act(), customers.Order(name, amount="1"))
        self.noted[root].orders.add(name)
        self.tell(root, drafts)

    @rule(one=LEADS, other=LEADS)
    def share_an_identity(self, one: UUID, other: UUID) -> None:
        allowed = self.root(one) != self.root(other) and not self.are_apart(one, other)
        winner, loser = self.winner_and_loser(one, other)
        cause = an_id()
        losers = join_by_identities(
            self.ledger,
            one,
            [("phone", other)],
            occurred_at=self.now,
            cause=cause,
            correlation_id=cause,
            historical=False,
        )
        assert losers == ([loser] if allowed else [])
        if allowed:
            self.note_merge(winner, loser)

    @rule(one=LEADS, other=LEADS)
    def say_they_are_one(self, one: UUID, other: UUID) -> None:
        winner, loser = self.winner_and_loser(one, other)
        try:
            merged = merge_by_judgement(self.ledger, one, other, self.act())
        except Refused:
            assert self.root(one) == self.root(other)
            return
        assert merged == loser
        self.apart -= {frozenset((m, t)) for m in self.members(one) for t in self.members(other)}
        self.note_merge(winner, loser)

    def note_merge(self, winner: UUID, loser: UUID) -> None:
        self.noted[loser].parent = winner
        self.noted[loser].facts.append(self.ledger[loser].facts[-1].event_id)  # type: ignore[index]

    @precondition(lambda self: any(one.parent for one in self.noted.values()))
    @rule(choose=st.data())
    def part(self, choose: st.DataObject) -> None:
        lead_id = choose.draw(st.sampled_from([one for one, noted in self.noted.items() if noted.parent is not None]))
        drafts = decide_unmerge(self.ledger[lead_id].merged_into, self.act())
        leaving = self.below(lead_id)
        self.apart |= {frozenset((lead_id, other)) for other in set(self.members(lead_id)) - leaving}
        self.noted[lead_id].parent = None
        self.ledger.part(lead_id)
        self.tell(lead_id, drafts)

    # what always holds

    @invariant()
    def groups_are_those_that_were_noted_down(self) -> None:
        for lead_id, noted in self.noted.items():
            lead = self.ledger[lead_id]
            assert (lead.root_id, lead.merged_into) == (self.root(lead_id), noted.parent)
            assert {one.lead_id for one in self.ledger.group(lead_id)} == set(self.members(lead_id))

    @invariant()
    def every_fact_stays_under_the_id_it_was_recorded_with(self) -> None:
        for lead_id, noted in self.noted.items():
            facts = self.facts_of([lead_id])
            assert [fact.event_id for fact in facts] == noted.facts
            assert [fact.version for fact in facts] == list(range(1, len(facts) + 1))

    @invariant()
    def a_person_is_what_all_their_ids_are_together_and_nothing_of_the_others(self) -> None:
        for root in {self.root(lead_id) for lead_id in self.noted}:
            members = [self.noted[member] for member in self.members(root)]
            state, facts = self.ledger[root].state, self.facts_of(self.members(root))
            touched = [fact.data["source"] for fact in facts if fact.event in ("LeadCreated", "LeadTouched")]
            assert sorted(touched) == sorted(source for one in members for source in one.touches)
            assert state.created_at == min(one.created_at for one in members)
            sold = {name: how for one in members for name, how in one.deals.items()}
            assert {name: deal.status for name, deal in state.deals.items()} == sold
            assert state.orders.keys() == {name for one in members for name in one.orders}
            last = max((said for one in members for said in one.consents), default=None)
            holds = standing(facts, ())
            assert (holds["mail"].data["granted"] if holds else None) == (last[2] if last else None)
            bought = state.orders or "won" in sold.values()
            assert state.status == ("customer" if bought else "converted" if sold else "new")

    @invariant()
    def in_whichever_order_its_facts_arrive_a_person_is_the_same(self) -> None:
        for root in {self.root(lead_id) for lead_id in self.noted}:
            facts = self.facts_of(self.members(root))
            Random(len(facts)).shuffle(facts)
            assert reduce(evolve, facts, LeadState()) == self.ledger[root].state == fold(facts)

    def facts_of(self, lead_ids: Iterable[UUID]) -> list[Fact]:
        return [fact for lead_id in lead_ids for fact in self.ledger[lead_id].facts or ()]


TestMerging = Merging.TestCase
TestMerging.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
