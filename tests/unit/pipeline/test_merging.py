"""Merges are exact and reversible, and versions have no gaps."""

from __future__ import annotations

from collections import defaultdict
from functools import reduce
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.pipeline.domain.batch import Batch, Pending, components
from services.pipeline.domain.capture_intake import created
from services.pipeline.domain.decisions import Act, decide_unmerge
from services.pipeline.domain.facts import Fact
from services.pipeline.domain.identity_join import join_by_identities
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.state import LeadState, evolve, fold
from tests.unit.pipeline.builders import a_lead, an_id, at


def a_ledger(*minutes: int) -> tuple[Ledger, list[UUID]]:
    """Leads that were created so many minutes after the start."""
    ledger = Ledger()
    for place, minute in enumerate(minutes):
        event = a_lead(f"p{place}@x.example", occurred_at=at(minute), channel=f"c{place}")
        ledger.create(event.lead_id, "default")
        ledger.record(event.lead_id, created(event, ""))
    return ledger, [lead.lead_id for lead in ledger]


def join(ledger: Ledger, one: UUID, other: UUID, minute: int = 50) -> list[UUID]:
    cause = an_id()
    return join_by_identities(
        ledger, one, [("phone", other)], occurred_at=at(minute), cause=cause, correlation_id=cause, historical=False
    )


def unmerge(ledger: Ledger, lead_id: UUID) -> None:
    draft = decide_unmerge(ledger[lead_id].merged_into, Act(an_id(), at(99), "kim"))[0]
    ledger.part(lead_id)
    ledger.record(lead_id, draft)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=10),
)
def test_merging_and_taking_back_restores_each_lead_exactly(minutes: list[int], pairs: list[tuple[int, int]]) -> None:
    ledger, ids = a_ledger(*minutes)
    before = {lead.lead_id: (lead.state.created_at, lead.state.first_touch, lead.state.status) for lead in ledger}
    for one, other in pairs:
        join(ledger, ids[one % len(ids)], ids[other % len(ids)])
    for root in {lead.root_id for lead in ledger}:
        group = ledger.group(root)
        assert all(lead.root_id == root for lead in group)
        assert ledger[root].state == fold(ledger.facts(root))
        assert ledger[root].state.created_at == min(before[lead.lead_id][0] for lead in group)  # type: ignore[type-var]
    while merged := [lead for lead in ledger if lead.merged_into is not None]:
        unmerge(ledger, merged[0].lead_id)
    for lead in ledger:
        assert lead.root_id == lead.lead_id
        assert (lead.state.created_at, lead.state.first_touch, lead.state.status) == before[lead.lead_id]
    versions = defaultdict(list)
    for entry in ledger.entries:
        versions[entry.lead.lead_id].append(entry.fact.version)
    assert all(seen == list(range(1, len(seen) + 1)) for seen in versions.values())


def test_what_a_person_took_apart_is_not_joined_again() -> None:
    ledger, (one, other) = a_ledger(0, 1)
    assert join(ledger, other, one) == [other]
    unmerge(ledger, other)
    assert join(ledger, other, one) == []
    assert join(ledger, one, other) == []
    assert ledger.newly_apart == {frozenset((one, other))}


def test_ids_that_were_merged_into_a_lead_leave_with_it() -> None:
    ledger, (a, b, c) = a_ledger(2, 1, 0)
    join(ledger, a, b)
    join(ledger, b, c)
    unmerge(ledger, b)
    assert {lead.lead_id: lead.root_id for lead in ledger} == {a: b, b: b, c: c}


def test_stories_are_needed_only_where_two_known_people_meet() -> None:
    ledger, (a, b, c) = a_ledger(0, 1, 2)
    new = an_id()
    assert components(ledger, {a: [a], new: [new]}) == set()
    assert components(ledger, {a: [b]}) == {a, b}
    assert components(ledger, {new: [a, b], c: [c]}) == {a, b}
    assert components(ledger, {new: [a], c: [new]}) == {a, c}


def test_what_waits_is_taken_up_once_in_order_of_arrival() -> None:
    ledger, (lead, _) = a_ledger(0, 1)
    batch: Batch[str] = Batch(ledger, {})
    first = Pending(lead, an_id(), ("t",), "first", stored=False)
    second = Pending(an_id(), an_id(), ("t", "u"), "second", stored=True)
    assert batch.wait(second)
    assert batch.wait(first)
    assert not batch.wait(Pending(lead, first.event_id, (), "again", stored=False))
    assert [one.record for one in batch.take_up(lead, ["t", "u"])] == ["second", "first"]
    assert batch.take_up(lead, ["t", "u"]) == []


@pytest.mark.parametrize("later_versions", [0, 5])
def test_the_grade_of_a_person_is_that_of_the_canonical_id_whatever_merged_ids_were_graded(later_versions: int) -> None:
    root, part = UUID(int=1), UUID(int=2)
    grade = {"score": 60, "grade": "A"}
    story = [
        Fact(part, 1 + later_versions, "LeadGraded", UUID(int=11), at(9), {"score": 25, "grade": "C"}),
        Fact(part, 2 + later_versions, "LeadMerged", UUID(int=12), at(9), {"into_lead_id": str(root)}),
        Fact(root, 3, "LeadGraded", UUID(int=13), at(9), grade),
    ]
    for facts in permutations(story):
        graded = reduce(evolve, facts, LeadState()).graded
        assert graded is not None
        assert graded.score == 60
    alone = fold(story[:2]).graded
    assert alone is not None
    assert alone.score == 25
