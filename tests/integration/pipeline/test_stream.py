"""Pipeline's handlers on real PostgreSQL."""

from __future__ import annotations

import asyncio
import random

import pytest
from prometheus_client import CollectorRegistry

from services.pipeline.domain.state import fold
from services.pipeline.storage.rows import fact_of
from shared.contracts.capture_events import Consent
from shared.contracts.identity import derived_event_id
from shared.contracts.lifecycle_events import LeadCreated, LeadMerged, LeadQualified, LeadTouched
from shared.kit.database import Transaction
from shared.kit.errors import Rejected
from tests.integration.pipeline.conftest import Pipeline
from tests.unit.pipeline.builders import a_lead, a_score, an_interaction, at


def names(events: object) -> list[str]:
    return [type(event).__name__ for event in events]  # type: ignore[attr-defined]


async def test_a_new_lead_begins_a_story_and_a_known_one_is_touched(pipeline: Pipeline) -> None:
    first = a_lead("ann@x.example", name="Ann", source="ads", consents=(Consent(purpose="mail"),))
    again = a_lead("ann@x.example", channel="chat", occurred_at=at(5))
    created, consent, touched = await pipeline.take(first, again)
    assert isinstance(created, LeadCreated)
    assert isinstance(touched, LeadTouched)
    assert created.event_id == derived_event_id(first.event_id, "LeadCreated")
    assert (created.causation_id, touched.causation_id) == (first.event_id, again.event_id)
    assert (created.version, consent.version, touched.version) == (1, 2, 3)
    assert (created.source, touched.kind, touched.channel) == ("ads", "captured", "chat")
    row = await pipeline.lead(first.lead_id)
    assert (row.status, row.channel, row.source, row.version) == ("new", "web_form", "ads", 3)
    assert row.personal == {"email": "ann@x.example", "name": "Ann"}


async def test_lifecycle_events_hold_nothing_personal(pipeline: Pipeline) -> None:
    await pipeline.take(a_lead("ann@x.example", phone="+31612345678", name="Ann Secret"))
    rows = await pipeline.database.rows("SELECT data::text AS data FROM pipeline.history")
    frames = await pipeline.database.rows("SELECT frame FROM pipeline.outbox")
    for text in [row.data.encode() for row in rows] + [row.frame for row in frames]:
        assert b"x.example" not in text
        assert b"Secret" not in text
        assert b"612345678" not in text


async def test_twice_is_once_within_a_batch_and_across_batches(pipeline: Pipeline) -> None:
    lead = a_lead("ann@x.example")
    touch = an_interaction("ann@x.example", occurred_at=at(1))
    score = a_score(lead.lead_id, occurred_at=at(1))
    assert names(await pipeline.take(lead, lead, touch, score, score)) == [
        "LeadCreated", "LeadTouched", "LeadGraded", "LeadQualified",
    ]  # fmt: skip
    assert await pipeline.take(lead, touch, score, touch) == []
    assert len(pipeline.duplicates) == 2 + 4


async def test_another_content_under_the_same_id_is_counted_and_changes_nothing_else(
    pipeline: Pipeline, registry: CollectorRegistry
) -> None:
    lead = a_lead("ann@x.example", source="ads")
    other = a_lead("bob@x.example", source="mail", event_id=lead.event_id)
    await pipeline.take(lead)
    assert await pipeline.take(other) == []
    assert (await pipeline.lead(lead.lead_id)).conflicts == 1
    assert registry.get_sample_value("leadflow_pipeline_conflicts_total") == 1
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.leads")).n == 1
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.identities")).n == 1


