"""A customer who comes back is no new lead: a new deal of theirs, or somebody who looks, on real PostgreSQL."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.lifecycle_events import FollowUpScheduled, LeadCreated, OpportunityOpened
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_routing import ROUTING, with_sections
from tests.integration.pipeline.test_timers import Work
from tests.unit.pipeline.builders import a_lead, a_score, at, identities

PIPELINES: dict[str, Any] = {
    "default": [{"name": "discovery", "probability": 0.1, "overdue_after": "2h"}],
    "again": [{"name": "review", "probability": 0.5}],
}


@pytest.fixture
def returning() -> dict[str, Any]:
    return {"opportunity": "open", "when": 'channel != "newsletter"'}


@pytest.fixture
def rules(returning: dict[str, Any]) -> Policy:
    rules = [{"when": 'product == "care"', "pipeline": "again"}]
    return with_sections(routing=ROUTING, pipelines=PIPELINES, pipeline_rules=rules, returning=returning)


@pytest.fixture
def work(pipeline: Pipeline, rules: Policy) -> Work:
    return Work(pipeline, rules)


async def a_customer(work: Work, http: httpx.AsyncClient, email: str = "ann@x.example", ends: str = "win") -> UUID:
    lead = a_lead(email, name="Ann")
    await work.pipeline.take(lead, a_score(lead.lead_id, 70))
    opened = {"opportunity_id": email, "owner": "kim", "occurred_at": at(1).isoformat()}
    await do(http, f"/v1/leads/{lead.lead_id}/opportunities", opened, status=201)
    said = {"occurred_at": at(10).isoformat(), **({"reason": "price"} if ends == "lose" else {})}
    await do(http, f"/v1/opportunities/{email}:{ends}", said)
    return lead.lead_id


async def deals(work: Work) -> list[Any]:
    return list(
        await work.pipeline.database.rows("SELECT * FROM pipeline.opportunities ORDER BY opened_at, opportunity_id")
    )


@pytest.mark.parametrize("ends", ["win", "lose"])
async def test_somebody_whose_deals_have_ended_has_a_new_one(work: Work, http: httpx.AsyncClient, ends: str) -> None:
    lead_id = await a_customer(work, http, ends=ends)
    before = await work.pipeline.lead(lead_id)
    back = a_lead("ann@x.example", occurred_at=at(60), product="care")
    said = await work.pipeline.take(back)
    assert not any(isinstance(one, LeadCreated) for one in said)
    (opened,) = [one for one in said if isinstance(one, OpportunityOpened)]
    assert (opened.lead_id, opened.automatic, opened.policy_version) == (lead_id, True, "test-1")
    assert (opened.pipeline, opened.stage, opened.product) == ("again", "review", "care")
    assert (opened.occurred_at, opened.causation_id) == (at(60), back.event_id)
    row = await work.pipeline.lead(lead_id)
    assert (row.status, row.created_at, row.owner) == (before.status, before.created_at, before.owner)
    assert [one.status for one in await deals(work)] == [{"win": "won", "lose": "lost"}[ends], "open"]
    assert (await deals(work))[1].owner == before.owner


async def test_coming_back_again_while_a_deal_is_open_opens_no_other_and_neither_does_a_repetition(
    work: Work, http: httpx.AsyncClient
) -> None:
    await a_customer(work, http)
    back = a_lead("ann@x.example", occurred_at=at(60))
    await work.pipeline.take(back, a_lead("ann@x.example", occurred_at=at(61)))
    await work.pipeline.take(back)
    await work.pipeline.take(a_lead("ann@x.example", occurred_at=at(62)))
    assert len(await deals(work)) == 2


async def test_a_customer_of_whom_only_history_tells_is_not_created_by_coming_back(
    work: Work, http: httpx.AsyncClient
) -> None:
    rows = [{"external_id": "crm-1", "event": "won", "occurred_at": "2026-01-05T09:00:00Z", "amount": "10"}]
    taken = await http.post("/v1/history:batch", json={"sender": "crm", "rows": rows})
    assert taken.status_code == 200, taken.text
    (won,) = await deals(work)
    who = identities(email="ann@x.example", external="crm\x1fcrm-1")
    back = a_lead("ann@x.example", occurred_at=at(60), identities=who)
    said = await work.pipeline.take(back)
    assert [type(one).__name__ for one in said] == [
        "LeadCreated", "LeadMerged", "OpportunityOpened", "FollowUpScheduled",
    ]  # fmt: skip
    row = await work.pipeline.lead(won.lead_id)
    assert (row.created_at, row.status) == (won.opened_at, "customer")
    again = await work.pipeline.take(a_lead("ann@x.example", occurred_at=at(70)))
    assert [one.model_dump().get("kind") for one in again] == ["returned"]
    assert (await work.pipeline.lead(won.lead_id)).created_at == won.opened_at


@pytest.mark.parametrize(
    "values",
    [
        {"channel": "newsletter"},
        {"occurred_at": at(5)},  # before the deal ended: told late
        {"historical": True},
        {"mark": "test"},
    ],
)
async def test_what_is_no_return_opens_nothing(work: Work, http: httpx.AsyncClient, values: dict[str, Any]) -> None:
    await a_customer(work, http)
    await work.pipeline.take(a_lead("ann@x.example", **{"occurred_at": at(60), **values}))
    assert len(await deals(work)) == 1


async def test_a_customer_who_writes_from_another_address_and_calls_from_their_number_is_back(
    work: Work, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example", "+31612345678")
    await work.pipeline.take(lead, a_score(lead.lead_id, 70))
    await do(http, f"/v1/leads/{lead.lead_id}/opportunities", {"occurred_at": at(1).isoformat()}, status=201)
    (deal,) = await deals(work)
    await do(http, f"/v1/opportunities/{deal.opportunity_id}:win", {"occurred_at": at(2).isoformat()})
    back = a_lead("ann@new.example", "+31612345678", occurred_at=at(60))
    await work.pipeline.take(back)
    assert (await work.pipeline.lead(back.lead_id)).root_id == lead.lead_id
    won, opened = await deals(work)
    assert (won.status, opened.status, opened.lead_id) == ("won", "open", back.lead_id)
    # who is parted takes along what they came for
    await do(http, f"/v1/leads/{back.lead_id}:unmerge")
    assert (await work.pipeline.lead(lead.lead_id)).status == "customer"
    assert (await work.pipeline.lead(back.lead_id)).status == "converted"


async def test_the_new_deal_is_to_leave_its_stage_in_time(work: Work, http: httpx.AsyncClient) -> None:
    await a_customer(work, http)
    said = await work.pipeline.take(a_lead("ann@x.example", occurred_at=at(60)))
    (due,) = [one for one in said if isinstance(one, FollowUpScheduled)]
    assert (due.kind, due.due_at) == ("stage", at(180))


class TestWhereThePolicySuggests:
    """What holds without a word about it, too."""

    @pytest.fixture
    def returning(self) -> dict[str, Any]:
        return {}

    async def test_whoever_has_the_customer_is_told_once_and_opens_the_deal(
        self, work: Work, http: httpx.AsyncClient
    ) -> None:
        lead_id = await a_customer(work, http)
        for minute in (60, 70):
            await work.pipeline.take(a_lead("ann@x.example", occurred_at=at(minute)))
        assert len(await deals(work)) == 1
        (task,) = (await http.get("/v1/tasks", params={"lead_id": str(lead_id)})).json()["items"]
        owner = (await work.pipeline.lead(lead_id)).owner
        assert (task["kind"], task["owner"], task["name"]) == ("return", owner, "came back")
        await do(http, f"/v1/leads/{lead_id}/opportunities", status=201)
        done = (await http.get(f"/v1/tasks/{task['task_id']}")).json()
        assert (done["status"], done["outcome"]) == ("done", "opened")
        assert len(await deals(work)) == 2

    async def test_nobody_is_told_of_somebody_with_an_open_deal(self, work: Work, http: httpx.AsyncClient) -> None:
        lead_id = await a_customer(work, http)
        await do(http, "/v1/opportunities/ann@x.example:reopen")
        await work.pipeline.take(a_lead("ann@x.example", occurred_at=at(60)))
        due = (await http.get("/v1/tasks", params={"lead_id": str(lead_id)})).json()["items"]
        assert [one["kind"] for one in due] == ["stage"]
