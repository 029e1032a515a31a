"""People who are probably one are found behind the stream, shown with reasons, merged, dismissed, taken apart, forgotten."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from services.pipeline.handlers import Handlers
from services.pipeline.instruments import PipelineInstruments
from services.pipeline.matching import finding
from services.pipeline.matching.finding import Finding
from shared.contracts.capture_events import LeadCaptured
from shared.contracts.lifecycle_events import LeadMerged
from shared.contracts.policy import Policy
from shared.kit.database import Transaction
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.erasing import erase, just_now
from tests.integration.pipeline.test_commands import do
from tests.support.tables import tables_saying
from tests.unit.pipeline.builders import POLICY, SECRET, a_lead, at

ASKING = {"enabled": True}
MERGING = {"enabled": True, "automatic": True}


def policy(matching: dict[str, Any]) -> Policy:
    """The policy of the tests, with matching."""
    document = POLICY.model_dump(mode="json", exclude_unset=True)
    return Policy.model_validate({**document, "defaults": {**document["defaults"], "matching": matching}})


def known_by(pipeline: Pipeline, matching: dict[str, Any]) -> Finding:
    """The service takes leads in by this policy, and whoever looks for matches has it too."""
    rules, instruments = policy(matching), PipelineInstruments(CollectorRegistry())
    pipeline.handlers = Handlers(rules, SECRET, instruments, pipeline.routes)
    return Finding(pipeline.database, rules, SECRET, instruments, interval_seconds=1)


@pytest.fixture
def rules() -> Policy:
    return policy(ASKING)


@pytest.fixture
def asking(pipeline: Pipeline) -> Finding:
    return known_by(pipeline, ASKING)


def jane(email: str = "jane.doering@x.example", **values: Any) -> LeadCaptured:
    """Somebody who is known well enough to be recognised."""
    return a_lead(email, **{"name": "Jane Doering", "company": "Acme Rotterdam", "country": "NL", **values})


def jane_again(**values: Any) -> LeadCaptured:
    return jane("janedoering@y.example", **{"occurred_at": at(5), **values})


async def queue(http: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await http.get("/v1/merge-candidates", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def root(pipeline: Pipeline, lead: LeadCaptured) -> UUID:
    found: UUID = (await pipeline.lead(lead.lead_id)).root_id
    return found


async def test_who_is_probably_one_is_shown_with_reasons_that_add_up(
    pipeline: Pipeline, http: httpx.AsyncClient, asking: Finding
) -> None:
    one, other, else_ = jane(), jane_again(name="Jane Doehring"), a_lead("li@z.example", name="Li Wu", country="NL")
    await pipeline.take(one, other, else_)
    assert await asking.look() == 3
    (found,) = await queue(http)
    assert {lead["lead_id"] for lead in found["leads"]} == {str(one.lead_id), str(other.lead_id)}
    assert {part["what"]: part["level"] for part in found["parts"]} == {
        "before comparing": "", "given name": "same", "surname": "nearly", "mailbox": "same", "company": "same", "country": "same",
    }  # fmt: skip
    assert sum(part["bits"] for part in found["parts"]) == pytest.approx(found["bits"])
    assert 0.9 < found["confidence"] < 1
    assert await asking.look() == 0
    assert await root(pipeline, one) != await root(pipeline, other)


async def test_a_candidate_is_merged_and_parted_and_everything_is_as_it_was(
    pipeline: Pipeline, http: httpx.AsyncClient, asking: Finding
) -> None:
    one, other = jane(channel="fair"), jane_again(channel="chat")
    await pipeline.take(one, other)
    await asking.look()
    (found,) = await queue(http)
    names = ("status", "created_at", "channel", "root_id", "personal", "version")
    before = {
        lead.lead_id: [getattr(await pipeline.lead(lead.lead_id), name) for name in names] for lead in (one, other)
    }
    path = f"/v1/merge-candidates/{found['candidate_id']}:merge"
    merged = await do(http, path, Leadflow_Actor="kim", Idempotency_Key="k")
    assert (merged["lead_id"], merged["merged_lead_ids"]) == (str(one.lead_id), [str(other.lead_id)])
    again = await do(http, path, Leadflow_Actor="kim", Idempotency_Key="k")
    passing = {"statuses", "seconds_in_status"}
    assert {name: again[name] for name in again.keys() - passing} == {
        name: merged[name] for name in merged.keys() - passing
    }
    await do(http, path, status=409)
    (event,) = [event for event in await pipeline.published() if isinstance(event, LeadMerged)]
    assert (event.lead_id, event.into_lead_id, event.matched_on, event.actor) == (
        other.lead_id, one.lead_id, "judgement", "kim",
    )  # fmt: skip
    assert await queue(http) == []
    assert [one["actor"] for one in await queue(http, status="merged")] == ["kim"]
    await do(http, f"/v1/leads/{other.lead_id}:unmerge")
    for lead in (one, other):
        after = [getattr(await pipeline.lead(lead.lead_id), name) for name in names]
        assert after[:-1] == before[lead.lead_id][:-1]
    assert (await pipeline.lead(other.lead_id)).version == before[other.lead_id][-1] + 2
    await pipeline.take(jane_again(occurred_at=at(9)))
    await asking.look()
    assert await queue(http) == []
    again = await do(http, f"/v1/leads/{one.lead_id}:merge", {"other_lead_id": str(other.lead_id)})
    assert again["merged_lead_ids"] == [str(other.lead_id)]
    assert await pipeline.database.rows("SELECT 1 FROM pipeline.never_merge") == []


async def test_what_was_dismissed_is_not_asked_again_until_something_else_is_known(
    pipeline: Pipeline, http: httpx.AsyncClient, asking: Finding
) -> None:
    await pipeline.take(jane(), jane_again())
    await asking.look()
    (found,) = await queue(http)
    path = f"/v1/merge-candidates/{found['candidate_id']}:dismiss"
    assert (await do(http, path, Leadflow_Actor="kim"))["actor"] == "kim"
    await do(http, path)
    refused = await do(http, path.replace(":dismiss", ":merge"), status=409)  # by somebody who has not seen that
    assert refused["type"] == "urn:leadflow:problem:decided"
    await pipeline.take(jane_again(occurred_at=at(8)))
    assert await asking.look() == 1
    assert await queue(http) == []
    assert len(await queue(http, status="dismissed")) == 1
    await pipeline.take(jane_again(occurred_at=at(9), attributes={"birth_date": "1980-04-12"}))
    await asking.look()
    assert len(await queue(http)) == 1


async def test_a_candidate_that_is_none_any_more_leaves_the_queue(
    pipeline: Pipeline, http: httpx.AsyncClient, asking: Finding
) -> None:
    await pipeline.take(jane(), jane_again())
    await asking.look()
    await pipeline.take(jane_again(occurred_at=at(9), name="Kevin Doering", country="US"))
    await asking.look()
    assert await queue(http) == []
    await do(http, f"/v1/merge-candidates/{UUID(int=5)}:merge", status=404)


async def test_the_queue_is_read_page_by_page_surest_first(
    pipeline: Pipeline, http: httpx.AsyncClient, asking: Finding
) -> None:
    for name, birth in (
        ("Amy Adler", "1970-01-02"),
        ("Bob Bower", None),
        ("Cy Cramer", "1970-01-02"),
        ("Di Decker", None),
    ):
        local = name.lower().replace(" ", "-")
        for domain in ("x.example", "y.example"):
            about: dict[str, Any] = {"attributes": {"birth_date": birth}} if birth else {}
            await pipeline.take(a_lead(f"{local}@{domain}", name=name, company=f"{name} Trading", **about))
    await asking.look()
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = (
            await http.get("/v1/merge-candidates", params={"limit": 1, **({"cursor": cursor} if cursor else {})})
        ).json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len({one["candidate_id"] for one in found}) == 4
    assert [one["bits"] for one in found] == sorted((one["bits"] for one in found), reverse=True)
    assert (await http.get("/v1/merge-candidates", params={"cursor": "x"})).status_code == 422


async def test_what_is_sure_is_merged_without_asking_and_a_household_is_not(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    merging = known_by(pipeline, MERGING)
    home = {"street": "Damrak", "house_number": "6", "city": "Amsterdam", "postcode": "1012 AB"}
    one, other = jane(attributes=home), jane_again(attributes=home)
    kevin = a_lead("kevin@z.example", name="Kevin Doering", country="NL", attributes=home)
    await pipeline.take(one, other, kevin)
    await merging.look()
    assert await root(pipeline, other) == one.lead_id
    assert await root(pipeline, kevin) == kevin.lead_id
    (event,) = [event for event in await pipeline.published() if isinstance(event, LeadMerged)]
    assert (event.matched_on, event.actor) == ("similarity", "policy")
    assert all(found["contradicted"] for found in await queue(http))
    await do(http, f"/v1/leads/{other.lead_id}:unmerge")
    await pipeline.take(jane_again(occurred_at=at(9), attributes=home))
    await merging.look()
    assert await root(pipeline, other) == other.lead_id


async def test_role_addresses_shared_numbers_other_units_and_marked_leads_match_nobody(
    pipeline: Pipeline, http: httpx.AsyncClient, asking: Finding
) -> None:
    await pipeline.take(
        a_lead("info@acme.example", company="Acme", country="NL"),
        a_lead("info@acme.example", company="Acme", country="NL"),
        jane(),
        jane_again(mark="test", mark_reasons=("test:emails",)),
    )
    elsewhere = jane_again(business_unit="default", occurred_at=at(7)).model_copy(update={"business_unit": "other"})
    await pipeline.take(
        elsewhere.model_copy(update={"lead_id": UUID(int=77), "event_id": UUID(int=78), "identities": ()})
    )
    await asking.look()
    assert await queue(http) == []


async def test_who_is_held_out_is_asked_about_once_released(
    pipeline: Pipeline, http: httpx.AsyncClient, asking: Finding
) -> None:
    one, other = jane(), jane_again(mark="test", mark_reasons=("test:emails",))
    await pipeline.take(one, other)
    await asking.look()
    assert await queue(http) == []
    await do(http, f"/v1/leads/{other.lead_id}:release")
    assert await asking.look() == 1
    assert len(await queue(http)) == 1
    await do(http, f"/v1/leads/{one.lead_id}:mark", {"mark": "spam"})
    assert await queue(http) == []


async def test_who_was_parted_is_looked_at_alone(pipeline: Pipeline, http: httpx.AsyncClient, asking: Finding) -> None:
    one, other, third = a_lead("k@z.example", name="Kim Lee", country="NL"), jane_again(), jane(occurred_at=at(9))
    await pipeline.take(one, other)
    await do(http, f"/v1/leads/{one.lead_id}:merge", {"other_lead_id": str(other.lead_id)})
    await pipeline.take(third)
    await asking.look()
    (found,) = await queue(http)
    assert {lead["lead_id"] for lead in found["leads"]} == {str(one.lead_id), str(third.lead_id)}
    await do(http, f"/v1/leads/{other.lead_id}:unmerge")
    await asking.look()
    (found,) = await queue(http)
    assert {lead["lead_id"] for lead in found["leads"]} == {str(other.lead_id), str(third.lead_id)}


async def test_what_is_open_follows_the_policy_from_the_next_start_on(
    pipeline: Pipeline, http: httpx.AsyncClient, asking: Finding
) -> None:
    await pipeline.take(jane(), jane_again(), jane("jd@z.example", occurred_at=at(3)))
    await asking.begin()
    await asking.look()
    assert sorted(found["confidence"] >= 0.999 for found in await queue(http)) == [False, False, True]
    stricter = known_by(pipeline, {**ASKING, "review_from": 0.999})
    await stricter.begin()
    (found,) = await queue(http)
    merging = known_by(pipeline, {**MERGING, "review_from": 0.999, "merge_from": found["confidence"]})
    await merging.begin()
    await merging.look()
    assert await queue(http) == []
    assert len(await queue(http, status="merged")) == 1


async def test_leads_of_another_unit_and_of_nobody_are_not_merged(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    one = jane()
    there = jane_again().model_copy(update={"business_unit": "other", "identities": ()})
    await pipeline.take(one, there)
    path = f"/v1/leads/{one.lead_id}:merge"
    assert (await do(http, path, {"other_lead_id": str(there.lead_id)}, status=422))["field"] == "other_lead_id"
    await do(http, path, {"other_lead_id": str(UUID(int=3))}, status=404)
    await do(http, path, {"other_lead_id": str(one.lead_id)}, status=409)


async def test_who_was_there_before_a_unit_asks_is_found_and_forgotten_when_it_stops(
    pipeline: Pipeline, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pipeline.take(jane(), jane_again())
    await known_by(pipeline, {}).begin()
    asking = known_by(pipeline, ASKING)
    await asking.begin()
    await asking.begin()
    monkeypatch.setattr(finding, "AT_ONCE", 1)
    assert [await asking.look() for _ in range(3)] == [1, 1, 0]
    assert len(await queue(http)) == 1
    await known_by(pipeline, {}).begin()
    assert await queue(http) == []
    assert await pipeline.database.rows("SELECT 1 FROM pipeline.match_keys") == []


async def test_an_erasure_reaches_keys_and_candidates_and_nobody_comes_back(
    pipeline: Pipeline, http: httpx.AsyncClient, asking: Finding
) -> None:
    one, other = (
        jane(**just_now()),
        jane_again(**just_now(), attributes={"birth_date": "1980-04-12", "street": "Secretstreet"}),
    )
    await pipeline.take(one, other)
    await asking.look()
    said = ("Secretstreet", "1980-04-12", "Doering", "doering")
    for table in ("match_keys", "merge_candidates", "match_queue"):
        assert table not in await tables_saying(pipeline.database, "pipeline", said)
    await pipeline.take(jane_again(**just_now(), occurred_at=at(7)))
    exported = await http.post(
        "/v1/people:export", json={"lead_id": str(other.lead_id)}, headers={"Leadflow-Actor": "kim"}
    )
    assert [found["lead_id"] for found in exported.json()["merge_candidates"]] == [str(other.lead_id)]
    assert str(one.lead_id) not in exported.text
    await erase(http, lead_id=str(other.lead_id))
    assert await asking.look() == 1
    assert await queue(http) == []
    keys = await pipeline.database.rows("SELECT DISTINCT lead_id FROM pipeline.match_keys")
    assert [row.lead_id for row in keys] == [one.lead_id]
    refused = await do(http, f"/v1/leads/{one.lead_id}:merge", {"other_lead_id": str(other.lead_id)}, status=409)
    assert "erased" in refused["detail"]
    assert (await pipeline.lead(other.lead_id)).personal == {}


async def test_only_one_looks_at_a_time(pipeline: Pipeline, http: httpx.AsyncClient, asking: Finding) -> None:
    await pipeline.take(jane(), jane_again())

    async def while_another_looks(tx: Transaction) -> int:
        await tx.rows("SELECT pg_advisory_xact_lock(hashtext('leadflow-pipeline-matching'))")
        return await asking.look()

    assert await pipeline.database.run(while_another_looks, deadline_seconds=20) == 0
    assert await asking.look() == 2
    assert len(await queue(http)) == 1
