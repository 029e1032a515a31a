"""Scoring over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from services.scoring.api import router
from shared.contracts.capture_events import Identity
from shared.kit import problems
from tests.integration.scoring.conftest import Scoring
from tests.unit.scoring.builders import an_id, at, captured, interacted, merged

TOKEN = "a token only for tests"


@pytest.fixture
async def client(scoring: Scoring) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.database = scoring.database
    app.state.api_token = TOKEN
    app.state.policies = scoring.policies
    app.state.auditor = scoring.auditor
    app.state.rescoring = scoring.rescoring
    app.state.models = scoring.models
    problems.install(app)
    app.include_router(router)
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://scoring", headers=headers) as client:
        yield client


async def test_a_score_is_shown_with_its_reasons(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await scoring.take(captured(identities=(Identity(kind="phone", token="f" * 32),), job_title="Student"))
    answer = await client.get(f"/v1/scores/{an_id('lead')}")
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["score"], shown["grade"], shown["fit"], shown["engagement"]) == (0, "C", -35, 0)
    assert shown["reasons"] == [
        {"rule": "phone", "points": 15, "group": "fit"},
        {"rule": "student", "points": -50, "group": "fit"},
        {"rule": "a score is at least 0", "points": 35, "group": "range"},
    ]
    assert (shown["policy_version"], shown["occurred_at"]) == ("test-1", "2026-03-02T12:00:00Z")
    assert "scored_at" in shown
    assert (shown["rating"], shown["temperature"], shown["stale"]) == ("D4", "cold", False)


async def test_a_merged_lead_redirects_to_its_root(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await scoring.take(captured("a"), merged("a", "b", 1))
    answer = await client.get(f"/v1/scores/{an_id('a')}")
    assert (answer.status_code, answer.headers["location"]) == (308, f"/v1/scores/{an_id('b')}")
    assert (await client.get(answer.headers["location"])).status_code == 200


async def test_a_lead_without_a_score_is_a_problem_that_says_why(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await scoring.take(interacted("visitor"))
    for lead, detail in (("visitor", "was not captured yet"), ("nobody", "has no score")):
        answer = await client.get(f"/v1/scores/{an_id(lead)}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert detail in answer.json()["detail"]
    assert (await client.get("/v1/scores/not-an-id")).status_code == 422


async def test_an_audit_finds_each_event_in_exactly_one_list(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await scoring.take(captured(event="fact"), interacted("visitor", "waits"))
    await scoring.database.rows("SELECT 1")
    async with scoring.database.transaction() as tx:
        await tx.execute(
            """
            INSERT INTO scoring.dead_letters (topic, partition, record_offset, record_timestamp, headers, event_id, stage,
                reason, detail, recorded_at, attempts, status)
            VALUES ('capture.leads.v1', 0, 0, now(), '[]', :event_id, 'handle', 'bug', '', now(), 1, 'open')
            """,
            {"event_id": an_id("dead")},
        )
    ids = [str(an_id(name)) for name in ("fact", "waits", "dead", "nowhere")]
    answer = await client.post("/v1/audit/captured", json={"ids": [*ids, ids[0]]})
    assert answer.json() == {"facts": [ids[0]], "waiting": [ids[1]], "dead_lettered": [ids[2]], "unknown": [ids[3]]}


@pytest.mark.parametrize(
    ("status", "ended"), [("open", "dead_lettered"), ("dropped", "dead_lettered"), ("redriven", "unknown")]
)
async def test_a_dead_letter_is_one_until_it_is_redriven(
    scoring: Scoring, client: httpx.AsyncClient, status: str, ended: str
) -> None:
    async with scoring.database.transaction() as tx:
        await tx.execute(
            """
            INSERT INTO scoring.dead_letters (topic, partition, record_offset, record_timestamp, headers, event_id, stage,
                reason, detail, recorded_at, attempts, status)
            VALUES ('capture.leads.v1', 0, 0, now(), '[]', :event_id, 'handle', 'bug', '', now(), 1, :status)
            """,
            {"event_id": an_id("dead"), "status": status},
        )
    answer = await client.post("/v1/audit/captured", json={"ids": [str(an_id("dead"))]})
    assert answer.json()[ended] == [str(an_id("dead"))]


async def test_more_than_an_audits_fill_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/audit/captured", json={"ids": [str(an_id(0))] * 5001})
    assert (answer.status_code, answer.json()["field"]) == (422, "ids")


async def test_stats_count_what_is_held(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await scoring.take(captured("a", "c1"), captured("b", "c2"), interacted("visitor", "v"), merged("a", "b", 1))
    assert (await client.get("/v1/stats")).json() == {
        "models": [],
        "touches": 3,
        "leads": 2,
        "merged": 1,
        "unknown_leads": 1,
        "stale_scores": 0,
        "dead_letters": 0,
        "grades": {"C": 1},
        "policy_version": "test-1",
        "policy_contents": 1,
    }


async def test_without_the_token_nothing_is_told(client: httpx.AsyncClient) -> None:
    client.headers.pop("Authorization")
    assert (await client.get("/v1/stats")).status_code == 401


async def test_a_score_is_explained_down_to_every_point(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await scoring.take(captured(job_title="Director"), interacted(event="v", minutes=5, value="/pricing?who=ada"))
    answer = await client.get(f"/v1/scores/{an_id('lead')}/explanation", params={"as_of": "2026-03-04T00:00:00+03:30"})
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["score"]["score"], shown["score"]["grade"], shown["policy_version"]) == (29, "B", "test-1")
    assert [(line["rule"], line["points"], line["because"]) for line in shown["lines"]] == [
        ("boss", 25, "job_title is Director"),
        ("visit", 4, "1 times"),
    ]
    [entry] = shown["lines"][1]["entries"]
    assert (entry["event_id"], entry["value"], entry["points"], entry["remaining"]) == (
        str(an_id("v")),
        "/pricing",
        4,
        "1",
    )
    assert shown["told"]["score"] == 29
    assert [step["rule"] for step in shown["better"]][:1] == ["demo"]


async def test_an_explanation_as_of_a_moment_before_knows_less(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await scoring.take(captured(), interacted(minutes=60))
    answer = await client.get(f"/v1/scores/{an_id('lead')}/explanation", params={"as_of": at(30).isoformat()})
    assert (answer.json()["score"]["score"], answer.json()["told"]["score"]) == (0, 4)


async def test_a_merged_lead_is_explained_under_its_root(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await scoring.take(captured("a"), interacted("a"), merged("a", "b", 1))
    answer = await client.get(f"/v1/scores/{an_id('a')}/explanation?as_of=2026-03-04T00:00:00%2B03:30")
    assert answer.status_code == 308
    followed = await client.get(answer.headers["location"])
    assert (followed.json()["lead_id"], followed.json()["score"]["score"]) == (str(an_id("b")), 4)
    nobody = await client.get(f"/v1/scores/{an_id('nobody')}/explanation")
    assert (nobody.status_code, nobody.json()["type"]) == (404, "urn:leadflow:problem:score-not-found")
