"""Commands and queries over HTTP, on real PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import ValidationError

from shared.contracts.lifecycle_events import LeadArchived, LeadUnmerged, OpportunityOpened
from tests.integration.pipeline.conftest import Pipeline
from tests.unit.pipeline.builders import a_lead, a_score, an_interaction, at


async def do(http: httpx.AsyncClient, path: str, said: Any = None, *, status: int = 200, **headers: str) -> Any:
    """A command, its answer checked for the status."""
    answer = await http.post(
        path, json=said, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    assert answer.status_code == status, answer.text
    return answer.json()


async def a_qualified_lead(pipeline: Pipeline, email: str = "ann@x.example", **values: Any) -> UUID:
    lead = a_lead(email, **values)
    await pipeline.take(lead, a_score(lead.lead_id, 70, occurred_at=lead.occurred_at))
    return lead.lead_id


async def test_a_lead_is_worked_from_new_to_customer(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    lead = a_lead("ann@x.example", name="Ann", product="roof")
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    assert (await do(http, f"{path}:assign", {"owner": "kim", "team": "north"}))["status"] == "working"
    assert (await do(http, f"{path}:qualify"))["status"] == "qualified"
    deal = await do(http, f"{path}/opportunities", {"opportunity_id": "d/1", "amount": 1500.50}, status=201)
    assert (deal["stage"], deal["amount"], deal["currency"], deal["owner"], deal["product"]) == (
        "discovery", "1500.5", "EUR", "kim", "roof",
    )  # fmt: skip
    assert (await http.get(path)).json()["status"] == "converted"
    assert (await do(http, "/v1/opportunities/d/1:move", {"stage": "proposal"}))["stage"] == "proposal"
    assert (await do(http, "/v1/opportunities/d/1:change-amount", {"amount": "2000"}))["amount"] == "2000"
    await do(http, "/v1/opportunities/d/1:change-close-date", {"expected_close": "2026-09-01T00:00:00Z"})
    won = await do(http, "/v1/opportunities/d/1:win")
    assert (won["status"], won["amount"]) == ("won", "2000")
    shown = (await http.get(path)).json()
    assert (shown["status"], shown["personal"]["name"], shown["version"]) == ("customer", "Ann", 8)
    events = (await http.get(f"{path}/history")).json()["events"]
    assert [event["event"] for event in events] == [
        "LeadCreated", "LeadAssigned", "LeadQualified", "OpportunityOpened", "StageChanged", "AmountChanged",
        "CloseDateChanged", "OpportunityWon",
    ]  # fmt: skip
    assert (events[3]["position"], events[1]["actor"]) == (0, "api")
    assert (await do(http, "/v1/opportunities/d/1:win", status=409))["state"] == "won"
    reopened = await do(http, "/v1/opportunities/d/1:reopen")
    assert (reopened["status"], reopened["stage"], reopened["closed_at"]) == ("open", "proposal", None)
    lost = await do(http, "/v1/opportunities/d/1:lose", {"reason": "price"})
    assert (lost["status"], lost["reason"]) == ("lost", "price")
    assert (await http.get("/v1/opportunities/d/1")).json()["status"] == "lost"
    assert (await http.get(path)).json()["status"] == "converted"


async def test_archive_needs_a_reason_of_the_policy_and_reopen_takes_it_back(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    path = f"/v1/leads/{await a_qualified_lead(pipeline)}"
    assert "no budget, other" in (await do(http, f"{path}:archive", {"reason": "bored"}, status=422))["detail"]
    assert (await do(http, f"{path}:archive", {"reason": "other"}, status=422))["field"] == "note"
    assert (await do(http, f"{path}:archive", {}, status=422))["field"] == "reason"
    gone = await do(http, f"{path}:archive", {"reason": "no budget"}, Leadflow_Actor="kim")
    assert (gone["status"], gone["archived_reason"]) == ("archived", "no budget")
    for command, said in (
        (":assign", {"owner": "kim"}),
        (":qualify", None),
        ("/opportunities", None),
        (":archive", {"reason": "no budget"}),
    ):
        refused = await do(http, f"{path}{command}", said, status=409)
        assert refused["state"] == "archived"
        assert "eopen" in refused["fix"]
    assert (await do(http, f"{path}:reopen"))["status"] == "qualified"
    assert (await do(http, f"{path}:reopen", status=409))["state"] == "qualified"
    archived = next(event for event in await pipeline.published() if isinstance(event, LeadArchived))
    assert (archived.actor, archived.reason) == ("kim", "no budget")


async def test_an_opportunity_needs_a_qualified_lead_a_known_stage_and_an_id_of_its_own(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    fresh = a_lead("new@x.example")
    await pipeline.take(fresh)
    assert "ualify" in (await do(http, f"/v1/leads/{fresh.lead_id}/opportunities", status=409))["fix"]
    path = f"/v1/leads/{await a_qualified_lead(pipeline)}/opportunities"
    assert "discovery, proposal" in (await do(http, path, {"stage": "limbo"}, status=422))["detail"]
    assert (await do(http, path, {"amount": "much"}, status=422))["field"] == "amount"
    deal = await do(http, path, {}, status=201)
    assert UUID(deal["opportunity_id"])
    await do(http, path, {"opportunity_id": deal["opportunity_id"]}, status=409)
    other = f"/v1/leads/{await a_qualified_lead(pipeline, 'bob@x.example')}/opportunities"
    await do(http, other, {"opportunity_id": deal["opportunity_id"]}, status=409)
    await do(http, f"/v1/opportunities/{deal['opportunity_id']}:move", {"stage": "limbo"}, status=422)
    await do(http, "/v1/opportunities/none:move", {"stage": "proposal"}, status=404)
    await do(http, f"/v1/leads/{uuid4()}:qualify", status=404)


async def test_a_stale_version_is_refused_with_what_holds_now(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    lead_id = await a_qualified_lead(pipeline)
    path = f"/v1/leads/{lead_id}"
    first = (await http.get(path)).headers["ETag"]
    assert first.startswith(f'W/"{lead_id}.3~')
    await do(http, f"{path}:assign", {"owner": "kim"}, If_Match=first)
    stale = await do(http, f"{path}:assign", {"owner": "lee"}, status=412, If_Match=first)
    assert stale["current"] == {"etag": f'"{lead_id}.4"', "status": "qualified"}
    await do(http, f"{path}:assign", {"owner": "lee"}, If_Match=stale["current"]["etag"])


async def test_a_repeated_key_does_nothing_twice_and_another_command_under_it_is_refused(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    path = f"/v1/leads/{await a_qualified_lead(pipeline)}/opportunities"
    answers = await asyncio.gather(
        *(http.post(path, json={"amount": "5"}, headers={"Idempotency-Key": "k1"}) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["opportunity_id"] for answer in answers}) == 1
    assert (await do(http, path, {"amount": "6"}, status=409, Idempotency_Key="k1"))["field"] == "Idempotency-Key"
    assert sum(isinstance(event, OpportunityOpened) for event in await pipeline.published()) == 1


async def test_commands_may_be_dated_back_but_not_before_what_they_change_nor_into_the_future(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    path = f"/v1/leads/{await a_qualified_lead(pipeline)}"
    await do(http, f"{path}:assign", {"owner": "kim", "occurred_at": at(10).isoformat()})
    await do(http, f"{path}:archive", {"reason": "no budget", "occurred_at": at(20).isoformat()})
    early = await do(http, f"{path}:reopen", {"occurred_at": at(15).isoformat()}, status=409)
    assert early["field"] == "occurred_at"
    await do(http, f"{path}:reopen", {"occurred_at": at(30).isoformat()})
    await do(http, f"{path}:assign", {"owner": "lee", "occurred_at": "2999-01-01T00:00:00Z"}, status=422)
    await do(http, f"{path}:assign", {"owner": "lee", "occurred_at": "2026-03-01"}, status=422)


async def test_every_conflict_tells_what_the_lead_or_the_deal_is(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    path = f"/v1/leads/{await a_qualified_lead(pipeline)}"
    await do(http, f"{path}:assign", {"owner": "kim"})
    early = {"occurred_at": at(1).isoformat()}
    no = [await do(http, f"{path}:assign", {"owner": "lee", **early}, status=409)]
    no.append(await do(http, f"{path}/contacts/{uuid4()}:change", {"name": "Bo"}, status=409))
    await do(http, f"{path}/opportunities", {"opportunity_id": "d", "amount": "1"}, status=201)
    no.append(await do(http, f"{path}/opportunities", {"opportunity_id": "d"}, status=409))
    no.append(await do(http, "/v1/opportunities/d:change-amount", {"amount": "2", **early}, status=409))
    await do(http, f"{path}/orders", {"order_id": "o", "amount": "2"}, status=201)
    no.append(await do(http, f"{path}/orders", {"order_id": "o", "amount": "3"}, status=409))
    assert [(one["type"].rpartition(":")[2], one["state"]) for one in no] == [
        ("out-of-order", "qualified"),
        ("unknown-contact", "qualified"),
        ("opportunity-exists", "converted"),
        ("out-of-order", "open"),
        ("conflicting-order", "customer"),
    ]


async def shown(http: httpx.AsyncClient, path: str) -> Any:
    return (await http.get(path)).json()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (":assign", {"owner": "kim"}),
        (":record-contact", {"kind": "phone", "made": True}),
        (":archive", {"reason": "no budget"}),
        ("/opportunities", {}),
        ("/orders", {"amount": "1"}),
        ("/notes", {"note": "called"}),
    ],
)
async def test_nothing_happened_with_a_lead_decades_before_it_came_in(
    pipeline: Pipeline, http: httpx.AsyncClient, command: str, said: dict[str, Any]
) -> None:
    lead_id = await a_qualified_lead(pipeline)
    path = f"/v1/leads/{lead_id}"
    before = await shown(http, path)
    refused = await do(http, f"{path}{command}", {**said, "occurred_at": "1926-03-02T09:00:00Z"}, status=409)
    assert refused["type"].endswith("out-of-order")
    assert refused["field"] == "occurred_at"
    assert (await shown(http, path))["version"] == before["version"]


async def test_a_call_just_before_the_form_is_told_of_and_a_deal_from_before_it_was_worth_one_is_not(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    path = f"/v1/leads/{await a_qualified_lead(pipeline)}"
    an_hour_before = at(-60).isoformat()
    said = {"kind": "phone", "made": True, "occurred_at": an_hour_before}
    assert (await do(http, f"{path}:record-contact", said))["first_response_at"] == an_hour_before
    await do(http, f"{path}/opportunities", {"occurred_at": an_hour_before}, status=409)
    signed = {"purpose": "email", "granted": True, "occurred_at": "2025-09-01T09:00:00Z"}
    assert (await do(http, f"{path}:record-consent", signed))["consents"] == {"email": True}


async def test_a_merged_id_leads_to_its_canonical_one_and_unmerge_takes_it_back_for_good(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    root = a_lead(phone="+31612345678", source="call")
    other = a_lead("ann@x.example", phone="+31612345678", occurred_at=at(1), channel="chat")
    await pipeline.take(root)
    before = await pipeline.lead(root.lead_id)
    await pipeline.take(other, a_score(other.lead_id, 30, occurred_at=at(2)))
    moved = await http.get(f"/v1/leads/{other.lead_id}")
    assert (moved.status_code, moved.headers["location"]) == (308, f"/v1/leads/{root.lead_id}")
    command = await http.post(f"/v1/leads/{other.lead_id}:assign", json={"owner": "kim"})
    assert (command.status_code, command.headers["location"]) == (308, f"/v1/leads/{root.lead_id}:assign")
    shown = (await http.get(f"/v1/leads/{root.lead_id}")).json()
    assert (shown["score"], shown["merged_lead_ids"]) == (30, [str(other.lead_id)])
    assert shown["personal"] == {"email": "ann@x.example", "phone": "+31612345678"}
    apart = await do(http, f"/v1/leads/{other.lead_id}:unmerge")
    assert (apart["lead_id"], apart["score"], apart["first_touch"]["channel"]) == (str(other.lead_id), 30, "chat")
    after = await pipeline.lead(root.lead_id)
    same = ("status", "created_at", "score", "graded_at", "source", "version", "root_id", "personal")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    unmerged = (await pipeline.published())[-1]
    assert isinstance(unmerged, LeadUnmerged)
    assert (unmerged.lead_id, unmerged.from_lead_id) == (other.lead_id, root.lead_id)
    await pipeline.take(
        a_lead("ann@x.example", phone="+31612345678", occurred_at=at(5)), an_interaction("ann@x.example")
    )
    assert (await pipeline.lead(other.lead_id)).root_id == other.lead_id
    await do(http, f"/v1/leads/{other.lead_id}:unmerge", status=409)


@pytest.mark.parametrize("close", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-10:00"])
async def test_a_time_that_no_database_gives_back_is_refused_at_the_door(
    pipeline: Pipeline, http: httpx.AsyncClient, close: str
) -> None:
    path = f"/v1/leads/{await a_qualified_lead(pipeline)}"
    opened = {"opportunity_id": "d1", "expected_close": close}
    assert (await do(http, f"{path}/opportunities", opened, status=422))["field"] == "expected_close"
    assert (await do(http, f"{path}:assign", {"owner": "kim", "occurred_at": close}, status=422))[
        "field"
    ] == "occurred_at"
    with pytest.raises(ValidationError):
        a_lead("bob@x.example", occurred_at=datetime.fromisoformat(close))
    assert (await http.get("/openapi.json")).status_code == 200


async def test_leads_are_listed_page_by_page_and_found_by_identity(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    leads = [a_lead(f"p{place}@x.example", occurred_at=at(place)) for place in range(7)]
    await pipeline.take(*leads)
    seen: list[str] = []
    cursor = None
    while True:
        page = (await http.get("/v1/leads", params={"limit": 3, **({"cursor": cursor} if cursor else {})})).json()
        seen += [one["lead_id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [str(lead.lead_id) for lead in leads]
    found = (await http.get("/v1/leads", params={"email": "P3@x.example"})).json()["items"]
    assert [one["lead_id"] for one in found] == [str(leads[3].lead_id)]
    assert (await http.get("/v1/leads", params={"status": "archived"})).json()["items"] == []
    assert (await http.get("/v1/leads", params={"cursor": "nonsense"})).status_code == 422


async def test_leads_that_were_contradicted_are_listed_with_what_was_merged_into_them(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    by_phone = a_lead(phone="+31612345678", source="fair")
    both = a_lead("ann@x.example", phone="+31612345678", source="ads", occurred_at=at(1))
    await pipeline.take(by_phone, both, a_lead("bob@x.example"))
    assert (await http.get("/v1/leads", params={"contradicted": True})).json()["items"] == []
    await pipeline.take(a_lead("ann@x.example", phone="+31612345678", source="mail", event_id=both.event_id))
    found = (await http.get("/v1/leads", params={"contradicted": True})).json()["items"]
    assert [one["lead_id"] for one in found] == [str(by_phone.lead_id)]
    assert (await http.get(f"/v1/leads/{by_phone.lead_id}")).json()["conflicts"] == 1
    assert (await http.get("/v1/stats")).json()["conflicts"] == 1


async def test_every_captured_event_is_accounted_for(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    lead, touch, waiting = a_lead("ann@x.example"), an_interaction("ann@x.example"), an_interaction("bob@x.example")
    await pipeline.take(lead, touch, waiting)
    nobody = uuid4()
    ids = [str(one) for one in (lead.event_id, touch.event_id, waiting.event_id, nobody)]
    audit = await do(http, "/v1/audit/captured", {"ids": ids})
    assert {name: sorted(found) for name, found in audit.items()} == {
        "facts": sorted(ids[:2]), "waiting": [ids[2]], "dead_lettered": [], "unknown": [ids[3]],
    }  # fmt: skip
    stats = (await http.get("/v1/stats")).json()
    assert (stats["leads"], stats["history_events"], stats["waiting"], stats["by_status"]) == (1, 2, 1, {"new": 1})


@pytest.mark.parametrize("path", ["/v1/leads", "/v1/stats", "/v1/opportunities/x"])
async def test_nothing_is_told_without_the_token(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path, headers={"Authorization": "Bearer wrong"})).status_code == 401
