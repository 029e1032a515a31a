"""Merging and taking back, in any order, by whoever: nothing is lost, nothing doubled, and nobody who was erased comes back.

What has to hold is told by a model that knows only who was put under whom.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.pipeline.domain.capture_intake import consents, created, personal, touched
from services.pipeline.domain.decisions import Act, decide_assign, decide_mark, decide_release, decide_unmerge
from services.pipeline.domain.erasure import Erased, forgotten
from services.pipeline.domain.identity_join import join_by_identities, merge_by_judgement
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.refusals import Refused
from services.pipeline.domain.state import fold
from shared.contracts.capture_events import Consent
from tests.unit.pipeline.builders import a_lead, an_id, at

LINKS = ("LeadMerged", "LeadUnmerged")
WHO = st.integers(0, 5)


class Merging(RuleBasedStateMachine):
    """A handful of leads of one unit, and one of another."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.under: dict[UUID, UUID | None] = {}
        self.apart: set[frozenset[UUID]] = set()
        self.erased: set[UUID] = set()
        self.done: dict[UUID, list[str]] = {}
        self.minute = 0

    @initialize(minutes=st.lists(st.integers(0, 3), min_size=3, max_size=6))
    def leads_come_in(self, minutes: list[int]) -> None:
        for place, minute in enumerate([*minutes, 2]):
            unit = "other" if place == len(minutes) else "default"
            event = a_lead(f"p{place}@x.example", business_unit=unit, name=f"Person {place}", occurred_at=at(minute))
            self.ledger.create(event.lead_id, unit)
            self.ledger.record(event.lead_id, created(event, ""))
            self.ledger[event.lead_id].learn(personal(event), event.occurred_at)
            self.under[event.lead_id] = None
            self.done[event.lead_id] = ["LeadCreated"]
        self.elsewhere = list(self.under)[-1]
        self.minute = 10

    def one(self, place: int) -> UUID:
        return list(self.under)[place % len(self.under)]

    def top(self, lead_id: UUID) -> UUID:
        while (above := self.under[lead_id]) is not None:
            lead_id = above
        return lead_id

    def group(self, lead_id: UUID) -> set[UUID]:
        return {one for one in self.under if self.top(one) == self.top(lead_id)}

    def act(self) -> Act:
        self.minute += 1
        return Act(an_id(), at(self.minute), "kim")

    def was_put_under(self, loser: UUID, one: UUID, other: UUID) -> None:
        assert loser in (self.top(one), self.top(other))
        (winner,) = {self.top(one), self.top(other)} - {loser}
        self.under[loser] = winner
        self.done[loser].append("LeadMerged")

    def are_apart(self, one: UUID, other: UUID) -> bool:
        return any(frozenset((a, b)) in self.apart for a in self.group(one) for b in self.group(other))

    @rule(who=WHO, granted=st.booleans())
    def somebody_is_captured_again(self, who: int, granted: bool) -> None:
        lead_id = self.one(who)
        self.minute += 1
        said = (Consent(purpose="mail", granted=granted),)
        event = a_lead("x@x.example", lead_id=lead_id, occurred_at=at(self.minute), consents=said)
        self.ledger.record(lead_id, touched(event, lead_id, ""))
        self.done[lead_id].append("LeadTouched")
        for draft in consents(event):
            self.ledger.record(lead_id, draft)
            self.done[lead_id].append("ConsentChanged")

    @rule(who=WHO)
    def somebody_takes_a_lead(self, who: int) -> None:
        root = self.ledger.root(self.one(who))
        try:
            drafts = decide_assign(root.state, self.act(), owner="lee", team=None)
        except Refused:
            assert root.state.mark is not None
            return
        self.ledger.record(root.lead_id, drafts[0])
        self.done[root.lead_id].append("LeadAssigned")

    @rule(who=WHO)
    def a_person_is_held_out_or_released(self, who: int) -> None:
        lead = self.ledger.root(self.one(who))
        act = self.act()
        held = lead.state.mark is not None
        drafts = (
            decide_release(lead.state, act, note=None) if held else decide_mark(lead.state, act, mark="test", note=None)
        )
        for member in self.ledger.group(lead.lead_id):
            self.ledger.record(member.lead_id, drafts[0])
            self.done[member.lead_id].append("LeadMarked")

    @rule(one=WHO, other=WHO)
    def an_identity_joins_two(self, one: int, other: int) -> None:
        first, second = self.one(one), self.one(other)
        if self.elsewhere in (first, second):
            return  # units never share identities
        cause = an_id()
        losers = join_by_identities(
            self.ledger, first, [("phone", second)], occurred_at=at(self.minute), cause=cause, correlation_id=cause,
            historical=False,
        )  # fmt: skip
        allowed = self.top(first) != self.top(second) and not self.are_apart(first, second)
        assert bool(losers) == allowed
        for loser in losers:
            self.was_put_under(loser, first, second)

    @rule(one=WHO, other=WHO)
    def somebody_says_they_are_one(self, one: int, other: int) -> None:
        first, second = self.one(one), self.one(other)
        roots = [self.ledger.root(lead_id) for lead_id in (first, second)]
        nobody = [self.group(root.lead_id) <= self.erased for root in roots]
        try:
            loser = merge_by_judgement(self.ledger, first, second, self.act(), {str(one) for one in self.erased})
        except Refused:
            units = {root.business_unit for root in roots}
            marked = any(root.state.mark is not None for root in roots)
            assert roots[0] is roots[1] or len(units) > 1 or marked or any(nobody)
            return
        assert not any(nobody)
        self.apart -= {frozenset((a, b)) for a in self.group(first) for b in self.group(second)}
        self.was_put_under(loser, first, second)

    @rule(who=WHO)
    def a_merge_is_taken_back(self, who: int) -> None:
        lead_id = self.one(who)
        act = self.act()
        if self.under[lead_id] is None:
            with pytest.raises(Refused):
                decide_unmerge(self.ledger[lead_id].merged_into, act)
            return
        draft = decide_unmerge(self.ledger[lead_id].merged_into, act)[0]
        self.ledger.part(lead_id)
        self.ledger.record(lead_id, draft)
        before = self.group(lead_id)
        assert draft.data["from_lead_id"] == str(self.under[lead_id])
        self.under[lead_id] = None
        self.done[lead_id].append("LeadUnmerged")
        self.apart |= {frozenset((lead_id, other)) for other in before - self.group(lead_id)}

    @precondition(lambda self: self.under)
    @rule(who=WHO)
    def a_person_is_erased(self, who: int) -> None:
        self.minute += 1
        draft = forgotten(Erased(at(self.minute), an_id()))
        for lead in self.ledger.group(self.one(who)):
            lead.personal, lead.personal_at = {}, None
            self.ledger.record(lead.lead_id, draft)
            self.done[lead.lead_id].append("PersonalDataErased")
            self.erased.add(lead.lead_id)

    @invariant()
    def everybody_is_somewhere_once(self) -> None:
        groups = {lead.lead_id: {one.lead_id for one in self.ledger.group(lead.lead_id)} for lead in self.ledger}
        assert groups == {lead_id: self.group(lead_id) for lead_id in self.under}
        for lead in self.ledger:
            assert lead.merged_into == self.under[lead.lead_id]
            assert lead.root_id == self.top(lead.lead_id)
            assert lead.is_merged == (self.under[lead.lead_id] is not None)
        assert self.ledger.apart == self.apart

    @invariant()
    def each_story_has_what_happened_to_it_and_no_more(self) -> None:
        for lead in self.ledger:
            facts = lead.facts or []
            assert [fact.event for fact in facts] == self.done[lead.lead_id]
            assert [fact.version for fact in facts] == list(range(1, lead.version + 1))
            assert len({fact.event_id for fact in facts}) == len(facts)

    @invariant()
    def a_person_is_what_all_that_happened_comes_to(self) -> None:
        for lead in self.ledger:
            if not lead.is_merged:
                assert lead.state == fold(self.ledger.facts(lead.lead_id))

    @invariant()
    def nobody_who_was_erased_is_known_again(self) -> None:
        assert all(self.ledger[lead_id].personal == {} for lead_id in self.erased)

    def teardown(self) -> None:
        """All merges taken back, each lead is what its own story alone comes to: as if it had never been merged."""
        for lead_id in list(self.under):
            if self.under[lead_id] is not None:
                draft = decide_unmerge(self.ledger[lead_id].merged_into, self.act())[0]
                self.ledger.part(lead_id)
                self.ledger.record(lead_id, draft)
        for lead in self.ledger:
            alone = [fact for fact in lead.facts or [] if fact.event not in LINKS]
            assert lead.root_id == lead.lead_id
            assert _what_it_is(lead.state) == _what_it_is(fold(alone))


