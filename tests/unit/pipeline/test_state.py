"""A lead is a fold over its facts: the order of arrival, repetition and merges change nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.pipeline.domain.facts import Fact
from services.pipeline.domain.ledger import Lead
from services.pipeline.domain.state import LeadState, evolve, fold
from services.pipeline.storage.rows import LEAD_COLUMNS, lead_of, lead_row

DAY = datetime(2026, 1, 1, tzinfo=UTC)
LEAD = UUID(int=1)

MARKS = st.sampled_from(["test", "spam"])
WORDS: dict[str, st.SearchStrategy[Any]] = {
    "LeadCreated": st.fixed_dictionaries(
        {"channel": st.sampled_from(["web", "chat"])},
        optional={"implied": st.just(True), "mark": MARKS, "contacts": st.just(["email"])},
    ),
    "LeadTouched": st.fixed_dictionaries(
        {"kind": st.sampled_from(["captured", "call", "returned"])},
        optional={"source": st.sampled_from(["ads", "mail"]), "mark": MARKS, "contacts": st.just(["email"])},
    ),
    "PersonalDataErased": st.just({}),
    "LeadContactChanged": st.fixed_dictionaries({"change": st.sampled_from(["added", "removed"])}),
    "LeadMarked": st.fixed_dictionaries({}, optional={"mark": MARKS}),
    "LeadGraded": st.fixed_dictionaries({"score": st.integers(0, 100), "grade": st.sampled_from("ABC")}),
    "LeadAssigned": st.fixed_dictionaries({"owner": st.sampled_from(["kim", "lee"])}),
    "ContactAttempted": st.fixed_dictionaries({"kind": st.just("call"), "human": st.booleans()}),
    "NoteAdded": st.just({"actor": "kim"}),
    "LeadQualified": st.just({}),
    "LeadArchived": st.fixed_dictionaries({"reason": st.sampled_from(["no need", "other"])}),
    "LeadReopened": st.just({}),
    "OrderPlaced": st.fixed_dictionaries({"amount": st.just("1")}, optional={"order_id": st.sampled_from("pq")}),
    "OrderRefunded": st.fixed_dictionaries({"amount": st.just("1"), "order_id": st.sampled_from("pq")}),
    "OrderCancelled": st.fixed_dictionaries({"order_id": st.sampled_from("pq")}),
    "CustomerChurned": st.fixed_dictionaries({}, optional={"reason": st.just("price")}),
    "ConsentChanged": st.just({"purpose": "mail", "granted": True}),
    "OpportunityOpened": st.fixed_dictionaries({"opportunity_id": st.sampled_from("xy"), "stage": st.just("first")}),
    "StageChanged": st.fixed_dictionaries(
        {"opportunity_id": st.sampled_from("xy"), "stage": st.sampled_from(["a", "b"])}
    ),
    "AmountChanged": st.fixed_dictionaries({"opportunity_id": st.sampled_from("xy"), "amount": st.sampled_from("12")}),
    "OpportunityWon": st.fixed_dictionaries({"opportunity_id": st.sampled_from("xy")}),
    "OpportunityLost": st.fixed_dictionaries({"opportunity_id": st.sampled_from("xy"), "reason": st.just("price")}),
}
STREAM = ("LeadCreated", "LeadTouched", "LeadMarked", "LeadGraded", "ConsentChanged")


def a_fact(event: str, minute: float = 0, *, version: int = 1, lead_id: UUID = LEAD, **data: Any) -> Fact:
    return Fact(lead_id, version, event, UUID(int=version), DAY + timedelta(minutes=minute), data)


@st.composite
def stories(draw: st.DrawFn, events: tuple[str, ...] = tuple(WORDS), leads: int = 2) -> list[Fact]:
    """Facts in order of arrival: each lead's versions without gaps, their times as they like."""
    facts = []
    versions = [0] * leads
    for event in draw(st.lists(st.sampled_from(events), min_size=1, max_size=12)):
        place = draw(st.integers(0, leads - 1))
        versions[place] += 1
        data: dict[str, Any] = draw(WORDS[event])
        minute = draw(st.integers(0, 4))
        facts.append(a_fact(event, minute, version=versions[place], lead_id=UUID(int=place), **data))
    return facts


@settings(max_examples=150, deadline=None)
@given(stories(), st.randoms(use_true_random=False))
def test_one_by_one_in_any_order_and_repeated_is_the_fold(facts: list[Fact], chance: Any) -> None:
    arrival = facts + chance.sample(facts, min(3, len(facts)))
    chance.shuffle(arrival)
    assert reduce(evolve, arrival, LeadState()) == fold(facts)