async def test_another_proof_of_the_same_consent_is_counted_but_not_against_what_was_stored_without_it(
    pipeline: Pipeline,
) -> None:
    first = a_lead("ann@x.example", consents=(Consent(purpose="mail", proof="call 17"),))
    other = first.model_copy(update={"consents": (Consent(purpose="mail", proof="call 18"),)})
    await pipeline.take(first)
    await pipeline.take(other)
    assert (await pipeline.lead(first.lead_id)).conflicts == 1

    async def keep_less(tx: Transaction) -> None:
        await tx.execute("UPDATE pipeline.history SET fingerprint = left(fingerprint, 16)")

    await pipeline.database.run(keep_less)
    await pipeline.take(first, other)
    assert (await pipeline.lead(first.lead_id)).conflicts == 1


async def test_a_retry_with_another_clock_is_no_conflict(pipeline: Pipeline) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead)
    await pipeline.take(a_lead("ann@x.example", event_id=lead.event_id, occurred_at=at(3)))
    assert (await pipeline.lead(lead.lead_id)).conflicts == 0


async def test_phone_first_email_later_is_one_person(pipeline: Pipeline) -> None:
    by_phone = a_lead(phone="+31612345678")
    both = a_lead("ann@x.example", phone="+31612345678", occurred_at=at(10))
    await pipeline.take(by_phone)
    created, merged = await pipeline.take(both)
    assert isinstance(created, LeadCreated)
    assert isinstance(merged, LeadMerged)
    assert (merged.lead_id, merged.into_lead_id, merged.matched_on) == (both.lead_id, by_phone.lead_id, "phone")
    assert (merged.version, merged.occurred_at) == (2, at(10))
    later = await pipeline.take(an_interaction("ann@x.example", occurred_at=at(11)))
    assert later[0].lead_id == both.lead_id
    assert (await pipeline.lead(both.lead_id)).root_id == by_phone.lead_id


async def test_the_group_that_was_created_earlier_wins_whichever_arrives_first(pipeline: Pipeline) -> None:
    late = a_lead(phone="+31612345678", occurred_at=at(10))
    early = a_lead("ann@x.example", phone="+31612345678", occurred_at=at(0))
    await pipeline.take(late)
    merged = (await pipeline.take(early))[-1]
    assert (merged.lead_id, merged.occurred_at) == (late.lead_id, at(10))
    assert (await pipeline.lead(early.lead_id)).created_at == at(0)


async def test_an_identity_can_join_several_groups_at_once(pipeline: Pipeline) -> None:
    leads = [
        a_lead("ann@x.example"),
        a_lead(phone="+31612345678", occurred_at=at(1)),
        a_lead(visitor="v1", occurred_at=at(2)),
    ]
    for one in leads:
        await pipeline.take(one)
    joining = a_lead("ann@x.example", phone="+31612345678", visitor="v1", occurred_at=at(3))
    assert names(await pipeline.take(joining)) == ["LeadTouched", "LeadMerged", "LeadMerged"]
    roots = await pipeline.database.rows("SELECT DISTINCT root_id FROM pipeline.leads")
    assert [row.root_id for row in roots] == [leads[0].lead_id]


async def test_merging_groups_keeps_roots_resolved(pipeline: Pipeline) -> None:
    a, b, c = (a_lead(f"{name}@x.example", occurred_at=at(minute)) for name, minute in (("a", 2), ("b", 1), ("c", 0)))
    await pipeline.take(a, b, c)
    await pipeline.take(a_lead("a@x.example", phone="+31611111111", occurred_at=at(3)))
    await pipeline.take(a_lead("b@x.example", phone="+31611111111", occurred_at=at(4)))
    await pipeline.take(a_lead("b@x.example", phone="+31622222222", occurred_at=at(5)))
    await pipeline.take(a_lead("c@x.example", phone="+31622222222", occurred_at=at(6)))
    rows = await pipeline.database.rows("SELECT lead_id, root_id, merged_into FROM pipeline.leads")
    assert {row.root_id for row in rows} == {c.lead_id}
    parents = {row.lead_id: row.merged_into for row in rows}
    assert parents == {a.lead_id: b.lead_id, b.lead_id: c.lead_id, c.lead_id: None}


