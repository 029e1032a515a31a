"""What a lead is and needs, where it stands, and what it asks for: on real PostgreSQL."""

from __future__ import annotations

from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from services.pipeline.handlers import Handlers
from services.pipeline.instruments import PipelineInstruments
from shared.contracts.lead_shape_events import LeadDescribed
from shared.contracts.lifecycle_events import FollowUpScheduled, LeadTouched
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.support.tables import tables_saying
from tests.unit.pipeline.builders import POLICY, SECRET, a_lead, a_score, an_interaction, at

RULES = Policy.model_validate(
    {
        "version": "test-5",
        "defaults": {
            **POLICY.defaults.model_dump(exclude_unset=True),
            "routing": {
                "owners": {"kim": {}, "lee": {}},
                "rules": [{"rule": "good", "when": "score >= 50", "to": "kim"}],
                "fallback": "lee",
            },
            "follow_up": {"requests": {"kinds": ["quote_request", "demo_request"], "within": "2h"}},
        },
    }
)


@pytest.fixture
def rules() -> Policy:
    return RULES


@pytest.fixture
def asking(pipeline: Pipeline) -> Pipeline:
    pipeline.handlers = Handlers(RULES, SECRET, PipelineInstruments(CollectorRegistry()), pipeline.routes)
    return pipeline


async def test_what_was_asked_for_is_not_answered_by_a_call_from_before_it(
    pipeline: Pipeline, http: httpx.AsyncClient, asking: Pipeline
) -> None:
    lead = a_lead("ann@x.example")
    await asking.take(lead, an_interaction("ann@x.example", kind="quote_request", occurred_at=at(60)))
    path, attempt = f"/v1/leads/{lead.lead_id}:record-contact", {"kind": "phone", "made": True}
    await do(http, path, {**attempt, "occurred_at": at(30).isoformat()})
    tasks = (await http.get("/v1/tasks", params={"kind": "request"})).json()["items"]
    assert [one["name"] for one in tasks] == ["answer the quote request"]
    await do(http, path, {**attempt, "occurred_at": at(61).isoformat()})
    assert (await http.get("/v1/tasks", params={"kind": "request"})).json()["items"] == []


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_request_moves_a_lead_into_somebodys_queue_once_until_it_is_answered(
    asking: Pipeline, http: httpx.AsyncClient, at_once: bool
) -> None:
    lead = a_lead("ann@x.example")
    asked = [an_interaction("ann@x.example", kind="quote_request", occurred_at=at(place)) for place in (1, 2)]
    other = an_interaction("ann@x.example", kind="demo_request", occurred_at=at(3))
    visit = an_interaction("ann@x.example", kind="page_view", occurred_at=at(4))
    events = [lead, *asked, other, visit]
    for batch in [events] if at_once else [[one] for one in events]:
        await asking.take(*batch)
    shown = (await http.get(f"/v1/leads/{lead.lead_id}")).json()
    assert (shown["status"], shown["interest"]) == ("working", "being worked on")
    tasks = (await http.get("/v1/tasks", params={"kind": "request"})).json()["items"]
    assert [(one["name"], one["owner"], one["due_at"]) for one in tasks] == [
        ("answer the quote request", "lee", at(1 + 120).isoformat()),
        ("answer the demo request", "lee", at(3 + 120).isoformat()),
    ]
    (place,) = (await http.get("/v1/queue", params={"owner": "lee"})).json()["items"]
    assert (place["lead_id"], place["urgency"]) == (str(lead.lead_id), "late")
    moved = [one.kind for one in await asking.published() if isinstance(one, LeadTouched) and one.moves]
    assert moved == ["quote_request", "quote_request", "demo_request"]
    await do(http, f"/v1/leads/{lead.lead_id}:record-contact", {"kind": "email"})
    assert (await http.get("/v1/tasks", params={"kind": "request"})).json()["items"] == []
    await asking.take(an_interaction("ann@x.example", kind="quote_request", occurred_at=at(9)))
    assert len((await http.get("/v1/tasks", params={"kind": "request"})).json()["items"]) == 1


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("answered", [True, False])
async def test_what_a_lead_asked_for_before_it_was_anybodys_is_answered_by_whom_it_is_given_to(
    asking: Pipeline, http: httpx.AsyncClient, at_once: bool, answered: bool
) -> None:
    lead = a_lead("ann@x.example")
    asked = an_interaction("ann@x.example", kind="quote_request", occurred_at=at(1))
    events = [lead, asked, a_score(lead.lead_id, 70, occurred_at=at(2))]
    for batch in [events] if at_once else [[one] for one in events]:
        await asking.take(*batch)
        if answered and asked in batch and not at_once:
            await do(http, f"/v1/leads/{lead.lead_id}:record-contact", {"kind": "email"})
    assert (await asking.lead(lead.lead_id)).owner == "kim"
    tasks = (await http.get("/v1/tasks", params={"kind": "request"})).json()["items"]
    open_still = [] if answered and not at_once else [("kim", at(1 + 120).isoformat())]
    assert [(one["owner"], one["due_at"]) for one in tasks] == open_still
    for owner, leads in (("kim", 1), ("lee", 0)):
        assert len((await http.get("/v1/queue", params={"owner": owner})).json()["items"]) == leads
    told = [
        one.owner for one in await asking.published() if isinstance(one, FollowUpScheduled) and one.kind == "request"
    ]
    assert told == ["lee", "kim"][: 1 + len(open_still)]