@settings(max_examples=150, deadline=None)
@given(WORDS["LeadCreated"], stories(STREAM, leads=1))
def test_going_on_from_a_row_is_the_fold(creation: dict[str, Any], rest: list[Fact]) -> None:
    created = a_fact("LeadCreated", 2, **creation)
    facts = [created, *(fact._replace(lead_id=LEAD, version=fact.version + 1) for fact in rest)]
    lead = Lead(LEAD, "default", LEAD)
    for fact in facts:
        lead.state = evolve(lead.state, fact)
        row = dict(zip(LEAD_COLUMNS, lead_row(lead), strict=True))
        lead = lead_of(type("Row", (), row))
    lead.state = lead.state._replace(last=None)
    whole = Lead(LEAD, "default", LEAD, state=fold(facts))
    assert lead_row(lead) == lead_row(whole)


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ([a_fact("LeadCreated")], "new"),
        ([a_fact("LeadAssigned", owner="kim")], "working"),
        ([a_fact("ContactAttempted", kind="mail", human=False)], "new"),
        ([a_fact("ContactAttempted", kind="call", human=True)], "working"),
        ([a_fact("LeadQualified"), a_fact("LeadAssigned", 1, owner="kim")], "qualified"),
        ([a_fact("LeadArchived", 5, reason="other"), a_fact("LeadAssigned", 6, owner="kim")], "archived"),
        ([a_fact("LeadArchived", 5, reason="other"), a_fact("LeadReopened", 6)], "working"),
        ([a_fact("LeadQualified"), a_fact("LeadArchived", 5, reason="other"), a_fact("LeadReopened", 6)], "qualified"),
        ([a_fact("LeadArchived", 5, reason="other"), a_fact("LeadReopened", 4)], "archived"),
        ([a_fact("LeadArchived", 5, reason="other"), a_fact("LeadQualified", 6)], "qualified"),
        ([a_fact("StageChanged", opportunity_id="x", stage="a")], "converted"),
        ([a_fact("OpportunityWon", opportunity_id="x")], "customer"),
        ([a_fact("OpportunityLost", opportunity_id="x", reason="price")], "converted"),
        (
            [a_fact("OpportunityWon", 1, opportunity_id="x"), a_fact("StageChanged", 2, opportunity_id="x", stage="a")],
            "converted",
        ),
        (
            [a_fact("StageChanged", 1, opportunity_id="x", stage="a"), a_fact("OpportunityWon", 2, opportunity_id="x")],
            "customer",
        ),
        ([a_fact("OrderPlaced", amount="1")], "customer"),
    ],
)
def test_where_a_lead_stands(facts: list[Fact], status: str) -> None:
    assert fold(facts).status == status
    assert fold(facts[::-1]).status == status


@pytest.mark.parametrize(
    ("facts", "mark"),
    [
        ([a_fact("LeadCreated", mark="spam")], "spam"),
        ([a_fact("LeadCreated", mark="spam"), a_fact("LeadTouched", 1, version=2, kind="call")], "spam"),
        ([a_fact("LeadCreated", mark="spam"), a_fact("LeadTouched", 1, version=2, kind="captured")], None),
        ([a_fact("LeadCreated"), a_fact("LeadTouched", 1, version=2, kind="captured", mark="spam")], None),
        (
            [a_fact("LeadCreated", mark="spam"), a_fact("LeadTouched", 1, version=2, kind="captured", mark="test")],
            "test",
        ),
        ([a_fact("LeadCreated"), a_fact("LeadMarked", 1, version=2, mark="test")], "test"),
        ([a_fact("LeadCreated", mark="spam"), a_fact("LeadMarked", 1, version=2)], None),
        ([a_fact("LeadMarked", 1, version=2, mark="spam"), a_fact("LeadMarked", 1, version=3)], None),
        ([a_fact("LeadCreated", mark="spam"), a_fact("LeadCreated", lead_id=UUID(int=2))], None),
        ([a_fact("LeadCreated", mark="spam"), a_fact("LeadCreated", lead_id=UUID(int=2), mark="spam")], "spam"),
    ],
)
def test_who_is_held_out(facts: list[Fact], mark: str | None) -> None:
    assert fold(facts).mark == mark
    assert fold(facts[::-1]).mark == mark


def test_an_explicit_creation_beats_every_implied_one() -> None:
    implied = a_fact("LeadCreated", 0, implied=True)
    assert fold([implied, a_fact("LeadGraded", 1, version=2, score=1, grade="A")]).created_at == implied.occurred_at
    explicit = a_fact("LeadTouched", 9, version=3, kind="captured")
    assert fold([implied, explicit]).created_at == explicit.occurred_at


def test_the_first_touch_is_the_earliest_with_a_channel_or_a_source() -> None:
    facts = [
        a_fact("LeadCreated", 0, implied=True),
        a_fact("LeadTouched", 2, version=2, kind="call", source="ads"),
        a_fact("LeadTouched", 1, version=3, kind="call", channel="chat"),
    ]
    touch = fold(facts).first_touch
    assert touch is not None
    assert (touch.channel, touch.source) == ("chat", None)


def test_ties_keep_the_order_in_which_they_were_recorded() -> None:
    first, second = (a_fact("LeadAssigned", 1, version=version, owner=str(version)) for version in (1, 2))
    assigned = fold([second, first]).assigned
    assert assigned is not None
    assert assigned.owner == "2"


def test_a_lost_deal_keeps_its_last_amount_and_stage() -> None:
    deal = fold(
        [
            a_fact("OpportunityOpened", 0, opportunity_id="x", stage="a", amount="10"),
            a_fact("OpportunityLost", 3, version=2, opportunity_id="x", reason="price"),
            a_fact("AmountChanged", 2, version=3, opportunity_id="x", amount="12"),
        ]
    ).deals["x"]
    assert (deal.status, deal.reason, deal.value("amount"), deal.value("stage")) == ("lost", "price", "12", "a")
    assert (deal.began_at, deal.closed_at) == (DAY, DAY + timedelta(minutes=3))
