"""Lists are narrowed, paged and kept to the fields that are asked for; what was read is known by its version."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from services.pipeline.api.examples import ANSWERS
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import a_qualified_lead, do
from tests.support.clock import FakeClock
from tests.unit.pipeline.builders import a_lead, at


async def look(http: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ids(http: httpx.AsyncClient, **query: Any) -> list[str]:
    return [one["lead_id"] for one in (await look(http, "/v1/leads", **query))["items"]]


async def test_leads_are_narrowed_by_what_they_are_and_where_they_came_from(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    one = a_lead("a@x.example", source="google", medium="cpc", campaign="spring", product="roof", occurred_at=at(0))
    two = a_lead("b@x.example", channel="event", product="wall", occurred_at=at(60))
    await pipeline.take(one, two)
    await do(http, f"/v1/leads/{two.lead_id}:assign", {"owner": "kim", "team": "north"})
    first, second = str(one.lead_id), str(two.lead_id)
    for query, found in (
        ({}, [first, second]),
        ({"source": "google"}, [first]),
        ({"medium": "cpc", "campaign": "spring"}, [first]),
        ({"channel": "event"}, [second]),
        ({"product": "roof", "channel": "event"}, []),
        ({"owner": "kim"}, [second]),
        ({"team": "north", "status": "working"}, [second]),
        ({"grade": "A"}, []),
        ({"country": "NL"}, []),
        ({"created_since": at(60).isoformat()}, [second]),
        ({"created_before": at(60).isoformat()}, [first]),
        ({"updated_since": at(-60).isoformat()}, [first, second]),
        ({"updated_before": at(-60).isoformat()}, []),
    ):
        assert await ids(http, **query) == found, query
    for wrong in ({"country": "nl"}, {"created_since": "yesterday"}, {"grade": ""}):
        assert (await http.get("/v1/leads", params=wrong)).status_code == 422, wrong


async def test_only_the_fields_that_are_asked_for_are_told(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    lead_id = await a_qualified_lead(pipeline, name="Ann")
    (item,) = (await look(http, "/v1/leads", fields="status, score"))["items"]
    assert item == {"lead_id": str(lead_id), "business_unit": "default", "status": "qualified", "score": 70}
    one = await look(http, f"/v1/leads/{lead_id}", fields="version,opportunities")
    assert one == {"lead_id": str(lead_id), "business_unit": "default", "version": one["version"], "opportunities": []}
    assert (await http.get("/v1/opportunities", params={"fields": "name"})).status_code == 422
    wrong = (await http.get("/v1/leads", params={"fields": "status,name"})).json()
    assert (wrong["type"], wrong["field"]) == ("urn:leadflow:problem:invalid", "fields")
    assert "personal" in wrong["fix"]


async def the_deals(pipeline: Pipeline, http: httpx.AsyncClient, count: int) -> UUID:
    lead_id = await a_qualified_lead(pipeline)
    for place in range(count):
        said = {"opportunity_id": f"d{place}", "amount": 10 * place, "occurred_at": at(place // 2 + 1).isoformat()}
        await do(http, f"/v1/leads/{lead_id}/opportunities", said, status=201)
    return lead_id


async def test_opportunities_are_listed_and_narrowed(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    lead_id = await the_deals(pipeline, http, 4)
    await do(http, "/v1/opportunities/d1:lose", {"reason": "price"})
    await do(http, "/v1/opportunities/d2:move", {"stage": "proposal"})
    await do(http, "/v1/opportunities/d3:change-close-date", {"expected_close": "2026-09-01T00:00:00Z"})
    for query, found in (
        ({}, "d0 d1 d2 d3"),
        ({"status": "lost", "reason": "price"}, "d1"),
        ({"stage": "proposal", "pipeline": "default"}, "d2"),
        ({"opened_since": at(2).isoformat()}, "d2 d3"),
        ({"expected_close_before": "2026-12-01T00:00:00Z"}, "d3"),
        ({"closed_since": at(-10).isoformat()}, "d1"),
        ({"lead_id": str(lead_id), "currency": "EUR", "status": "open"}, "d0 d2 d3"),
        ({"business_unit": "elsewhere"}, ""),
    ):
        items = (await look(http, "/v1/opportunities", **query))["items"]
        assert " ".join(one["opportunity_id"] for one in items) == found, query
    (one,) = (await look(http, "/v1/opportunities", status="lost", fields="reason"))["items"]
    assert one == {
        "business_unit": "default", "opportunity_id": "d1", "lead_id": str(lead_id), "reason": "price",
    }  # fmt: skip


async def test_pages_have_each_opportunity_once_whatever_is_written_meanwhile(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    await the_deals(pipeline, http, 7)
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = await look(http, "/v1/opportunities", **query)
        seen += [one["opportunity_id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await do(http, f"/v1/opportunities/{seen[-1]}:lose", {"reason": "price"})
    assert seen == [f"d{place}" for place in range(7)]
    for wrong in ("x", "W10=", "bnVsbA==", "WyJhIiwiYiIsImMiXQ==", "é"):
        assert (await http.get("/v1/opportunities", params={"cursor": wrong})).status_code == 422, wrong


async def test_what_is_known_already_is_not_told_again(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    lead_id = await the_deals(pipeline, http, 1)
    task = (await do(http, f"/v1/leads/{await a_qualified_lead(pipeline, 'b@x.example')}/tasks",
                     {"due_at": at(10**7).isoformat()}, status=201))["items"][0]  # fmt: skip
    for path in (
        f"/v1/leads/{lead_id}",
        f"/v1/leads/{lead_id}/history",
        f"/v1/leads/{lead_id}/consents",
        f"/v1/tasks/{task['task_id']}",
        "/v1/opportunities/d0",
        "/v1/leads",
        "/v1/owners",
        "/v1/policy",
        "/v1/me",
    ):
        first = await http.get(path)
        known = first.headers["ETag"]
        if path != "/v1/owners":  # which says as of when it is
            again = await http.get(path, headers={"If-None-Match": f'"other", W/{known.removeprefix("W/")}'})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", known), path
        assert (await http.get(path, headers={"If-None-Match": '"other"'})).status_code == 200
    before = (await http.get(f"/v1/leads/{lead_id}")).headers["ETag"]
    await do(http, f"/v1/leads/{lead_id}:record-consent", {"purpose": "email", "granted": True})
    assert (await http.get(f"/v1/leads/{lead_id}", headers={"If-None-Match": before})).status_code == 200
    missing = await http.get("/v1/tasks/018f6a3e-7b1c-7cc3-9d9b-0a4f5d3c2b1a", headers={"If-None-Match": "*"})
    assert (missing.status_code, "ETag" in missing.headers) == (404, False)


def version_in(etag: str) -> str:
    """What If-Match compares of an ETag."""
    return f'{etag.removeprefix("W/").partition("~")[0]}"'


async def test_what_moves_without_a_fact_moves_the_tag_and_what_only_lasts_does_not(
    pipeline: Pipeline, app: FastAPI, http: httpx.AsyncClient
) -> None:
    app.state.database.clock = clock = FakeClock(at(60))
    lead = a_lead("ann@x.example", occurred_at=at(0))
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    first = await http.get(path)
    clock.advance(timedelta(hours=3))
    again = await http.get(path)
    assert again.json()["seconds_in_status"] != first.json()["seconds_in_status"]
    assert again.headers["ETag"] == first.headers["ETag"]
    contradicting = a_lead("ann@x.example", occurred_at=at(0), event_id=lead.event_id, source="another")
    await pipeline.take(contradicting)
    after = await http.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (after.status_code, after.json()["conflicts"]) == (200, 1)
    assert version_in(after.headers["ETag"]) == version_in(first.headers["ETag"])
    await do(http, f"{path}:assign", {"owner": "kim"}, If_Match=first.headers["ETag"])


async def test_the_version_of_a_lead_decides_on_its_tasks_and_opportunities(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead_id = await the_deals(pipeline, http, 1)
    other = await a_qualified_lead(pipeline, "b@x.example")
    task = (await do(http, f"/v1/leads/{other}/tasks", {"due_at": at(10**7).isoformat()}, status=201))["items"][0]
    for path, command, said in (
        (f"/v1/tasks/{task['task_id']}", ":snooze", {"until": at(10**6).isoformat()}),
        ("/v1/opportunities/d0", ":change-amount", {"amount": "7"}),
        (f"/v1/leads/{lead_id}", ":assign", {"owner": "kim"}),
    ):
        known = (await http.get(path)).headers["ETag"]
        stale = await http.post(f"{path}{command}", json=said, headers={"If-Match": '"another.1"'})
        assert (stale.status_code, stale.json()["current"]["etag"]) == (412, version_in(known)), path
        taken = await http.post(f"{path}{command}", json=said, headers={"If-Match": known})
        assert taken.status_code == 200, taken.text
        assert taken.headers["ETag"] == version_in((await http.get(path)).headers["ETag"])
        assert (await http.post(f"{path}{command}", json=said, headers={"If-Match": known})).status_code == 412


async def test_a_version_from_before_a_merge_ended_is_that_of_no_later_moment(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    first, second = a_lead("ann@x.example", occurred_at=at(0)), a_lead("bob@x.example", occurred_at=at(1))
    await pipeline.take(first, second)
    root, other = f"/v1/leads/{first.lead_id}", f"/v1/leads/{second.lead_id}"
    versions = [(await http.get(root)).headers["ETag"]]
    await do(http, f"{root}:merge", {"other_lead_id": str(second.lead_id)})
    versions.append(merged := (await http.get(root)).headers["ETag"])
    await do(http, f"{other}:unmerge")
    versions.append((await http.get(root)).headers["ETag"])
    assert version_in(versions[2]) == version_in(versions[0]) != version_in(merged)
    for owner in ("kim", "lee", "sam", "kim"):
        await do(http, f"{root}:assign", {"owner": owner})
        versions.append((await http.get(root)).headers["ETag"])
    assert len({*versions[1:]}) == len(versions) - 1
    assert (await http.get(root, headers={"If-None-Match": merged})).status_code == 200
    await do(http, f"{root}:assign", {"owner": "blind"}, status=412, If_Match=merged)


async def test_a_version_that_would_not_be_compared_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/tokens/lf_a:revoke", headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:leadflow:problem:no-version")


@pytest.fixture
async def shown(pipeline: Pipeline, http: httpx.AsyncClient) -> dict[tuple[str, str], Any]:
    """Real answers by method and path."""
    lead_id = await the_deals(pipeline, http, 1)
    other = await a_qualified_lead(pipeline, "b@x.example", country="NL")
    path = f"/v1/leads/{other}"
    added = await do(http, f"{path}/tasks", {"due_at": at(10**7).isoformat()}, status=201)
    name = added["items"][0]["task_id"]
    found = {
        ("post", "/v1/leads/{lead_id}/tasks"): added,
        ("post", "/v1/leads/{lead_id}:assign"): await do(http, f"{path}:assign", {"owner": "kim"}),
        ("post", "/v1/opportunities/{opportunity_id}:change-amount"): await do(
            http, "/v1/opportunities/d0:change-amount", {"amount": "7"}
        ),
    }
    for template in ("/v1/leads", "/v1/opportunities", "/v1/tasks", "/v1/me"):
        found["get", template] = await look(http, template)
    for below in ("", "/history", "/consents"):
        found["get", f"/v1/leads/{{lead_id}}{below}"] = await look(http, f"/v1/leads/{lead_id}{below}")
    found["get", "/v1/leads/{lead_id}/contact-allowance"] = await look(
        http, f"{path}/contact-allowance", channel="phone"
    )
    found["get", "/v1/tasks/{task_id}"] = await look(http, f"/v1/tasks/{name}")
    return found


async def test_the_documents_examples_have_the_fields_that_answers_have(shown: dict[tuple[str, str], Any]) -> None:
    for operation, real in shown.items():
        example = ANSWERS[operation]
        assert example.keys() == real.keys(), operation
        for field in ("items", "opportunities"):
            for one in real.get(field, ()):
                assert one.keys() == example[field][0].keys(), (operation, field)