async def test_what_was_imported_what_is_spam_and_what_is_archived_asks_nobody(
    asking: Pipeline, http: httpx.AsyncClient
) -> None:
    old, spam, gone = a_lead("old@x.example"), a_lead("spam@x.example", mark="spam"), a_lead("gone@x.example")
    await asking.take(old, spam, gone)
    await do(http, f"/v1/leads/{gone.lead_id}:archive", {"reason": "no budget"})
    await asking.take(
        an_interaction("old@x.example", kind="quote_request", historical=True, occurred_at=at(1)),
        an_interaction("spam@x.example", kind="quote_request", occurred_at=at(1)),
        an_interaction("gone@x.example", kind="quote_request", occurred_at=at(1)),
    )
    assert [one for one in await asking.published() if isinstance(one, FollowUpScheduled)] == []
    assert (await asking.lead(old.lead_id)).status == "new"


async def test_what_a_lead_is_and_needs_is_said_kept_through_a_merge_and_its_end_and_forgotten_with_the_person(
    asking: Pipeline, http: httpx.AsyncClient
) -> None:
    one = a_lead("ann@x.example", company="Acme")
    other = a_lead("bob@x.example", name="Bob")
    await asking.take(one, other)
    path = f"/v1/leads/{one.lead_id}"
    shown = (await http.get(path)).json()
    assert (shown["kind"], shown["need"], list(shown["seconds_in_status"])) == ("organisation", None, ["new"])
    need = "A roof of zinc before winter"
    told = await do(http, f"/v1/leads/{other.lead_id}:describe", {"kind": "organisation", "need": need})
    assert (told["kind"], told["need"]) == ("organisation", need)
    assert (await do(http, f"/v1/leads/{other.lead_id}:describe", {}, status=422))["field"] == "kind"
    merged = await do(http, f"{path}:merge", {"other_lead_id": str(other.lead_id)})
    assert merged["need"] == need
    (loser,) = [UUID(lead_id) for lead_id in merged["merged_lead_ids"]]
    await do(http, f"/v1/leads/{loser}:unmerge")
    apart = {lead: (await http.get(f"/v1/leads/{lead}")).json()["need"] for lead in (one.lead_id, other.lead_id)}
    assert apart == {one.lead_id: None, other.lead_id: need}
    assert set(await tables_saying(asking.database, "pipeline", ["zinc"])) == {"leads", "asides"}
    assert [event.kind for event in await asking.published() if isinstance(event, LeadDescribed)] == ["organisation"]
    await do(http, "/v1/people:erase", {"email": "bob@x.example", "reason": "case 7"}, Leadflow_Actor="dpo")
    assert await tables_saying(asking.database, "pipeline", ["zinc"]) == {}
    assert (await http.get(f"/v1/leads/{other.lead_id}")).json()["kind"] == "organisation"
