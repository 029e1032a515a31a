"""Questions that hold what is no text to a database are told so, whoever asks and whatever about."""

from __future__ import annotations

import json

import pytest

from tests.integration.capture.quarantine_door import JSON, OPERATOR, Door
from tests.unit.capture.fakes import problem

DAY = "from=2026-03-02T00:00:00Z&to=2026-03-03T00:00:00Z"
COUNT = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z", "expected": 1}


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/reconciliation?{DAY}&business_unit=a%00b",
        f"/v1/reconciliation?{DAY}&sender=a%00b",
        "/v1/uploads?sender=a%00b",
        "/v1/keys?sender=a%00b",
        "/v1/keys?after=a%00b",
        "/v1/quarantine?sender=a%00b",
    ],
)
async def test_a_question_with_a_nul(door: Door, path: str) -> None:
    problem(await door.client.get(path, headers=OPERATOR), 422, "invalid")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/reconciliation", {**COUNT, "sender": "a\x00b"}),
        ("/v1/reconciliation", {**COUNT, "sender": "a\ud800b"}),
        ("/v1/keys/a%00b:rotate", {}),
        ("/v1/keys/a%00b:revoke", {}),
        ("/v1/people:held", {"lead_ids": [], "tokens": ["a\x00b"], "until": "2027-01-01T00:00:00Z"}),
    ],
)
async def test_an_order_with_what_is_no_text(door: Door, path: str, body: dict[str, object]) -> None:
    answer = await door.client.post(path, content=json.dumps(body), headers={**JSON, **OPERATOR})
    assert answer.status_code == 422, answer.text
    assert answer.json()["fix"]
