"""From the payload to the person: a shared mailbox, a shared number and a made-up one never make two people one."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.capture.domain import Submission, Taken
from services.capture.handlers import message
from shared.contracts.capture_events import LeadCaptured
from shared.contracts.policy import Policy, UnitPolicy
from shared.contracts.topics import CAPTURE_LEADS
from tests.integration.pipeline.conftest import Pipeline
from tests.unit.capture.fakes import NOW, the_rules

RULES = the_rules(Policy(version="1", defaults=UnitPolicy(country="NL", shared_phones=("+31201112222",))))


def captured(body: dict[str, Any]) -> LeadCaptured:
    """The event that capture makes of a payload."""
    decision = RULES.decide("lead", body, Submission("tests", False, NOW), None)
    assert isinstance(decision, Taken), decision
    event = CAPTURE_LEADS.parse(message(decision)[1])
    assert isinstance(event, LeadCaptured)
    return event


async def names(http: httpx.AsyncClient) -> list[str]:
    """Everybody there is."""
    return sorted([one["personal"]["name"] for one in (await http.get("/v1/leads")).json()["items"]])


@pytest.mark.parametrize(
    ("shared", "flag"),
    [
        *(({"email": f"{mailbox}@acme.example"}, "role_address") for mailbox in ("info", "Sales", "noreply", "it+nl")),
        ({"phone": "020 111 2222"}, "shared_phone"),
        ({"phone": "+31201112222"}, "shared_phone"),
        ({"phone": "06 1234 5678"}, "shared_phone"),
        ({"phone": "۰۲۰ ۰۰۰۰۰۰۰"}, "shared_phone"),
    ],
)
async def test_two_leads_with_what_many_share_stay_two(
    pipeline: Pipeline, http: httpx.AsyncClient, shared: dict[str, str], flag: str
) -> None:
    ann, ben = captured({"name": "Ann", **shared}), captured({"name": "Ben", **shared})
    await pipeline.take(ann, ben)
    assert await names(http) == ["Ann", "Ben"]
    story = (await http.get(f"/v1/leads/{ann.lead_id}/history")).json()["events"]
    assert story[0]["flags"] == [flag]


async def test_what_many_share_does_not_join_people_who_are_known_by_something_of_their_own(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    desk = {"phone": "+31 20 111 2222"}
    ann = captured({"name": "Ann", "email": "ann@acme.example", **desk})
    ben = captured({"name": "Ben", "email": "ben@acme.example", **desk})
    own = captured({"name": "Cem", "email": "info@acme.example", "phone": "+31 6 23456712"})
    also = captured({"name": "Dee", "email": "info@acme.example", "phone": "+31 6 23456721"})
    await pipeline.take(ann, ben, own, also)
    assert await names(http) == ["Ann", "Ben", "Cem", "Dee"]
    again = captured({"name": "Ann", "phone": "+31 6 23456799", "email": "ann@acme.example"})
    await pipeline.take(again)
    assert len(await names(http)) == 4, "what is somebody's own still recognises them"
