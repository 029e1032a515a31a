"""What scoring does with batches of events, on a real PostgreSQL."""

from __future__ import annotations

import pytest
import sqlalchemy.exc

from services.scoring.storage import queries
from shared.contracts.capture_events import Identity
from shared.contracts.identity import derived_event_id
from shared.contracts.lifecycle_events import LeadAssigned
from tests.integration.scoring.conftest import Scoring
from tests.unit.scoring.builders import POLICY, an_id, at, captured, interacted, merged, touched, unmerged

BY_EMAIL = (Identity(kind="email", token="e" * 32),)
BY_PHONE = (Identity(kind="phone", token="f" * 32),)


async def test_a_captured_lead_is_scored_and_told(scoring: Scoring) -> None:
    capture = captured(identities=BY_EMAIL, job_title="Director", minutes=5)
    [event] = await scoring.take(capture)
    assert (event.lead_id, event.score, event.grade, event.fit, event.engagement) == (an_id("lead"), 35, "B", 35, 0)
    assert [(one.rule, one.points, one.group) for one in event.reasons] == [("e-mail", 10, "fit"), ("boss", 25, "fit")]
    assert (event.occurred_at, event.causation_id, event.policy_version) == (at(5), capture.event_id, "test-1")
    assert event.event_id == derived_event_id(capture.event_id, f"LeadScored:{event.lead_id}:{event.lead_id}")


async def test_a_redelivered_batch_changes_nothing(scoring: Scoring) -> None:
    batch = [captured(identities=BY_EMAIL), interacted(), merged("lead", "other", 1)]
    assert await scoring.take(*batch)
    before = await scoring.database.rows("SELECT * FROM scoring.leads ORDER BY lead_id")
    assert await scoring.take(*batch) == []
    assert scoring.duplicates == [event.event_id for event in batch]
    assert await scoring.database.rows("SELECT * FROM scoring.leads ORDER BY lead_id") == before
    assert (await queries.counts(scoring.database, POLICY.version))["touches"] == 2


async def test_one_event_sent_twice_in_a_batch_counts_once(scoring: Scoring) -> None:
    [event] = await scoring.take(captured(), interacted(event="v"), interacted(event="v"))
    assert event.engagement == 4
    assert scoring.duplicates == [an_id("v")]


async def test_interactions_wait_for_their_lead_and_then_count(scoring: Scoring) -> None:
    assert await scoring.take(interacted(event="demo", kind="demo_request"), interacted(event="visit")) == []
    assert scoring.waiting == [an_id("demo"), an_id("visit")]
    asked = [an_id("demo"), an_id("visit"), an_id("never seen")]
    assert await queries.audited(scoring.database, asked) == {an_id("demo"): "waiting", an_id("visit"): "waiting"}
    [event] = await scoring.take(captured())
    assert event.engagement == 24
    assert await queries.audited(scoring.database, asked) == {an_id("demo"): "fact", an_id("visit"): "fact"}


async def test_an_interaction_does_not_wait_for_a_lead_that_comes_later_in_its_batch(scoring: Scoring) -> None:
    await scoring.take(interacted(), captured())
    assert scoring.waiting == []


async def test_a_batch_tells_of_each_lead_once_for_its_last_event(scoring: Scoring) -> None:
    events = await scoring.take(captured(), captured("other", "c2"), interacted(event="v1"), interacted(event="v2"))
    assert {event.lead_id: event.causation_id for event in events} == {
        an_id("lead"): an_id("v2"),
        an_id("other"): an_id("c2"),
    }


async def test_a_score_that_does_not_change_is_not_told_again(scoring: Scoring) -> None:
    await scoring.take(captured())
    assert await scoring.take(interacted(kind="stared_at_logo")) == []
    assert scoring.duplicates == []


async def test_an_old_event_that_comes_late_does_not_set_the_score_back_in_time(scoring: Scoring) -> None:
    await scoring.take(captured(minutes=10))
    [event] = await scoring.take(interacted(minutes=-500))
    assert event.occurred_at == at(10)


async def test_history_stays_marked_as_history(scoring: Scoring) -> None:
    [event] = await scoring.take(captured(historical=True))
    assert event.historical
    [event] = await scoring.take(interacted())
    assert not event.historical


async def test_a_merge_scores_both_ledgers_under_the_root(scoring: Scoring) -> None:
    await scoring.take(
        captured("by phone", "c1", identities=BY_PHONE), captured("by mail", "c2", 1, identities=BY_EMAIL)
    )
    [event] = await scoring.take(merged("by phone", "by mail", 3, 2))
    assert (event.lead_id, event.score, event.occurred_at) == (an_id("by mail"), 25, at(2))
    [event] = await scoring.take(interacted("by phone", "demo", 3, kind="demo_request"))
    assert (event.lead_id, event.score) == (an_id("by mail"), 45)


