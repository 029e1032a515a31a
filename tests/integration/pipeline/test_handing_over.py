"""A deal goes to somebody else: with what is due for it, and without what was done before, on real PostgreSQL."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from shared.contracts.lifecycle_events import FollowUpScheduled, OpportunityAssigned
from shared.contracts.policy import Policy
from tests.integration.pipeline.access import by, let_in, somebody
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import a_qualified_lead, do
from tests.integration.pipeline.test_history import row, send, the_deal
from tests.integration.pipeline.test_returning import PIPELINES
from tests.integration.pipeline.test_routing import ROUTING, with_sections


@pytest.fixture
def rules() -> Policy:
    return with_sections(routing=ROUTING, pipelines=PIPELINES)


async def a_deal(pipeline: Pipeline, http: httpx.AsyncClient, **said: Any) -> UUID:
    lead_id = await a_qualified_lead(pipeline)
    await do(http, f"/v1/leads/{lead_id}:assign", {"owner": "kim"})
    opened = {"opportunity_id": "d1", "owner": "kim", "team": "north", **said}
    await do(http, f"/v1/leads/{lead_id}/opportunities", opened, status=201)
    return UUID(str(lead_id))


async def test_a_deal_is_somebody_elses_from_then_on_with_what_is_due_for_it(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead_id = await a_deal(pipeline, http)
    deal = await do(http, "/v1/opportunities/d1:assign", {"owner": "ann"}, Leadflow_Actor="boss")
    assert (deal["owner"], deal["team"], deal["stage"], deal["status"]) == ("ann", None, "discovery", "open")
    assert (await pipeline.lead(lead_id)).owner == "kim"
    said = await pipeline.published()
    (handed,) = [one for one in said if isinstance(one, OpportunityAssigned)]
    assert (handed.owner, handed.team, handed.actor) == ("ann", None, "boss")
    due = [one for one in said if isinstance(one, FollowUpScheduled) and one.kind == "stage"]
    assert [(one.owner, one.due_at) for one in due] == [("kim", due[0].due_at), ("ann", due[0].due_at)]
    shown = (await http.get("/v1/opportunities/d1")).json()
    assert [(one["owner"], one["team"], one["actor"]) for one in shown["owners"]] == [
        ("kim", "north", "api"),
        ("ann", None, "boss"),
    ]
    assert [one["stage"] for one in shown["stages"]] == ["discovery"]
    queue = (await http.get("/v1/queue", params={"owner": "ann"})).json()["items"]
    assert [one["lead_id"] for one in queue] == [str(lead_id)]
    lines = (await http.get("/v1/export", params={"what": "opportunities"})).text
    assert '"ann"' in lines or "ann" in lines


async def test_what_cannot_be_handed_over_is_refused_with_why(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    await a_deal(pipeline, http, owner="ann", team="north")
    same = await do(http, "/v1/opportunities/d1:assign", {"owner": "ann", "team": "north"}, status=409)
    assert "theirs already" in same["fix"]
    await do(http, "/v1/opportunities/d1:assign", {"owner": "ann"})  # of no team now
    dated = {"owner": "lee", "occurred_at": "2026-01-01T00:00:00Z"}
    assert (await do(http, "/v1/opportunities/d1:assign", dated, status=409))["type"].endswith("out-of-order")
    await do(http, "/v1/opportunities/d1:assign", {"owner": " "}, status=422)
    await do(http, "/v1/opportunities/d1:lose", {"reason": "price"})
    await do(http, "/v1/opportunities/d1:assign", {"owner": "lee"}, status=409)
    await do(http, "/v1/opportunities/d2:assign", {"owner": "lee"}, status=404)


async def test_under_a_key_it_is_given_once_and_a_stale_version_is_refused(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    await a_deal(pipeline, http)
    seen = (await http.get("/v1/opportunities/d1")).headers["ETag"]
    for _ in range(2):
        await do(http, "/v1/opportunities/d1:assign", {"owner": "ann"}, Idempotency_Key="k1")
    assert sum(isinstance(one, OpportunityAssigned) for one in await pipeline.published()) == 1
    await do(http, "/v1/opportunities/d1:assign", {"owner": "lee"}, status=412, If_Match=seen)


async def test_an_agent_works_on_a_deal_of_theirs_with_a_colleagues_lead(
    app: FastAPI, pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    await a_deal(pipeline, http)
    let_in(app, zoe=somebody("agent", subject="zoe"))
    refused = await http.post("/v1/opportunities/d1:change-amount", json={"amount": "5"}, headers=by("zoe"))
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:leadflow:problem:not-your-lead")
    await do(http, "/v1/opportunities/d1:assign", {"owner": "zoe"})
    taken = await http.post("/v1/opportunities/d1:change-amount", json={"amount": "5"}, headers=by("zoe"))
    assert taken.status_code == 200, taken.text


async def test_a_colleagues_deal_stays_theirs_where_its_lead_is_nobodys(
    app: FastAPI, pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead_id = await a_qualified_lead(pipeline)
    assert (await pipeline.lead(lead_id)).owner is None
    for name, owner in (("d1", {"owner": "ann"}), ("d2", {})):
        await do(http, f"/v1/leads/{lead_id}/opportunities", {"opportunity_id": name, **owner}, status=201)
    let_in(app, zoe=somebody("agent", subject="zoe"), ann=somebody("agent", subject="ann"))
    for name, who, status in (("d1", "zoe", 403), ("d1", "ann", 200), ("d2", "zoe", 200)):
        path = f"/v1/opportunities/{name}:change-amount"
        answer = await http.post(path, json={"amount": "5"}, headers=by(who))
        assert answer.status_code == status, answer.text


async def test_whoever_is_given_a_deal_or_a_task_does_what_is_due(
    app: FastAPI, pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    let_in(app, **{name: somebody("agent", subject=name) for name in ("zoe", "lee", "max")})

    async def puts_off(kind: str, who: str) -> int:
        task = await pipeline.one(
            "SELECT task_id FROM pipeline.tasks WHERE status = 'open' AND kind = :kind", kind=kind
        )
        path, later = f"/v1/tasks/{task.task_id}:snooze", {"until": "2030-02-01T00:00:00Z"}
        return (await http.post(path, json=later, headers=by(who))).status_code

    lead_id = await a_qualified_lead(pipeline)
    await do(http, f"/v1/leads/{lead_id}:assign", {"owner": "kim"})
    await do(http, f"/v1/leads/{lead_id}/tasks", {"due_at": "2030-01-01T00:00:00Z", "owner": "lee"}, status=201)
    assert [await puts_off("task", who) for who in ("max", "lee")] == [403, 200]
    await do(http, f"/v1/leads/{lead_id}/opportunities", {"opportunity_id": "d1"}, status=201)
    await do(http, "/v1/opportunities/d1:assign", {"owner": "zoe"})
    assert [await puts_off("stage", who) for who in ("max", "lee", "zoe")] == [403, 403, 200]


@pytest.mark.parametrize("order", [1, -1])
async def test_history_tells_of_it_in_any_order(pipeline: Pipeline, http: httpx.AsyncClient, order: int) -> None:
    rows = (
        row("opportunity_opened", "2026-01-01", stage="discovery", owner="kim", team="north", amount="10"),
        row("opportunity_assigned", "2026-01-05", owner="lee", record_id="1"),
        row("stage_changed", "2026-01-06", stage="proposal"),
        row("opportunity_assigned", "2026-01-08", owner="ann", team="south", record_id="2"),
    )
    for one in rows[::order]:
        assert (await send(http, one))["accepted"] == 1
    shown = await the_deal(http)
    assert (shown["owner"], shown["team"], shown["stage"]) == ("ann", "south", "proposal")
    assert [one["owner"] for one in shown["owners"]] == ["kim", "lee", "ann"]
    missing = await send(http, row("opportunity_assigned", "2026-01-09"))
    assert missing["items"][0]["problem"]["field"] == "owner"