def _what_it_is(state: Any) -> tuple[Any, ...]:
    return (
        state.status, state.created_at, state.first_touch, state.mark, state.graded, state.assigned, state.qualified_at,
        state.is_archived, dict(state.deals),
    )  # fmt: skip


TestMerging = Merging.TestCase
TestMerging.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_in_whichever_order_they_are_merged_they_are_the_same_person(order: tuple[int, ...]) -> None:
    ledger = Ledger()
    ids = []
    for place in range(3):
        event = a_lead(
            f"o{place}@x.example", occurred_at=at(place), channel=f"c{place}", event_id=UUID(int=900 + place)
        )
        ledger.create(event.lead_id, "default")
        ledger.record(event.lead_id, created(event, ""))
        ids.append(event.lead_id)
    merge_by_judgement(ledger, ids[order[0]], ids[order[1]], Act(an_id(), at(9), "kim"))
    merge_by_judgement(ledger, ids[order[1]], ids[order[2]], Act(an_id(), at(9), "kim"))
    assert {lead.root_id for lead in ledger} == {ids[0]}
    assert _what_it_is(ledger[ids[0]].state)[:3] == _what_it_is(fold(ledger.facts(ids[0])))[:3]
    first = ledger[ids[0]].state.first_touch
    assert first is not None
    assert first.channel == "c0"