async def test_an_unmerge_gives_each_its_own_score_back(scoring: Scoring) -> None:
    await scoring.take(captured("a", "c1", identities=BY_PHONE), captured("b", "c2", identities=BY_EMAIL))
    await scoring.take(merged("a", "b", 2))
    await scoring.take(interacted("a", "v1", 3))
    events = await scoring.take(unmerged("a", "b", 3, 4))
    assert {event.lead_id: event.score for event in events} == {an_id("a"): 19, an_id("b"): 10}


async def test_an_unmerge_tells_only_of_scores_that_changed(scoring: Scoring) -> None:
    await scoring.take(captured("a", "c1", identities=BY_PHONE), captured("b", "c2", identities=BY_EMAIL))
    await scoring.take(merged("a", "b", 2))
    assert [event.lead_id for event in await scoring.take(unmerged("a", "b", 3))] == [an_id("b")]


async def test_a_merge_may_be_learned_before_either_lead(scoring: Scoring) -> None:
    assert await scoring.take(merged("a", "b", 1)) == []
    [event] = await scoring.take(captured("a", "c1", identities=BY_PHONE))
    assert (event.lead_id, event.score) == (an_id("b"), 15)


async def test_what_a_visitor_did_counts_for_the_lead_the_visitor_was_found_to_be(scoring: Scoring) -> None:
    visit = interacted("visitor", "v", 3)
    assert await scoring.take(visit) == []
    await scoring.take(captured(minutes=1))
    assert await queries.audited(scoring.database, [an_id("v")]) == {an_id("v"): "waiting"}
    [event] = await scoring.take(told := touched(visit))
    assert (event.lead_id, event.engagement, event.occurred_at) == (an_id("lead"), 4, at(3))
    assert event.causation_id == told.event_id
    assert await queries.audited(scoring.database, [an_id("v")]) == {an_id("v"): "fact"}
    assert await scoring.take(visit, told) == []
    assert scoring.duplicates == [visit.event_id, told.event_id]


async def test_whose_a_visit_is_may_be_learned_before_the_visit(scoring: Scoring) -> None:
    visit = interacted("visitor", "v")
    assert await scoring.take(touched(visit)) == []
    await scoring.take(captured())
    [event] = await scoring.take(visit)
    assert (event.lead_id, event.engagement) == (an_id("lead"), 4)
    assert scoring.waiting == []


async def test_a_visit_and_whose_it_is_may_come_in_one_batch_with_a_new_lead(scoring: Scoring) -> None:
    visit, earlier = interacted("visitor", "v"), interacted("visitor", "earlier")
    await scoring.take(earlier)
    [event] = await scoring.take(touched(visit, version=2), touched(earlier, version=3), captured(), visit)
    assert (event.lead_id, event.engagement) == (an_id("lead"), 8)


async def test_a_visit_of_a_lead_not_captured_yet_waits_for_that_lead(scoring: Scoring) -> None:
    await scoring.take(captured("visitor", "c"))
    visit = interacted("visitor", "v")
    [event] = await scoring.take(visit)
    assert (event.lead_id, event.engagement) == (an_id("visitor"), 4)
    [event] = await scoring.take(touched(visit))
    assert (event.lead_id, event.engagement) == (an_id("visitor"), 0)
    assert await queries.audited(scoring.database, [an_id("v")]) == {an_id("v"): "waiting"}


async def test_an_unmerge_leaves_what_a_visitor_did_with_the_lead_named(scoring: Scoring) -> None:
    visit = interacted("visitor", "v")
    await scoring.take(captured("a", "c1", identities=BY_PHONE), captured("b", "c2", identities=BY_EMAIL), visit)
    await scoring.take(merged("a", "b", 2), touched(visit, "a", 3))
    events = await scoring.take(unmerged("a", "b", 4))
    assert {event.lead_id: event.score for event in events} == {an_id("a"): 19, an_id("b"): 10}


async def test_other_touches_of_leads_cost_nothing_and_say_nothing_new(scoring: Scoring) -> None:
    await scoring.take(captured(), interacted())
    statements = statements_of(scoring)
    assert await scoring.take(touched(interacted())) == []
    assert ([one for one in statements if "scoring." in one], scoring.duplicates) == ([], [])
    ignored = scoring.registry.get_sample_value("leadflow_scoring_events_ignored_total", {"event": "LeadTouched"})
    assert ignored == 1


