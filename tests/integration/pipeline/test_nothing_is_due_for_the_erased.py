"""Whoever was erased and has said nothing since is not qualified, given to anybody or promised anything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from services.pipeline.handlers import Handlers
from services.pipeline.instruments import PipelineInstruments
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.erasing import erase, just_now
from tests.integration.pipeline.test_commands import a_qualified_lead, do
from tests.integration.pipeline.test_routing import ROUTING, with_sections
from tests.integration.pipeline.test_timers import FOLLOW_UP
from tests.unit.pipeline.builders import SECRET, a_lead, a_score, an_interaction, at

RULES = with_sections(
    routing=ROUTING, follow_up={**FOLLOW_UP, "requests": {"kinds": ["quote_request"], "within": "2h"}}
)


@pytest.fixture
def rules() -> Policy:
    return RULES


@pytest.fixture(autouse=True)
def _ruled(pipeline: Pipeline, rules: Policy) -> None:
    pipeline.handlers = Handlers(rules, SECRET, PipelineInstruments(CollectorRegistry()), pipeline.routes)


async def due(pipeline: Pipeline) -> list[tuple[Any, str]]:
    rows = await pipeline.database.rows("SELECT lead_id, kind FROM pipeline.tasks WHERE status = 'open' ORDER BY kind")
    return [(row.lead_id, row.kind) for row in rows]


async def test_a_score_that_comes_after_the_erasure_qualifies_nobody(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example", **just_now())
    await pipeline.take(lead)
    await erase(http, email="ann@x.example")
    said = await pipeline.take(a_score(lead.lead_id, 70, occurred_at=datetime.now(UTC)))
    assert [type(one).__name__ for one in said] == ["LeadGraded"]
    assert await due(pipeline) == []
    row = await pipeline.lead(lead.lead_id)
    assert (row.erased, row.status, row.owner) == (True, "new", None)


async def test_who_says_something_since_is_somebody_again(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    lead = a_lead("ann@x.example", **just_now())
    await pipeline.take(lead)
    await erase(http, email="ann@x.example")
    await pipeline.take(a_lead("ann@x.example", name="Ann", **just_now()))
    assert not (await pipeline.lead(lead.lead_id)).erased
    said = await pipeline.take(a_score(lead.lead_id, 70, occurred_at=datetime.now(UTC)))
    assert {"LeadQualified", "LeadAssigned", "FollowUpScheduled"} <= {type(one).__name__ for one in said}


async def test_what_was_captured_before_and_comes_after_makes_nobody_known_again(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead, again = a_lead("ann@x.example", **just_now()), a_lead("ann@x.example", occurred_at=at(1), **just_now())
    await pipeline.take(lead)
    await erase(http, email="ann@x.example")
    await pipeline.take(again.model_copy(update={"lead_id": lead.lead_id}))
    assert (await pipeline.lead(lead.lead_id)).erased
    await pipeline.take(an_interaction("ann@x.example", kind="quote_request", recorded_at=lead.recorded_at))
    assert await due(pipeline) == []


async def test_an_unmerge_begins_nothing_anew_for_an_erased_id(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    one, other = a_lead("ann@x.example", **just_now()), a_lead(phone="+31612345670", occurred_at=at(1), **just_now())
    await pipeline.take(one, other, *[a_score(each.lead_id, 70, occurred_at=at(2)) for each in (one, other)])
    await pipeline.take(a_lead("ann@x.example", phone="+31612345670", occurred_at=at(3), **just_now()))
    await erase(http, email="ann@x.example")
    await do(http, f"/v1/leads/{other.lead_id}:unmerge")
    assert await due(pipeline) == []
    assert (await pipeline.lead(one.lead_id)).erased
    assert (await pipeline.lead(other.lead_id)).erased


async def test_taken_up_again_an_erased_lead_has_no_cadence_until_somebody_can_be_reached(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead_id = await a_qualified_lead(pipeline)
    await do(http, f"/v1/leads/{lead_id}:archive", {"reason": "no budget"})
    await erase(http, email="ann@x.example")
    await do(http, f"/v1/leads/{lead_id}:reopen")
    assert await due(pipeline) == []
    said = {"due_at": "2030-01-01T00:00:00Z"}
    refused = await do(http, f"/v1/leads/{lead_id}/tasks", said, status=409)
    assert refused["state"] == "erased"
    await do(http, f"/v1/leads/{lead_id}/contacts", {"role": "adviser", "name": "Bo"}, status=201)
    await do(http, f"/v1/leads/{lead_id}/tasks", said, status=201)
    assert await due(pipeline) == [(lead_id, "task")]
