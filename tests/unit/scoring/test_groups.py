"""Who is one person, and what a batch changes about them."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain import (
    Assessment,
    Lead,
    Rulebook,
    Touch,
    Verdict,
    Work,
    attachment,
    resolved_roots,
    score_event,
    scored_moment,
)
from services.scoring.domain.groups import Stir
from shared.contracts.scoring_events import Contribution, LeadScored, Likelihood
from tests.unit.scoring.builders import SCORING, a_touch, an_id, at, captured, interacted, merged, touched, unmerged

IDS = sorted(an_id(name) for name in "abcd")
A, B, C, D = IDS
BECAUSE = Contribution(feature="email", words="reachable by e-mail", log_odds=-1.099)


@pytest.mark.parametrize(
    ("merged_into", "roots"),
    [
        ({A: None, B: None}, {A: A, B: B}),
        ({A: B, B: None}, {A: B, B: B}),
        ({A: B, B: C, C: None, D: C}, {A: C, B: C, C: C, D: C}),
        ({A: A}, {A: A}),
        ({A: B, B: A, C: B}, {A: A, B: A, C: A}),
        ({A: D, B: C, C: D, D: B}, {A: B, B: B, C: B, D: B}),
    ],
)
def test_a_lead_belongs_to_the_end_of_its_chain_of_merges(
    merged_into: dict[UUID, UUID | None], roots: dict[UUID, UUID]
) -> None:
    assert resolved_roots(merged_into) == roots


@given(st.permutations(IDS), st.lists(st.sampled_from([*IDS, None]), min_size=4, max_size=4))
def test_roots_do_not_depend_on_the_order_leads_are_looked_at(order: list[UUID], targets: list[UUID | None]) -> None:
    merged_into = dict(zip(IDS, targets, strict=True))
    assert resolved_roots({lead: merged_into[lead] for lead in order}) == resolved_roots(merged_into)


def a_work(*events: object) -> Work:
    fresh = {(event.lead_id, event.event_id): event.lead_id for event in events}  # type: ignore[attr-defined]
    return Work({}, fresh)


def test_an_event_counts_once_however_often_it_is_in_the_batch() -> None:
    event = captured()
    work = a_work(event)
    assert [work.capture(event), work.capture(event)] == [True, False]
    assert len(work.stirred()) == 1


def test_a_lead_is_unknown_until_it_is_captured() -> None:
    visit, capture = interacted(event=1), captured(event=2)
    work = a_work(visit, capture)
    work.interact(visit)
    assert not work.stirred()[0].known
    work.capture(capture)
    assert work.stirred()[0].known
    assert work.known_roots() == {capture.lead_id}


def test_several_events_of_a_lead_score_it_once_for_the_last() -> None:
    events = [captured(event=1), captured("other", event=2), interacted(event=3)]
    work = a_work(*events)
    work.capture(events[0])
    work.capture(events[1])
    work.interact(events[2])
    assert {stir.root.lead_id: stir.trigger for stir in work.stirred()} == {
        an_id("lead"): events[2],
        an_id("other"): events[1],
    }


def test_a_merge_makes_one_group_and_an_unmerge_two_again() -> None:
    work = a_work()
    assert work.merge(merged("loser", "winner", 2))
    assert [stir.root.lead_id for stir in work.stirred()] == [an_id("winner")]
    assert work.unmerge(unmerged("loser", "winner", 3))
    assert {stir.root.lead_id for stir in work.stirred()} == {an_id("winner"), an_id("loser")}


def test_news_that_the_leads_story_has_passed_changes_nothing() -> None:
    work = a_work()
    assert work.merge(merged("loser", "first", 5))
    assert not work.merge(merged("loser", "second", 4))
    assert not work.unmerge(unmerged("loser", "first", 5))
    assert work.leads[an_id("loser")].root_id == an_id("first")


def test_whoever_was_merged_into_a_lead_goes_with_it() -> None:
    work = a_work()
    work.merge(merged("a", "b", 1))
    work.merge(merged("b", "c", 1))
    assert {lead.root_id for lead in work.leads.values()} == {an_id("c")}
    work.unmerge(unmerged("b", "c", 2))
    assert {name: work.leads[an_id(name)].root_id for name in "abc"} == {
        "a": an_id("b"),
        "b": an_id("b"),
        "c": an_id("c"),
    }


def test_what_a_visitor_did_stirs_the_lead_the_visitor_was_found_to_be() -> None:
    visit = interacted("visitor", "v")
    place = visit.lead_id, visit.event_id
    work = Work({}, {place: an_id("lead")}, {place})
    assert attachment(touched(visit)) == place
    assert [work.attach(touched(visit), place), work.attach(touched(visit), place)] == [True, False]
    assert {stir.root.lead_id for stir in work.stirred()} == {an_id("visitor"), an_id("lead")}
    later = Work({}, {place: an_id("lead")})
    assert later.interact(visit)
    assert [stir.root.lead_id for stir in later.stirred()] == [an_id("lead")]


def test_a_touch_recorded_under_its_own_lead_is_no_attachment() -> None:
    visit = interacted()
    assert attachment(touched(visit)) is None
    assert attachment(touched(visit).model_copy(update={"recorded_under": visit.lead_id})) is None
    assert attachment(touched(visit, "other").model_copy(update={"causation_id": None})) is None
    assert attachment(visit) is None


def a_verdict(ledger: list[Touch], assessment: Assessment | None = None) -> Verdict:
    return Verdict(Rulebook(SCORING).judge(ledger), assessment)


def a_stir(trigger: object, published: Verdict | None = None) -> Stir:
    score = None if published is None else published.judgement.score
    lead = Lead(an_id("lead"), "default", an_id("lead"), known=True, score=score)
    return Stir(lead, (lead,), trigger)  # type: ignore[arg-type]


def test_a_score_happened_when_the_latest_of_its_causes_did() -> None:
    ledger = [a_touch("late", 30, email=True), a_touch("early", 10)]
    trigger = captured(event="early", minutes=10, historical=True)
    stir = a_stir(trigger)
    event = score_event(
        stir, a_verdict(ledger), scored_moment(stir, ledger), policy_version="test-1", recorded_at=at(60)
    )
    assert event is not None
    assert (event.occurred_at, event.recorded_at, event.historical) == (at(30), at(60), True)
    assert (event.causation_id, event.correlation_id) == (trigger.event_id, trigger.correlation_id)
    assert (event.score, event.policy_version) == (10, "test-1")


def test_a_score_that_still_stands_is_not_told_again() -> None:
    ledger = [a_touch(email=True)]
    stir = a_stir(captured(), published=a_verdict(ledger))
    assert score_event(stir, a_verdict(ledger), at(1), policy_version="2", recorded_at=at(60)) is None


def test_a_probability_that_changed_is_told_beside_a_score_that_did_not() -> None:
    ledger = [a_touch(email=True)]
    likely = Assessment(0.25, (BECAUSE,), "model-1")
    stir = a_stir(captured(), published=a_verdict(ledger))
    event = score_event(stir, a_verdict(ledger, likely), at(1), policy_version="2", recorded_at=at(60))
    assert event is not None
    assert (event.score, event.probability, event.model_version) == (10, 0.25, "model-1")
    stir.root.publish(event, a_verdict(ledger, likely))
    assert score_event(stir, a_verdict(ledger, likely), at(1), policy_version="2", recorded_at=at(60)) is None


def test_how_likely_a_customer_is_is_told_beside_whatever_else_did_not_change() -> None:
    ledger = [a_touch(email=True)]
    verdict = a_verdict(ledger)._replace(customer=Assessment(0.05, (BECAUSE,), "customer-1"))
    stir = a_stir(captured(), published=a_verdict(ledger))
    event = score_event(stir, verdict, at(1), policy_version="2", recorded_at=at(60))
    assert event is not None
    assert event.probability is None
    assert event.customer == Likelihood(probability=0.05, model_version="customer-1", contributions=(BECAUSE,))
    assert LeadScored.model_validate_json(event.to_json()) == event
    stir.root.publish(event, verdict)
    assert score_event(stir, verdict, at(1), policy_version="2", recorded_at=at(60)) is None


def test_an_event_of_before_there_was_a_model_of_customers_reads_as_one_without() -> None:
    stir = a_stir(captured())
    event = score_event(stir, a_verdict([a_touch()]), at(1), policy_version="2", recorded_at=at(60))
    assert event is not None
    assert b"customer" not in event.to_json()
    assert LeadScored.model_validate_json(event.to_json()).customer is None


def test_both_sides_of_an_unmerge_have_events_of_their_own() -> None:
    ledger = [a_touch(email=True)]
    trigger = unmerged("loser", "lead", 3)
    stirs = a_stir(trigger), Stir(own := Lead(an_id("loser"), "default", an_id("loser")), (own,), trigger)
    events = [score_event(stir, a_verdict(ledger), at(1), policy_version="1", recorded_at=at(1)) for stir in stirs]
    assert len({event.event_id for event in events if event is not None}) == 2
