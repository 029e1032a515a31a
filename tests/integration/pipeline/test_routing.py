"""Leads are given out when they qualify, a batch at once, on real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.pipeline.asking import Asked
from services.pipeline.commands import Commands
from services.pipeline.domain import decisions
from services.pipeline.handlers import Handlers
from services.pipeline.instruments import PipelineInstruments, WorkInstruments
from services.pipeline.workload import Workload
from shared.contracts.lifecycle_events import LeadAssigned
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.unit.pipeline.builders import POLICY, SECRET, a_lead, a_score, at

ROUTING: dict[str, Any] = {
    "owners": {"ann": {"capacity": 3}, "bob": {}, "dirk": {}, "boss": {}},
    "teams": {"north": {"strategy": "least_busy", "members": ["ann", "bob"]}},
    "rules": [
        {"rule": "dutch", "when": 'country == "NL"', "to": "dirk"},
        {"rule": "web", "when": 'channel == "web_form"', "to": "north"},
    ],
    "fallback": "boss",
}


def with_sections(**sections: Any) -> Policy:
    """The tests' policy with more sections."""
    document = POLICY.model_dump(mode="json", exclude_unset=True)
    document["defaults"] |= sections
    return Policy.model_validate(document)


@pytest.fixture
def routed(pipeline: Pipeline) -> Commands:
    """Commands of a pipeline that gives out its leads."""
    policy, instruments = with_sections(routing=ROUTING), PipelineInstruments(CollectorRegistry())
    pipeline.handlers = Handlers(policy, SECRET, instruments, pipeline.routes)
    return Commands(pipeline.database, policy, SECRET, instruments)


async def loads(pipeline: Pipeline) -> dict[str, int]:
    """How many open leads each owner has, counted on the leads and as it is kept."""
    kept = await pipeline.database.rows("SELECT owner, leads FROM pipeline.owner_loads WHERE leads <> 0")
    counted = await pipeline.database.rows(
        """
        SELECT owner, count(*) AS leads FROM pipeline.leads WHERE lead_id = root_id AND owner IS NOT NULL
            AND mark IS NULL AND status IN ('working', 'qualified') GROUP BY owner"""
    )
    listed = await pipeline.database.rows(
        "SELECT owner, count(*) AS leads FROM pipeline.worklist WHERE owner IS NOT NULL GROUP BY owner"
    )
    found = {row.owner: row.leads for row in kept}
    assert found == {row.owner: row.leads for row in counted} == {row.owner: row.leads for row in listed}
    return found


async def do(commands: Commands, lead_id: UUID, name: str, decide: Any, **values: Any) -> dict[str, Any]:
    done = await commands.on_lead(lead_id, Asked(name, {}), lambda state, unit, act: decide(state, unit, act, **values))
    return done.lead


async def test_a_batch_is_given_out_at_once_and_says_why(pipeline: Pipeline, routed: Commands) -> None:
    leads = [a_lead(f"{place}@x.example", country="NL" if place % 4 == 0 else "DE") for place in range(12)]
    scores = [a_score(one.lead_id, 70, occurred_at=at(5)) for one in leads]
    assigned = [one for one in await pipeline.take(*leads, *scores) if isinstance(one, LeadAssigned)]
    assert Counter((one.owner, one.team, one.rule) for one in assigned) == {
        ("dirk", None, "dutch"): 3,
        ("ann", "north", "web"): 3,
        ("bob", "north", "web"): 6,
    }
    one = assigned[1]
    assert (one.automatic, one.reason, one.policy_version) == (
        True,
        "least busy with 0 leads, at work, 2 free",
        "test-1",
    )
    assert one.occurred_at == at(5)
    assert await loads(pipeline) == {"dirk": 3, "ann": 3, "bob": 6}
    again = await pipeline.take(*scores)
    assert again == []