async def test_an_interaction_waits_for_its_lead_and_for_its_identities(pipeline: Pipeline) -> None:
    own = an_interaction("ann@x.example", occurred_at=at(-3))
    visits = [an_interaction(visitor="v1", occurred_at=at(minute)) for minute in (-2, -1)]
    assert await pipeline.take(own, *visits) == []
    assert await pipeline.take(own) == []
    assert (len(pipeline.waiting), len(pipeline.duplicates)) == (3, 1)
    lead = a_lead("ann@x.example", visitor="v1")
    said = await pipeline.take(lead)
    assert [event.causation_id for event in said] == [one.event_id for one in (lead, own, *visits)]
    assert {event.lead_id for event in said} == {lead.lead_id}
    under = [event.recorded_under for event in said if isinstance(event, LeadTouched)]
    assert under == [None, *(one.lead_id for one in visits)]
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.waiting")).n == 0
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.waiting_identities")).n == 0
    assert await pipeline.take(own, *visits) == []


async def test_an_interaction_before_its_lead_in_one_batch_is_taken_up_in_it(pipeline: Pipeline) -> None:
    touch, lead = an_interaction("ann@x.example", occurred_at=at(-1)), a_lead("ann@x.example")
    score = a_score(lead.lead_id, 10, "D", occurred_at=at(1))
    said = await pipeline.take(score, touch, lead)
    assert names(said) == ["LeadCreated", "LeadGraded", "LeadTouched"]
    assert pipeline.waiting == []


async def test_an_interaction_does_not_register_its_identities(pipeline: Pipeline) -> None:
    await pipeline.take(a_lead("ann@x.example"), an_interaction("ann@x.example", visitor="v1"))
    assert await pipeline.take(an_interaction(visitor="v1")) == []


async def test_a_score_that_is_enough_qualifies_by_policy_at_the_time_of_its_causes(pipeline: Pipeline) -> None:
    lead = a_lead("ann@x.example")
    assert names(await pipeline.take(lead, a_score(lead.lead_id, 39, "C", occurred_at=at(1)))) == [
        "LeadCreated",
        "LeadGraded",
    ]
    _, qualified = await pipeline.take(a_score(lead.lead_id, 40, occurred_at=at(2)))
    assert isinstance(qualified, LeadQualified)
    assert (qualified.automatic, qualified.policy_version, qualified.occurred_at) == (True, "test-1", at(2))
    assert names(await pipeline.take(a_score(lead.lead_id, 90, "A", occurred_at=at(3)))) == ["LeadGraded"]
    row = await pipeline.lead(lead.lead_id)
    assert (row.status, row.score, row.grade, row.qualified_at) == ("qualified", 90, "A", at(2))


async def test_an_older_score_does_not_overwrite_and_a_historical_one_decides_nothing(pipeline: Pipeline) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead, a_score(lead.lead_id, 20, occurred_at=at(5)))
    assert names(await pipeline.take(a_score(lead.lead_id, 80, occurred_at=at(4)))) == ["LeadGraded"]
    assert names(await pipeline.take(a_score(lead.lead_id, 80, occurred_at=at(6), historical=True))) == ["LeadGraded"]
    row = await pipeline.lead(lead.lead_id)
    assert (row.status, row.score) == ("new", 80)


async def test_a_score_under_a_merged_id_stays_in_its_story_and_qualifies_the_person(pipeline: Pipeline) -> None:
    root, other = a_lead(phone="+31612345678"), a_lead("ann@x.example", phone="+31612345678", occurred_at=at(1))
    await pipeline.take(root, other)
    graded, qualified = await pipeline.take(a_score(other.lead_id, 70, occurred_at=at(2)))
    assert (graded.lead_id, qualified.lead_id) == (other.lead_id, root.lead_id)
    assert (await pipeline.lead(root.lead_id)).status == "qualified"


