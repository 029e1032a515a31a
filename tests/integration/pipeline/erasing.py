"""Somebody with secrets, and how they are erased, for the tests of erasure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx

from shared.contracts.capture_events import Consent, LeadCaptured
from tests.integration.pipeline.conftest import Pipeline
from tests.support.tables import tables_saying

SECRETS = ("ann@x.example", "31612345678", "Ann Secret", "ticked by Ann", "likes tea", "call me")
ANN: dict[str, Any] = {"name": "Ann Secret", "consents": (Consent(purpose="mail", proof="ticked by Ann"),)}


def just_now(**values: Any) -> dict[str, Any]:
    """Recorded before anything that is done from now on."""
    return {"recorded_at": datetime.now(UTC), **values}


async def erase(http: httpx.AsyncClient, **who: Any) -> Any:
    who.setdefault("reason", "request 17")
    answer = await http.post("/v1/people:erase", json=who, headers={"Leadflow-Actor": "kim"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def says_nothing(pipeline: Pipeline) -> None:
    assert await tables_saying(pipeline.database, "pipeline", SECRETS) == {}


async def person(pipeline: Pipeline, lead: LeadCaptured) -> dict[str, Any]:
    found: dict[str, Any] = (await pipeline.lead(lead.lead_id)).personal
    return found
