"""Tests and spam: kept and shown, not worked, and released by somebody real or by a person's word."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared.contracts.capture_events import Consent
from shared.contracts.lifecycle_events import ConsentChanged, LeadCreated, LeadMarked, LeadMerged, LeadQualified
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import a_qualified_lead, do
from tests.unit.pipeline.builders import a_lead, a_score, an_interaction, at

SPAM: dict[str, Any] = {"mark": "spam", "mark_reasons": ("listed_domain",)}


async def test_a_marked_lead_is_kept_shown_published_and_not_qualified(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example", name="Ann", **SPAM)
    created, graded = await pipeline.take(lead, a_score(lead.lead_id, 90))
    assert isinstance(created, LeadCreated)
    assert (created.mark, created.mark_reasons, graded.event) == ("spam", ("listed_domain",), "LeadGraded")
    shown = (await http.get(f"/v1/leads/{lead.lead_id}")).json()
    assert (shown["mark"], shown["mark_reasons"], shown["status"]) == ("spam", ["listed_domain"], "new")
    assert shown["personal"]["name"] == "Ann"


async def test_twice_is_once_for_what_is_marked(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    lead = a_lead("ann@x.example", **SPAM)
    again = a_lead("ann@x.example", occurred_at=at(1), mark="test")
    assert len(await pipeline.take(lead, lead, again)) == 2
    assert await pipeline.take(lead, again) == []
    path = f"/v1/leads/{lead.lead_id}:release"
    assert (await do(http, path, Idempotency_Key="k"))["version"] == 3
    assert (await do(http, path, Idempotency_Key="k"))["version"] == 3


async def test_nobody_works_a_marked_lead_until_it_is_released(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    lead = a_lead("ann@x.example", **SPAM)
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    for command, said in ((":assign", {"owner": "kim"}), (":qualify", None), ("/opportunities", {})):
        refused = await do(http, path + command, said, status=409)
        assert (refused["state"], ":release" in refused["fix"]) == ("marked as spam", True)
    await do(http, f"{path}:release", {"note": "rang them"}, Leadflow_Actor="kim")
    assert (await do(http, f"{path}:assign", {"owner": "kim"}))["mark"] is None
    assert (await do(http, f"{path}:release", status=409))["state"] == "not marked"


async def test_the_deal_of_a_marked_lead_is_not_worked_on_and_may_be_put_an_end_to(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead_id = await a_qualified_lead(pipeline)
    await do(http, f"/v1/leads/{lead_id}/opportunities", {"opportunity_id": "d", "amount": "1"}, status=201)
    await do(http, f"/v1/leads/{lead_id}:mark", {"mark": "spam"})
    path = "/v1/opportunities/d"
    for command, said in ((":win", None), (":change-amount", {"amount": "2"}), (":assign", {"owner": "kim"})):
        refused = await do(http, path + command, said, status=409)
        assert (refused["state"], ":release" in refused["fix"]) == ("marked as spam", True)
    assert (await do(http, f"{path}:lose", {"reason": "price"}))["status"] == "lost"
    await do(http, f"{path}:reopen", status=409)
    await do(http, f"/v1/leads/{lead_id}:release")
    assert (await do(http, f"{path}:reopen"))["status"] == "open"


async def test_a_release_qualifies_who_was_held_out_with_a_score_that_is_enough(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead, a_score(lead.lead_id, 30))
    marked = await do(http, f"/v1/leads/{lead.lead_id}:mark", {"mark": "spam"}, Leadflow_Actor="kim")
    assert (marked["mark"], marked["mark_reasons"]) == ("spam", ["said by kim"])
    await pipeline.take(a_score(lead.lead_id, 90, occurred_at=at(2)))
    assert (await pipeline.lead(lead.lead_id)).status == "new"
    released = await do(http, f"/v1/leads/{lead.lead_id}:release")
    assert (released["mark"], released["status"]) == (None, "qualified")
    *_, said, qualified = await pipeline.published()
    assert isinstance(said, LeadMarked)
    assert isinstance(qualified, LeadQualified)
    assert (said.mark, qualified.automatic) == (None, True)


async def test_a_capture_without_a_mark_releases_and_qualifies(pipeline: Pipeline) -> None:
    lead = a_lead("ann@x.example", **SPAM)
    await pipeline.take(lead, a_score(lead.lead_id, 90, occurred_at=at(1)))
    said = await pipeline.take(a_lead("ann@x.example", occurred_at=at(2), name="Ann"))
    assert [event.event for event in said] == ["LeadTouched", "LeadQualified"]
    row = await pipeline.lead(lead.lead_id)
    assert (row.mark, row.status, row.personal["name"]) == (None, "qualified", "Ann")


async def test_what_a_person_said_holds_against_captures(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead)
    await do(http, f"/v1/leads/{lead.lead_id}:mark", {"mark": "test"})
    await pipeline.take(a_lead("ann@x.example", occurred_at=at(3)), a_score(lead.lead_id, 90, occurred_at=at(4)))
    assert (await pipeline.lead(lead.lead_id)).mark == "test"
    assert (await pipeline.lead(lead.lead_id)).status == "new"


async def test_a_marked_capture_of_somebody_known_changes_nothing_about_them(pipeline: Pipeline) -> None:
    lead = a_lead("ann@x.example", name="Ann")
    other = a_lead(phone="+31612345670")
    fake = a_lead("ann@x.example", phone="+31612345670", name="Winner", occurred_at=at(5), **SPAM)
    said = await pipeline.take(lead, other, fake)
    assert [event.event for event in said] == ["LeadCreated", "LeadCreated", "LeadTouched"]
    row = await pipeline.lead(lead.lead_id)
    assert (row.mark, row.personal["name"], row.root_id) == (None, "Ann", lead.lead_id)
    assert not any(isinstance(event, LeadMerged) for event in said)


async def test_a_word_about_a_person_is_in_the_story_of_each_of_their_ids(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    one, other = a_lead("ann@x.example"), a_lead(phone="+31612345670", occurred_at=at(1))
    await pipeline.take(one, other, a_lead("ann@x.example", phone="+31612345670", occurred_at=at(2)))
    await do(http, f"/v1/leads/{one.lead_id}:mark", {"mark": "spam", "note": "Bob from the fair"})
    told = [event for event in await pipeline.published() if isinstance(event, LeadMarked)]
    assert {event.lead_id for event in told} == {one.lead_id, other.lead_id}
    await do(http, f"/v1/leads/{other.lead_id}:unmerge")
    assert [(await pipeline.lead(lead.lead_id)).mark for lead in (one, other)] == ["spam", "spam"]


async def test_a_marked_id_that_merges_into_a_real_one_takes_nothing_away(pipeline: Pipeline) -> None:
    marked, real = a_lead(phone="+31612345670", **SPAM), a_lead("ann@x.example", occurred_at=at(1))
    both = a_lead("ann@x.example", phone="+31612345670", occurred_at=at(2))
    await pipeline.take(marked, real)
    said = await pipeline.take(both)
    assert [event.event for event in said] == ["LeadTouched", "LeadMerged"]
    assert (await pipeline.lead(marked.lead_id)).mark is None


async def test_a_note_is_shown_in_the_story_and_never_travels(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    await do(http, f"{path}:mark", {"mark": "spam", "note": "Ann never heard of us"})
    await do(http, f"{path}:archive", {"reason": "other", "note": "as Ann said"})
    events = (await http.get(f"{path}/history")).json()["events"]
    assert [event.get("note") for event in events] == [None, "Ann never heard of us", "as Ann said"]
    rows = await pipeline.database.rows("SELECT data::text AS data FROM pipeline.history")
    assert not any("Ann" in row.data for row in rows)
    assert not any(b"Ann" in event.to_json() for event in await pipeline.published())


@pytest.mark.parametrize(("mark", "count"), [("any", 2), ("spam", 1), ("test", 1), ("none", 1), (None, 3)])
async def test_leads_are_listed_by_mark(
    pipeline: Pipeline, http: httpx.AsyncClient, mark: str | None, count: int
) -> None:
    await pipeline.take(a_lead("a@x.example"), a_lead("b@x.example", mark="test"), a_lead("c@x.example", **SPAM))
    answer = await http.get("/v1/leads", params={} if mark is None else {"mark": mark})
    assert len(answer.json()["items"]) == count
    assert (await http.get("/v1/stats")).json()["marked_leads"] == 2


async def test_something_a_marked_lead_does_is_part_of_its_story(pipeline: Pipeline) -> None:
    lead = a_lead("ann@x.example", **SPAM)
    consent = Consent(purpose="newsletter")
    said = await pipeline.take(lead, an_interaction("ann@x.example", occurred_at=at(1)))
    assert [event.event for event in said] == ["LeadCreated", "LeadTouched"]
    (changed,) = (
        event
        for event in await pipeline.take(a_lead("bob@x.example", consents=(consent,), **SPAM))
        if isinstance(event, ConsentChanged)
    )
    assert (changed.granted, changed.mark) == (True, "spam")