async def test_going_on_from_rows_gives_what_the_whole_history_gives(pipeline: Pipeline) -> None:
    chance = random.Random(7)
    events: list[object] = []
    for person in range(25):
        email, phone, visitor = f"p{person}@x.example", f"+3161000{person:04}", f"v{person}"
        known = [a_lead(phone=phone, occurred_at=at(chance.randint(0, 99)), source="call")]
        known.append(
            a_lead(email, phone=chance.choice([None, phone]), visitor=visitor, occurred_at=at(chance.randint(0, 99)))
        )
        known.append(
            a_lead(email, visitor=chance.choice([None, visitor]), channel="chat", occurred_at=at(chance.randint(0, 99)))
        )
        events += known
        events += [an_interaction(visitor=visitor, occurred_at=at(chance.randint(0, 99))) for _ in range(2)]
        events += [a_score(one.lead_id, chance.randint(0, 60), occurred_at=at(chance.randint(0, 99))) for one in known]
    chance.shuffle(events)
    while events:
        size = chance.randint(1, 15)
        again = chance.sample(events, min(2, len(events)))
        await pipeline.take(*events[:size], *again)  # type: ignore[arg-type]
        events = events[size:]
    rows = await pipeline.database.rows("SELECT * FROM pipeline.leads WHERE lead_id = root_id")
    for row in rows:
        facts = await pipeline.database.rows(
            "SELECT h.* FROM pipeline.history h JOIN pipeline.leads l USING (lead_id) WHERE l.root_id = :id",
            id=row.lead_id,
        )
        state = fold(fact_of(one) for one in facts)
        touch = state.first_touch
        assert touch is not None
        assert (row.status, row.created_at, row.first_touch_at, row.channel, row.source) == (
            state.status, state.created_at, touch.key.occurred_at, touch.channel, touch.source,
        )  # fmt: skip
        assert (row.qualified_at, row.score) == (state.qualified_at, state.graded.score if state.graded else None)


async def test_two_processes_that_meet_one_person_at_once_agree(pipeline: Pipeline) -> None:
    for attempt in range(8):
        phone = f"+3162000000{attempt}"
        await asyncio.gather(
            pipeline.take(a_lead(f"ann{attempt}@x.example", phone=phone), an_interaction(visitor=f"v{attempt}")),
            pipeline.take(a_lead(f"bob{attempt}@x.example", phone=phone, visitor=f"v{attempt}", occurred_at=at(1))),
        )
    await pipeline.database.run(lambda tx: pipeline.handlers.take_up_stranded(tx, within_seconds=None))
    rows = await pipeline.one("SELECT count(*) AS leads, count(DISTINCT root_id) AS people FROM pipeline.leads")
    assert (rows.leads, rows.people) == (16, 8)
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.waiting")).n == 0


async def test_what_was_stranded_is_taken_up(pipeline: Pipeline) -> None:
    touch = an_interaction("ann@x.example")
    await pipeline.take(touch)
    await pipeline.database.run(lambda tx: tx.execute("CREATE TABLE pipeline.aside AS TABLE pipeline.waiting"))
    await pipeline.take(a_lead("ann@x.example"))
    before = (await pipeline.one("SELECT count(*) AS n FROM pipeline.history")).n
    await pipeline.database.run(
        lambda tx: tx.execute(
            """INSERT INTO pipeline.waiting (lead_id, event_id, topic, partition, record_offset, record_timestamp, value, recorded_at)
            SELECT lead_id, event_id, topic, partition, record_offset, record_timestamp, value, recorded_at FROM pipeline.aside"""
        )
    )
    found = await pipeline.database.run(lambda tx: pipeline.handlers.take_up_stranded(tx, within_seconds=60))
    assert found == 1
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.waiting")).n == 0
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.history")).n == before


async def test_what_could_not_be_stored_later_is_refused_before_it_waits(pipeline: Pipeline) -> None:
    with pytest.raises(Rejected):
        await pipeline.take(an_interaction("ann@x.example", value="a\x00b"))
    await pipeline.take(an_interaction("ann@x.example", value="a\\u0000b"))
    assert len(await pipeline.take(a_lead("ann@x.example"))) == 2
