"""A lead that is put aside until a date comes back by itself, to somebody: on real PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.pipeline.assigning import Assigning
from services.pipeline.instruments import WorkInstruments
from services.pipeline.timers import Timers
from shared.contracts.lifecycle_events import LeadAssigned, LeadReopened
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.support.clock import FakeClock
from tests.unit.pipeline.builders import POLICY, a_lead, at

RULES = Policy.model_validate(
    {
        "version": "test-3",
        "defaults": {
            **POLICY.defaults.model_dump(exclude_unset=True),
            "recycle_days": {"no budget": 30},
            "routing": {"owners": {"kim": {}}, "fallback": "kim"},
            "follow_up": {"cadences": [{"cadence": "all", "respond_within": "1h"}]},
        },
    }
)


@pytest.fixture
def rules() -> Policy:
    return RULES


class Office:
    """The application and its timers, at a time that the test moves."""

    def __init__(self, pipeline: Pipeline, app: FastAPI) -> None:
        self.clock = FakeClock(at(0))
        pipeline.database.clock = app.state.pipeline.database.clock = self.clock
        instruments = WorkInstruments(CollectorRegistry())
        self.timers = Timers(pipeline.database, Assigning(RULES), instruments, interval_seconds=0.01)


@pytest.fixture
def office(pipeline: Pipeline, app: FastAPI) -> Office:
    return Office(pipeline, app)


async def test_an_archived_lead_comes_back_to_a_queue_when_its_time_has_come(
    pipeline: Pipeline, office: Office, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    gone = await do(http, f"{path}:archive", {"reason": "no budget"}, Leadflow_Actor="lee")
    back_at = at(0) + timedelta(days=30)
    assert (gone["status"], gone["archived_until"]) == ("archived", back_at.isoformat())
    await do(http, f"{path}:record-consent", {"purpose": "contact", "granted": True})
    assert (await http.get("/v1/queue", params={"owner": "kim"})).json()["items"] == []
    office.clock.advance(timedelta(days=30, seconds=-1))
    assert await office.timers.once() == 0
    office.clock.advance(timedelta(seconds=2))
    assert await office.timers.once() == 1
    assert await office.timers.once() == 0
    shown = (await http.get(path)).json()
    assert (shown["status"], shown["owner"], shown["archived_until"]) == ("working", "kim", None)
    assert [one["lead_id"] for one in (await http.get("/v1/queue", params={"owner": "kim"})).json()["items"]] == [
        str(lead.lead_id)
    ]
    (back,) = [one for one in await pipeline.published() if isinstance(one, LeadReopened)]
    assert (back.automatic, back.occurred_at, back.policy_version) == (True, back_at, "test-3")
    assert back.reason == "put aside until now (no budget)"
    assert [one.owner for one in await pipeline.published() if isinstance(one, LeadAssigned)] == ["kim"]


async def test_whoever_reopens_a_lead_calls_its_return_off(
    pipeline: Pipeline, office: Office, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    await do(http, f"{path}:archive", {"reason": "other", "note": "later", "recycle_at": at(60).isoformat()})
    early = await do(http, f"{path}:archive", {"reason": "other", "note": "again"}, status=409)
    assert early["state"] == "archived"
    reopened = await do(http, f"{path}:reopen")
    assert (reopened["status"], reopened["archived_reason"], reopened["archived_until"]) == ("working", None, None)
    office.clock.advance(timedelta(hours=2))
    assert await office.timers.once() == 0
    assert sum(isinstance(one, LeadReopened) for one in await pipeline.published()) == 1
    refused = await do(
        http, f"{path}:archive", {"reason": "other", "note": "x", "recycle_at": at(60).isoformat()}, status=422
    )
    assert refused["field"] == "recycle_at"


async def test_why_a_lead_was_put_aside_is_forgotten_with_the_person_who_does_not_come_back(
    pipeline: Pipeline, office: Office, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead)
    said = {"reason": "other", "note": "Ann moves to Utrecht", "recycle_at": at(60).isoformat()}
    await do(http, f"/v1/leads/{lead.lead_id}:archive", said)
    events = (await http.get(f"/v1/leads/{lead.lead_id}/history")).json()["events"]
    assert "Ann moves to Utrecht" in str(events)
    await do(http, "/v1/people:erase", {"email": "ann@x.example", "reason": "case 7"}, Leadflow_Actor="dpo")
    events = (await http.get(f"/v1/leads/{lead.lead_id}/history")).json()["events"]
    assert "Utrecht" not in str(events)
    office.clock.advance(timedelta(hours=2))
    assert await office.timers.once() == 0
    assert (await pipeline.lead(lead.lead_id)).status == "archived"


async def test_whoever_had_business_with_us_comes_back_as_what_they_are_and_is_not_worked_like_a_new_lead(
    pipeline: Pipeline, office: Office, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    await do(http, f"{path}:qualify")
    await do(http, f"{path}/opportunities", {"opportunity_id": "d"}, status=201)
    await do(http, "/v1/opportunities/d:lose", {"reason": "price"})
    await do(http, f"{path}:archive", {"reason": "no budget"})
    before = len(await pipeline.published())
    office.clock.advance(timedelta(days=30, seconds=1))
    assert await office.timers.once() == 1
    row = await pipeline.lead(lead.lead_id)
    assert (row.status, (await http.get(path)).json()["status"]) == ("converted", "converted")
    assert [one.event for one in (await pipeline.published())[before:]] == ["LeadReopened", "FollowUpDone"]
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.tasks WHERE status = 'open'")).n == 0
