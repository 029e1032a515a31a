"""Nobody is contacted more often, at other hours or with less permission than the policy says; what was done is recorded."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from shared.contracts.lifecycle_events import ContactAttempted
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_routing import with_sections
from tests.integration.pipeline.test_timers import Work
from tests.integration.pipeline.test_work_api import app, look, work  # noqa: F401
from tests.unit.pipeline.builders import a_lead, at


@pytest.fixture
def rules() -> Policy:
    return with_sections(
        contact={
            "limits": [{"at_most": 2, "within_hours": 24}],
            "quiet_hours": {"start": "21:00", "end": "08:00"},
            "consent": {"email": "newsletter"},
        }
    )


async def counted(http: httpx.AsyncClient, reason: str, outcome: str) -> float:
    text = (await http.get("/metrics")).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "leadflow_pipeline_contacts_against_rules_total"
        and sample.labels == {"reason": reason, "outcome": outcome}
    )


async def test_a_contact_over_the_limit_is_refused_with_when_it_is_allowed_and_counted(
    pipeline: Pipeline, work: Work, http: httpx.AsyncClient  # noqa: F811
) -> None:  # fmt: skip
    lead = a_lead("ann@x.example", phone="+31612345678")
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    work.after(1)
    await do(http, f"{path}:record-contact", {"kind": "phone"})
    work.after(60)
    await do(http, f"{path}:record-contact", {"kind": "chat", "human": False})
    no = await do(http, f"{path}:record-contact", {"kind": "phone"}, status=409)
    assert (no["type"], no["reason"]) == ("urn:leadflow:problem:contact-limit", "limit")
    assert no["allowed_at"] == at(24 * 60 + 1).isoformat()
    assert await look(http, f"{path}/contact-allowance", channel="phone") == {
        "lead_id": str(lead.lead_id), "channel": "phone", "allowed": False, "reason": "limit",
        "words": "2 attempts on all channels within 24 hours; 2 are allowed.", "allowed_at": no["allowed_at"],
    }  # fmt: skip
    await do(http, f"{path}:record-contact", {"kind": "phone", "outbound": False})
    assert await counted(http, "limit", "refused") == 1
    shown = await do(http, f"{path}:record-contact", {"kind": "phone", "made": True})
    events = (await look(http, f"{path}/history"))["events"]
    assert (events[-1]["event"], events[-1]["against"]) == ("ContactAttempted", "limit")
    assert (shown["version"], await counted(http, "limit", "made")) == (5, 1)


async def test_that_it_was_earlier_lets_nobody_through_and_what_was_made_earlier_is_against_the_rule(
    pipeline: Pipeline, work: Work, http: httpx.AsyncClient  # noqa: F811
) -> None:  # fmt: skip
    lead = a_lead("ann@x.example", phone="+31612345678")
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    work.after(72 * 60)
    for _ in range(2):
        await do(http, f"{path}:record-contact", {"kind": "phone"})
    for minute in (71 * 60, 40 * 60, 72 * 60 + 9):
        said = {"kind": "phone", "occurred_at": at(minute).isoformat()}
        assert (await do(http, f"{path}:record-contact", said, status=409))["reason"] == "limit"
    await do(http, f"{path}:record-contact", {**said, "occurred_at": at(71 * 60).isoformat(), "made": True})
    events = (await look(http, f"{path}/history"))["events"]
    assert [one.get("against") for one in events if one["event"] == "ContactAttempted"] == ["limit", None, None]


async def test_what_is_said_to_have_been_long_ago_is_counted_as_of_then(
    pipeline: Pipeline, work: Work, http: httpx.AsyncClient  # noqa: F811
) -> None:  # fmt: skip
    lead = a_lead("ann@x.example", phone="+31612345678")
    await pipeline.take(lead)
    work.after(72 * 60)
    path, said = f"/v1/leads/{lead.lead_id}", {"kind": "phone", "occurred_at": at(60).isoformat()}
    for _ in range(2):
        await do(http, f"{path}:record-contact", said)
    no = await do(http, f"{path}:record-contact", said, status=409)
    assert (no["reason"], no["allowed_at"]) == ("limit", work.clock.now().isoformat())


async def test_consent_and_the_clock_where_the_lead_is_are_asked(
    pipeline: Pipeline, work: Work, http: httpx.AsyncClient  # noqa: F811
) -> None:  # fmt: skip
    lead = a_lead("ann@x.example", phone="+12125550100")
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    early = await do(http, f"{path}:record-contact", {"kind": "phone"}, status=409)
    assert (early["reason"], early["allowed_at"]) == ("quiet_hours", "2026-03-02T13:00:00+00:00")
    assert (await do(http, f"{path}:record-contact", {"kind": "email"}, status=409))["reason"] == "consent"
    await do(http, f"{path}:record-consent", {"purpose": "newsletter", "granted": True})
    await do(http, f"{path}:record-contact", {"kind": "email"})
    await do(http, f"{path}:record-consent", {"purpose": "Newsletter", "granted": False})
    work.after(1)
    for kind in ("email", "Email", "e-mail"):
        assert (await do(http, f"{path}:record-contact", {"kind": kind}, status=409))["reason"] == "consent"
    await do(http, f"{path}:record-contact", {"kind": "E-Mail", "made": True})
    kinds = [one.kind for one in await pipeline.published() if isinstance(one, ContactAttempted)]
    assert kinds == ["email", "email"]


def test_the_app_is_made_with_the_policy_of_this_file(app: FastAPI) -> None:  # noqa: F811
    parts: Any = app.state.pipeline
    assert parts.policy.defaults.contact.consent == {"email": "newsletter"}