async def test_a_chain_of_merges_ends_at_its_last_root(scoring: Scoring) -> None:
    await scoring.take(*(captured(name, f"c {name}") for name in "abc"), interacted("a", "v"))
    await scoring.take(merged("a", "b", 2))
    [event] = await scoring.take(merged("b", "c", 2))
    assert (event.lead_id, event.engagement) == (an_id("c"), 4)
    found = await queries.scored_lead(scoring.database, an_id("a"))
    assert found is not None
    assert found.root_id == an_id("c")


async def test_other_lifecycle_events_are_counted_and_ignored(scoring: Scoring) -> None:
    envelope = captured().model_dump(
        include={"lead_id", "business_unit", "occurred_at", "recorded_at", "correlation_id"}
    )
    assert await scoring.take(LeadAssigned(**envelope, event_id=an_id("q"), version=4, owner="ben")) == []
    ignored = scoring.registry.get_sample_value("leadflow_scoring_events_ignored_total", {"event": "LeadAssigned"})
    assert ignored == 1


async def test_published_scores_are_counted_by_grade(scoring: Scoring) -> None:
    await scoring.take(captured(), captured("b", "c2", identities=BY_EMAIL, job_title="Vice President"))
    graded = {
        grade: scoring.registry.get_sample_value("leadflow_scoring_scores_published_total", {"grade": grade})
        for grade in "ABC"
    }
    assert graded == {"A": None, "B": 1, "C": 1}


async def test_text_that_postgresql_cannot_hold_is_the_records_fault(scoring: Scoring) -> None:
    with pytest.raises(sqlalchemy.exc.DBAPIError) as refused:
        await scoring.take(captured(job_title="Director\x00"))
    assert refused.value.orig is not None
    assert str(getattr(refused.value.orig, "sqlstate", ""))[:2] == "22"


async def test_a_batch_takes_a_handful_of_statements_however_long_it_is(scoring: Scoring) -> None:
    """Beside those of a look at the registry of models, of which there is one every few seconds."""
    scoring.models._interval_seconds = 60
    await scoring.take(captured("the first", "the first"))
    statements = statements_of(scoring)
    new = [captured(number, ("c", number)) for number in range(200)]
    await scoring.take(*new)
    assert len(statements) <= 5
    statements.clear()
    again = [event for n in range(200) for event in (interacted(n, ("v", n)), merged(n, (n + 1) % 7, 2))]
    await scoring.take(*again)
    assert len(statements) <= 10
    statements.clear()
    strays = [interacted(("visitor", n), ("stray", n)) for n in range(200)]
    await scoring.take(*(event for stray in strays for event in (stray, touched(stray, 3))))
    assert len(statements) <= 10


def statements_of(scoring: Scoring) -> list[str]:
    """Every statement from now on, as it is run."""
    statements: list[str] = []
    sqlalchemy.event.listen(
        scoring.database.engine.sync_engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_rest: statements.append(statement),
    )
    return statements


async def test_a_score_is_never_older_than_the_one_it_takes_the_place_of(scoring: Scoring) -> None:
    await scoring.take(captured("a", "c1", 1, identities=BY_PHONE), captured("b", "c2", 2, identities=BY_EMAIL))
    await scoring.take(merged("a", "b", 2, 3))
    await scoring.take(interacted("a", "v1", 9, kind="demo_request"))
    events = await scoring.take(unmerged("a", "b", 3, 4))
    assert {event.lead_id: event.occurred_at for event in events} == {an_id("a"): at(9), an_id("b"): at(9)}


async def test_scores_of_two_leads_whose_events_share_an_id_have_ids_of_their_own(scoring: Scoring) -> None:
    one, other = await scoring.take(captured("a", "c1"), captured("b", "c1"))
    assert (one.lead_id, other.lead_id) == (an_id("a"), an_id("b"))
    assert one.event_id != other.event_id


async def test_an_interaction_that_is_taken_back_takes_its_points_back_in_either_order(scoring: Scoring) -> None:
    demo = interacted("early", "demo", kind="demo_request")
    undo = interacted("early", "undo", 5, kind="retraction", retracts=demo.event_id)
    [scored] = await scoring.take(captured("early", "c1"), demo)
    assert scored.engagement == 20
    [scored] = await scoring.take(undo)
    assert (scored.engagement, scored.occurred_at) == (0, at(5))
    assert await scoring.take(undo) == []
    late = interacted("late", "demo 2", kind="demo_request")
    await scoring.take(captured("late", "c2"), interacted("late", "undo 2", kind="retraction", retracts=late.event_id))
    assert await scoring.take(late) == []
    assert (await scoring.audit()).differences == []
