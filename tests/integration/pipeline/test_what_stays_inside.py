"""By what a contact is recognised leaves by no way: it is kept with the lead and shown to nobody."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from services.pipeline.storage.people import people
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_contacts import BOB
from tests.integration.pipeline.test_matching import ASKING, jane, jane_again, known_by, policy
from tests.unit.pipeline.builders import at

ASKED: dict[str, Any] = {
    "owner": "kim",
    "q": "Jane",
    "what": "leads",
    "channel": "phone",
    "email": "jane.doering@x.example",
}


@pytest.fixture
def rules() -> Policy:
    return policy(ASKING)


async def test_no_answer_says_by_what_a_contact_is_recognised(
    pipeline: Pipeline, http: httpx.AsyncClient, app: FastAPI
) -> None:
    one, other, asking = jane(), jane_again(), known_by(pipeline, ASKING)
    await pipeline.take(one, other)
    path = f"/v1/leads/{one.lead_id}"
    await do(http, f"{path}/contacts", BOB, status=201)
    await do(http, f"{path}:assign", {"owner": "kim"})
    await do(http, f"{path}/tasks", {"due_at": at(10**7).isoformat()}, status=201)
    await asking.look()
    (kept,) = (await pipeline.lead(one.lead_id)).personal["contacts"].values()
    inside = [*kept["names"], *kept["claimed"]]
    assert inside
    answers: dict[str, str] = {}
    for route, operations in app.openapi()["paths"].items():
        if "get" in operations and route.startswith("/v1/"):
            asked = {said["name"] for said in operations["get"].get("parameters", []) if said["in"] == "query"}
            named = route.replace("{lead_id}", str(one.lead_id))
            while "{" in named:
                named = f"{named.partition('{')[0]}{uuid4()}{named.partition('}')[2]}"
            query = {name: value for name, value in ASKED.items() if name in asked and route != "/v1/leads"}
            answers[route] = (await http.get(named, params=query)).text
    answers["as CSV"] = (await http.get("/v1/export", params={"what": "leads", "format": "csv"})).text
    answers["to the person"] = (await http.post("/v1/people:export", json={"lead_id": str(one.lead_id)})).text
    known = await pipeline.database.run(lambda tx: people(tx, [one.lead_id]))
    answers["to whoever follows"] = str(known)
    for route in ("/v1/queue", "/v1/merge-candidates", "/v1/export", "/v1/leads", "to whoever follows"):
        assert "jane.doering@x.example" in answers[route], answers[route]
    assert "bob@acme.example" in answers["/v1/export"]
    assert not [(route, one) for route, text in answers.items() for one in (*inside, '"claimed"') if one in text]
