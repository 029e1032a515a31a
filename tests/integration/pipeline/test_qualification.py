"""Qualification by a policy that looks at what leads do and permit, and asks a person: on real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from services.pipeline.bulk import Bulk
from services.pipeline.commands import Commands
from services.pipeline.handlers import Handlers
from services.pipeline.instruments import PipelineInstruments
from shared.contracts.capture_events import Consent
from shared.contracts.envelope import LifecycleEvent
from shared.contracts.lifecycle_events import FollowUpDone, LeadAssigned, LeadQualified
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.unit.pipeline.builders import POLICY, SECRET, a_lead, a_score, an_interaction, at

RULES = Policy.model_validate(
    {
        "version": "test-2",
        "defaults": {
            **POLICY.defaults.model_dump(exclude_unset=True),
            "qualification": {
                "required": ["email"],
                "rules": [
                    {"rule": "wants it", "when": 'activity.quote_request >= 2 and consent == "contact"'},
                    {"rule": "perhaps", "when": "score >= 30", "confirm": True},
                ],
            },
            "routing": {"owners": {"kim": {}}, "fallback": "kim"},
        },
    }
)


@pytest.fixture
def rules() -> Policy:
    return RULES


@pytest.fixture
def asking(pipeline: Pipeline) -> Pipeline:
    """A pipeline that qualifies by these rules."""
    pipeline.handlers = Handlers(RULES, SECRET, PipelineInstruments(CollectorRegistry()), pipeline.routes)
    return pipeline


def qualified(events: Iterable[LifecycleEvent]) -> list[LeadQualified]:
    return [one for one in events if isinstance(one, LeadQualified)]


@pytest.mark.parametrize("at_once", [True, False])
async def test_what_a_lead_did_counts_whether_it_comes_in_one_batch_or_in_many(asking: Pipeline, at_once: bool) -> None:
    lead = a_lead("ann@x.example", consents=(Consent(purpose="contact"),))
    asked = [an_interaction("ann@x.example", kind="quote_request", occurred_at=at(place)) for place in (1, 2)]
    events = [
        lead,
        a_score(lead.lead_id, 10),
        asked[0],
        a_score(lead.lead_id, 11, occurred_at=at(1)),
        asked[1],
        a_score(lead.lead_id, 12, occurred_at=at(2)),
    ]
    batches = [events] if at_once else [[one] for one in events]
    said = [event for batch in batches for event in await asking.take(*batch)]
    (found,) = qualified(said)
    assert (found.rule, found.automatic, found.policy_version, found.occurred_at) == ("wants it", True, "test-2", at(2))
    assert found.reason == (
        "score 12; rule 'wants it': activity.quote_request >= 2 and consent == \"contact\"; has email"
    )
    assert [one.owner for one in said if isinstance(one, LeadAssigned)] == ["kim"]


async def test_a_lead_to_be_confirmed_is_in_somebodys_queue_until_they_say_yes(
    asking: Pipeline, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example")
    await asking.take(lead, a_score(lead.lead_id, 35))
    await asking.take(a_score(lead.lead_id, 36, occurred_at=at(1)))
    (task,) = (await http.get("/v1/tasks", params={"kind": "confirmation"})).json()["items"]
    assert (task["name"], task["owner"], task["lead_id"]) == ("confirm qualification", "kim", str(lead.lead_id))
    (waiting,) = (await http.get("/v1/queue", params={"owner": "kim"})).json()["items"]
    assert (waiting["lead_id"], waiting["status"]) == (str(lead.lead_id), "new")
    refused = await do(http, f"/v1/tasks/{task['task_id']}:complete", status=409)
    assert ":qualify" in refused["fix"]
    done = await do(http, f"/v1/leads/{lead.lead_id}:qualify", Leadflow_Actor="kim")
    assert (done["status"], done["owner"]) == ("qualified", "kim")
    published = await asking.published()
    (yes,) = qualified(published)
    assert (yes.actor, yes.automatic, yes.rule) == ("kim", False, "perhaps")
    assert yes.reason == "confirmed: score 36; rule 'perhaps': score >= 30; has email".replace("36", "35")
    assert sum(isinstance(one, FollowUpDone) for one in published) == 1
    assert (await http.get("/v1/tasks", params={"kind": "confirmation"})).json()["items"] == []


async def test_of_many_leads_at_once_each_is_told_what_was_confirmed(asking: Pipeline, http: httpx.AsyncClient) -> None:
    lead = a_lead("ann@x.example")
    await asking.take(lead, a_score(lead.lead_id, 35))
    wanted = {"doing": "qualify", "said": {}, "lead_ids": [str(lead.lead_id)]}
    assert (await http.post("/v1/bulk", json=wanted)).status_code == 202
    commands = Commands(asking.database, RULES, SECRET, PipelineInstruments(CollectorRegistry()))
    await Bulk(asking.database, commands, SECRET, items_per_second=10_000).work()
    (yes,) = qualified(await asking.published())
    assert (yes.automatic, yes.rule) == (False, "perhaps")
    assert (yes.reason or "").startswith("confirmed:")


async def test_a_lead_that_somebody_declined_is_not_asked_about_with_each_new_score(
    asking: Pipeline, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example")
    await asking.take(lead, a_score(lead.lead_id, 35))
    (task,) = (await http.get("/v1/tasks", params={"kind": "confirmation"})).json()["items"]
    await do(http, f"/v1/tasks/{task['task_id']}:cancel", {"note": "too small"})
    await asking.take(a_score(lead.lead_id, 50, occurred_at=at(1)))
    assert (await http.get("/v1/tasks", params={"kind": "confirmation"})).json()["items"] == []


async def test_a_permission_given_later_qualifies_what_waited_for_it(asking: Pipeline, http: httpx.AsyncClient) -> None:
    lead = a_lead("ann@x.example")
    asked = [an_interaction("ann@x.example", kind="quote_request", occurred_at=at(place)) for place in (1, 2)]
    await asking.take(lead, *asked, a_score(lead.lead_id, 12, occurred_at=at(2)))
    path = f"/v1/leads/{lead.lead_id}"
    assert (await http.get(path)).json()["status"] == "working"
    done = await do(http, f"{path}:record-consent", {"purpose": "contact", "granted": True})
    assert (done["status"], done["owner"]) == ("qualified", "kim")


async def test_what_a_merged_lead_did_counts_for_the_person(asking: Pipeline) -> None:
    one = a_lead(phone="+31612345678", consents=(Consent(purpose="contact"),))
    other = a_lead("ann@x.example", phone="+31612345678", occurred_at=at(3))
    did = [an_interaction(phone="+31612345678", kind="quote_request", occurred_at=at(place)) for place in (1, 2)]
    await asking.take(one, did[0], did[1], a_score(one.lead_id, 9, occurred_at=at(2)))
    assert (await asking.lead(one.lead_id)).status == "working"
    said = await asking.take(other, a_score(one.lead_id, 9, occurred_at=at(3)))
    assert [found.rule for found in qualified(said)] == ["wants it"]
    root: UUID = (await asking.lead(other.lead_id)).root_id
    assert (await asking.lead(root)).status == "qualified"
