"""Deals through their stages, over HTTP and by timers, on real PostgreSQL."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_history import row, send
from tests.integration.pipeline.test_routing import ROUTING, with_sections
from tests.integration.pipeline.test_timers import FOLLOW_UP, Work
from tests.unit.pipeline.builders import a_lead, a_score, an_interaction, at

PIPELINES: dict[str, Any] = {
    "default": [
        {"name": "discovery", "probability": 0.1, "overdue_after": "2h"},
        {"name": "proposal", "probability": 0.4, "needs": ["amount"]},
        {"name": "contract", "probability": 0.9, "enter_when": "amount >= 100"},
    ],
    "large": [{"name": "study", "probability": 0.2}],
}


@pytest.fixture
def rules() -> Policy:
    return with_sections(
        routing=ROUTING,
        follow_up=FOLLOW_UP,
        pipelines=PIPELINES,
        pipeline_rules=[{"when": 'lead.product == "GTX Pro"', "pipeline": "large"}],
    )


@pytest.fixture
def work(pipeline: Pipeline, rules: Policy) -> Work:
    return Work(pipeline, rules)


@pytest.fixture
def app(app: FastAPI, work: Work) -> FastAPI:
    """With the time that the test moves."""
    app.state.database.clock = work.clock
    return app


async def opened(work: Work, http: httpx.AsyncClient, name: str = "d", **said: Any) -> UUID:
    (lead_id,) = await work.leads(1)
    await do(http, f"/v1/leads/{lead_id}/opportunities", {"opportunity_id": name, **said}, status=201)
    return lead_id


async def the_deal(http: httpx.AsyncClient, name: str = "d") -> dict[str, Any]:
    answer = await http.get(f"/v1/opportunities/{name}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_deal_shows_where_it_has_been_and_what_it_was_worth_when(work: Work, http: httpx.AsyncClient) -> None:
    line = {"product": "roof", "quantity": "2", "unit_price": "50"}
    await opened(work, http, lines=[line], expected_close="2026-06-01T00:00:00Z")
    work.after(30)
    await do(http, "/v1/opportunities/d:move", {"stage": "contract"})
    work.after(30)
    await do(http, "/v1/opportunities/d:move", {"stage": "proposal"})
    await do(http, "/v1/opportunities/d:change-lines", {"lines": [line, {**line, "discount": "0.5"}]})
    await do(http, "/v1/opportunities/d:change-close-date", {"expected_close": "2026-07-01T00:00:00Z"})
    work.after(30)
    await do(http, "/v1/opportunities/d:lose", {"reason": "other", "note": "Ann moved away"})
    work.after(30)
    await do(http, "/v1/opportunities/d:reopen")
    deal = await the_deal(http)
    assert [(one["stage"], one["how"], one["skipped"], one["seconds"]) for one in deal["stages"]] == [
        ("discovery", "opened", [], 1800),
        ("contract", "skipped", ["proposal"], 1800),
        ("proposal", "back", [], 1800),
        ("proposal", "reopened", [], 0),
    ]
    assert [one["visit"] for one in deal["stages"]] == [1, 1, 1, 2]
    assert [one["amount"] for one in deal["amounts"]] == ["100", "150", "150"]
    assert [one["expected_close"][:10] for one in deal["close_dates"]] == ["2026-06-01", "2026-07-01"]
    assert (deal["lines_amount"], deal["probability"], len(deal["lines"])) == ("150", 0.4, 2)
    assert [(one["how"], one["reason"], one["note"]) for one in deal["endings"]] == [
        ("lost", "other", "Ann moved away")
    ]


async def test_what_a_stage_asks_is_refused_with_what_is_missing(work: Work, http: httpx.AsyncClient) -> None:
    await opened(work, http)
    no = await do(http, "/v1/opportunities/d:move", {"stage": "proposal"}, status=409)
    assert (no["type"].rpartition(":")[2], no["missing"]) == ("stage-needs", ["amount"])
    await do(http, "/v1/opportunities/d:change-amount", {"amount": "99"})
    no = await do(http, "/v1/opportunities/d:move", {"stage": "contract"}, status=409)
    assert (no["type"].rpartition(":")[2], no["enter_when"]) == ("stage-condition", "amount >= 100")
    assert (await the_deal(http))["stage"] == "discovery"


async def test_the_rules_choose_the_pipeline_by_what_the_lead_asked_for(work: Work, http: httpx.AsyncClient) -> None:
    lead = a_lead("gtx@x.example", product="GTX Pro")
    await work.pipeline.take(lead, a_score(lead.lead_id, 70))
    deal = await do(http, f"/v1/leads/{lead.lead_id}/opportunities", {"opportunity_id": "big"}, status=201)
    assert (deal["pipeline"], deal["stage"]) == ("large", "study")


async def test_a_deal_that_stays_too_long_is_overdue_by_itself_and_stands_in_the_queue(
    work: Work, http: httpx.AsyncClient
) -> None:
    lead_id = await opened(work, http, owner="kim")
    assert (await the_deal(http))["overdue_at"] == at(120).isoformat()
    work.after(119)
    assert await work.timers.once() == 0
    work.after(2)
    assert await work.timers.once() == 1
    said = (await work.pipeline.published())[-1]
    assert (said.event, said.model_dump()["opportunity_id"], said.occurred_at) == ("FollowUpMissed", "d", at(120))
    (place,) = (await http.get("/v1/queue", params={"owner": "kim"})).json()["items"]
    assert (place["lead_id"], place["urgency"]) == (str(lead_id), "late")
    (task,) = place["tasks"]
    refused = await do(http, f"/v1/tasks/{task['task_id']}:complete", status=409)
    assert refused["type"].endswith("needs-move")
    await do(http, "/v1/opportunities/d:win")
    assert (await http.get("/v1/queue", params={"owner": "kim"})).json()["items"] == []
    assert (await the_deal(http))["overdue_at"] is None


async def test_a_deal_that_history_moved_is_not_waited_for_in_the_stage_it_left(
    work: Work, http: httpx.AsyncClient
) -> None:
    await send(http, row("lead_created", at(0).isoformat()))
    (lead,) = (await http.get("/v1/leads")).json()["items"]
    await do(http, f"/v1/leads/{lead['lead_id']}:qualify")
    await do(http, f"/v1/leads/{lead['lead_id']}/opportunities", {"opportunity_id": "d"}, status=201)
    work.after(60)
    moved = await send(
        http, row("stage_changed", at(30).isoformat(), opportunity_id="d", stage="proposal", currency="EUR")
    )
    assert (moved["accepted"], (await the_deal(http))["stage"]) == (1, "proposal")
    work.after(61)
    assert await work.timers.once() == 1
    said = (await work.pipeline.published())[-1].model_dump()
    assert (said["event"], said["reason"], said["opportunity_id"]) == ("FollowUpCancelled", "elsewhere", "d")


async def test_a_deal_keeps_its_timer_when_its_lead_is_merged_and_when_it_is_parted(
    work: Work, http: httpx.AsyncClient
) -> None:
    first, second = a_lead("a@x.example"), a_lead(phone="+31612345678", occurred_at=at(1))
    await work.pipeline.take(first, second, a_score(first.lead_id, 70), a_score(second.lead_id, 70))
    await do(http, f"/v1/leads/{second.lead_id}/opportunities", {"opportunity_id": "d", "owner": "kim"}, status=201)
    both = a_lead("a@x.example", "+31612345678", occurred_at=at(2))
    await work.pipeline.take(both)
    assert (await work.pipeline.lead(second.lead_id)).root_id == first.lead_id
    await do(http, f"/v1/leads/{second.lead_id}:unmerge")
    work.after(121)
    await work.timers.once()
    rows = await work.pipeline.database.rows(
        "SELECT lead_id, data ->> 'opportunity_id' AS deal FROM pipeline.history WHERE event = 'FollowUpMissed' AND data ->> 'kind' = 'stage'"
    )
    assert [(row.lead_id, row.deal) for row in rows] == [(second.lead_id, "d")]


async def test_conversion_is_one_thing_however_often_it_is_asked_for_and_loses_nothing(
    work: Work, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example", name="Ann", consents=({"purpose": "email", "granted": True},), source="fair")
    await work.pipeline.take(lead, an_interaction("ann@x.example", kind="demo_request", occurred_at=at(0)))
    await work.pipeline.take(a_score(lead.lead_id, 70))
    path = f"/v1/leads/{lead.lead_id}"
    await do(http, f"{path}:assign", {"owner": "kim", "team": "north"})
    await do(http, f"{path}/tasks", {"due_at": "2026-03-09T09:00:00Z", "note": "she likes tea"}, status=201)
    before = (await http.get(path)).json()
    story = (await http.get(f"{path}/history")).json()["events"]
    consents = (await http.get(f"{path}/consents")).json()
    answers = [
        await http.post(f"{path}/opportunities", json={"opportunity_id": "d"}, headers={"Idempotency-Key": "once"})
        for _ in range(3)
    ]
    assert [one.status_code for one in answers] == [201, 200, 200]
    assert len({one.text for one in answers}) == 1
    after = (await http.get(path)).json()
    kept = ("created_at", "owner", "team", "first_touch", "personal", "consents", "score", "grade", "first_assigned_at")
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert (await http.get(f"{path}/consents")).json() == consents
    told = (await http.get(f"{path}/history")).json()["events"]
    assert [one for one in told if one in story] == story
    assert [one["event"] for one in told].count("OpportunityOpened") == 1
    assert any(one.get("note") == "she likes tea" for one in told)
    assert (after["status"], [one["opportunity_id"] for one in after["opportunities"]]) == ("converted", ["d"])
    assert (after["opportunities"][0]["owner"], after["opportunities"][0]["team"]) == ("kim", "north")


async def test_a_conversion_that_is_refused_leaves_nothing_behind(work: Work, http: httpx.AsyncClient) -> None:
    (lead_id,) = await work.leads(1)
    facts = len(await work.pipeline.published())
    no = await do(http, f"/v1/leads/{lead_id}/opportunities", {"stage": "proposal"}, status=409)
    assert no["type"].endswith("stage-needs")
    assert len(await work.pipeline.published()) == facts
    assert (await http.get(f"/v1/leads/{lead_id}")).json()["status"] == "qualified"