async def test_whose_turn_it_is_is_remembered_from_one_batch_to_the_next(pipeline: Pipeline) -> None:
    routing = {**ROUTING, "teams": {"north": {"strategy": "weighted", "members": ["ann", "bob"]}}, "rules": [{"rule": "all", "to": "north"}]}  # fmt: skip
    routing["owners"] = {"ann": {"weight": 1}, "bob": {"weight": 3}, "boss": {}}
    policy = with_sections(routing=routing)
    pipeline.handlers = Handlers(policy, SECRET, PipelineInstruments(CollectorRegistry()), pipeline.routes)
    for place in range(8):
        lead = a_lead(f"{place}@x.example")
        await pipeline.take(lead, a_score(lead.lead_id, 70))
    assert await loads(pipeline) == {"ann": 2, "bob": 6}


async def test_many_at_once_are_shared_evenly(pipeline: Pipeline, routed: Commands) -> None:
    leads = [a_lead(f"{place}@x.example") for place in range(20)]
    await pipeline.take(*leads)
    await asyncio.gather(
        *(
            do(routed, one.lead_id, ":qualify", lambda state, _, act: decisions.decide_qualify(state, act))
            for one in leads
        )
    )
    assert await loads(pipeline) == {"ann": 3, "bob": 17}


async def test_what_is_put_aside_or_converted_makes_room_and_what_comes_back_has_its_owner(
    pipeline: Pipeline, routed: Commands
) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead, a_score(lead.lead_id, 70))
    assert await loads(pipeline) == {"ann": 1}
    await do(routed, lead.lead_id, ":archive", decisions.decide_archive, reason="no budget", note=None)
    assert await loads(pipeline) == {}
    shown = await do(routed, lead.lead_id, ":reopen", lambda state, _, act: decisions.decide_reopen(state, act))
    assert shown["owner"] == "ann"
    assert await loads(pipeline) == {"ann": 1}


async def test_another_owner_leaves_the_first_assignment_and_the_first_response_as_they_were(
    pipeline: Pipeline, routed: Commands
) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead, a_score(lead.lead_id, 70, occurred_at=at(1)))

    def contact(state: Any, _: Any, act: Any, human: bool) -> Any:
        return decisions.decide_contact(
            state, act, kind="call", outcome=None, owner=None, human=human, outbound=True
        )  # fmt: skip

    assert (await do(routed, lead.lead_id, ":record-contact", contact, human=False))["first_response_at"] is None
    first = (await do(routed, lead.lead_id, ":record-contact", contact, human=True))["first_response_at"]
    shown = await do(
        routed,
        lead.lead_id,
        ":assign",
        lambda state, _, act: decisions.decide_assign(state, act, owner="bob", team=None),
    )
    await do(routed, lead.lead_id, ":record-contact", contact, human=True)
    assert (shown["owner"], shown["first_assigned_at"], shown["first_response_at"]) == ("bob", at(1), first)
    assert shown["assigned_at"] > at(1)
    assert await loads(pipeline) == {"bob": 1}


async def test_two_that_turn_out_to_be_one_are_one_on_the_worklist(pipeline: Pipeline, routed: Commands) -> None:
    one, other = a_lead("ann@x.example"), a_lead(phone="+31612345678", occurred_at=at(1))
    await pipeline.take(one, other, a_score(one.lead_id, 70), a_score(other.lead_id, 70, occurred_at=at(1)))
    assert await loads(pipeline) == {"ann": 1, "bob": 1}
    await pipeline.take(a_lead("ann@x.example", phone="+31612345678", occurred_at=at(2)))
    assert sum((await loads(pipeline)).values()) == 1


async def test_a_lead_waits_where_nothing_gives_it_out_and_can_be_counted(pipeline: Pipeline) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead, a_score(lead.lead_id, 70, occurred_at=at(3)))
    waiting = await pipeline.one("SELECT lead_id, owner, since FROM pipeline.worklist")
    assert (waiting.lead_id, waiting.owner, waiting.since) == (lead.lead_id, None, at(3))
    await Workload(pipeline.database, POLICY, WorkInstruments(pipeline.registry)).refresh()

    def told(what: str, unit: str) -> float | None:
        return pipeline.registry.get_sample_value(f"leadflow_pipeline_unassigned_{what}", {"business_unit": unit})

    assert (told("leads", "default"), told("oldest_timestamp_seconds", "default")) == (1, at(3).timestamp())
    assert (told("leads", "other"), told("oldest_timestamp_seconds", "other")) == (0, 0)
