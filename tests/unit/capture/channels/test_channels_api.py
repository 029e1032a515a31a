"""The addresses of channels: found, trusted, read, taken and answered."""

from __future__ import annotations

import json
from base64 import b64encode
from hmac import digest
from pathlib import Path
from typing import Any

import pytest

from services.capture.domain.channels import ADAPTERS
from shared.contracts.policy.channels import AdapterName
from shared.kit.documents import InvalidDocument
from tests.support.clock import FakeClock
from tests.unit.capture.channels.support import SECRETS, a_door
from tests.unit.capture.fakes import NOW, PLAIN_KEY, READ_KEY, FakeLog, problem

ENDPOINTS: dict[str, dict[str, Any]] = {
    "crm": {"adapter": "json", "channel": "web_form", "mapping": {"email": "contact.mail"}},
    "hooks": {"adapter": "standard_webhooks", "channel": "social", "secret": "SENDER"},
}
KEY = {"X-API-Key": PLAIN_KEY}


def signed(body: bytes, *, secret: str = SECRETS["SENDER"][0], identifier: str = "msg_1") -> dict[str, str]:
    """The headers of a Standard Webhook."""
    at = str(int(NOW.timestamp()))
    mac = digest(secret.encode(), f"{identifier}.{at}.".encode() + body, "sha256")
    return {
        "webhook-id": identifier,
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{b64encode(mac).decode()}",
        "content-type": "application/json",
    }


def test_there_is_an_adapter_for_every_name() -> None:
    assert set(ADAPTERS) == set(AdapterName.__args__)  # type: ignore[attr-defined]


async def test_a_delivery_becomes_leads_of_the_endpoints_sender_unit_and_channel(tmp_path: Path, log: FakeLog) -> None:
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        answer = await client.post(
            "/v1/channels/tehran/crm", json={"contact": {"mail": "ada@example.com"}}, headers=KEY
        )
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 1
    (event,) = log.events()
    assert (event.sender, event.business_unit, event.channel) == ("crm", "tehran", "web_form")
    assert event.personal is not None
    assert event.personal.email == "ada@example.com"


async def test_each_address_says_which_methods_it_has_and_documents_these_alone(tmp_path: Path, log: FakeLog) -> None:
    endpoints = {
        **ENDPOINTS,
        "meta": {"adapter": "meta_lead_ads", "channel": "social", "secret": "SENDER", "verify_token": "SENDER"},
        "contact": {"adapter": "form", "channel": "web_form", "allowed_origins": ["https://www.example.com"]},
    }
    expected = {"crm": "POST", "hooks": "POST", "meta": "GET, POST", "contact": "POST, OPTIONS"}
    async with a_door(tmp_path, endpoints, log=log) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        for name, allowed in expected.items():
            path = f"/v1/channels/default/{name}"
            assert set(paths[path]) == {method.lower() for method in allowed.split(", ")}
            for method in {"GET", "OPTIONS", "PUT", "PATCH", "DELETE"} - set(allowed.split(", ")):
                answer = await client.request(method, path)
                problem(answer, 405, "method-not-allowed")
                assert answer.headers["allow"] == allowed
        problem(await client.put("/v1/channels/default/nobody"), 404, "not-found")


async def test_a_redelivery_is_one_lead(tmp_path: Path, log: FakeLog) -> None:
    body = json.dumps({"type": "lead", "data": {"email": "ada@example.com"}}).encode()
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        for secret in SECRETS["SENDER"]:
            answer = await client.post("/v1/channels/default/hooks", content=body, headers=signed(body, secret=secret))
            assert answer.status_code == 200
    assert len({event.event_id for event in log.events()}) == 1


async def test_what_a_sender_calls_a_test_is_marked_as_one(tmp_path: Path, log: FakeLog) -> None:
    endpoints = {"google": {"adapter": "google_ads", "channel": "social", "secret": "SENDER"}}
    lead = {"google_key": SECRETS["SENDER"][1], "lead_id": "1", "user_column_data": [], "is_test": True}
    async with a_door(tmp_path, endpoints, log=log) as client:
        assert (await client.post("/v1/channels/default/google", json=lead)).status_code == 200
    assert log.events()[0].mark == "test"


async def test_what_is_not_from_the_sender_is_401_and_nothing_is_kept(tmp_path: Path, log: FakeLog) -> None:
    body = b'{"email": "ada@example.com"}'
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        for headers in ({}, signed(body + b" "), signed(body, secret="somebody-elses")):
            problem(await client.post("/v1/channels/default/hooks", content=body, headers=headers), 401, "unauthorized")
        problem(await client.post("/v1/channels/default/crm", content=body), 401, "unauthorized")
        refused = await client.post("/v1/channels/default/crm", content=body, headers={"X-API-Key": READ_KEY})
        problem(refused, 403, "forbidden")
        text = (await client.get("/metrics")).text
    assert not log.records
    assert 'leadflow_capture_deliveries_total{adapter="standard_webhooks",outcome="forged"} 3.0' in text


async def test_a_key_of_ours_proves_a_sender_too(tmp_path: Path, log: FakeLog) -> None:
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        answer = await client.post("/v1/channels/default/hooks", json={"email": "ada@example.com"}, headers=KEY)
    assert answer.status_code == 200


async def test_which_secret_proves_deliveries_can_be_seen(tmp_path: Path, log: FakeLog) -> None:
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        for secret in (SECRETS["SENDER"][0], SECRETS["SENDER"][1], SECRETS["SENDER"][1]):
            await client.post("/v1/channels/default/hooks", content=b"{}", headers=signed(b"{}", secret=secret))
        text = (await client.get("/metrics")).text
    assert 'leadflow_capture_deliveries_proven_total{age="newest",secret="SENDER"} 1.0' in text
    assert 'leadflow_capture_deliveries_proven_total{age="older",secret="SENDER"} 2.0' in text


async def test_a_sender_without_ids_of_its_own_may_name_each_delivery(tmp_path: Path, log: FakeLog) -> None:
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        for _ in range(2):
            named = KEY | {"Idempotency-Key": "d1"}
            await client.post("/v1/channels/default/crm", json=[{"name": "a"}, {"name": "b"}], headers=named)
        empty = await client.post("/v1/channels/default/crm", json={}, headers=KEY | {"Idempotency-Key": ""})
    problem(empty, 422, "invalid-fields")
    assert len({event.event_id for event in log.events()}) == 2


async def test_nothing_in_it_can_be_taken(tmp_path: Path, log: FakeLog) -> None:
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        answer = await client.post("/v1/channels/default/crm", json=[{"name": ["x"]}, {"name": []}], headers=KEY)
        assert answer.status_code == 422
        problem(await client.post("/v1/channels/default/crm", json=[3], headers=KEY), 422, "invalid-fields")
        some = await client.post("/v1/channels/default/crm", json=[{"name": ["x"]}, {"name": "Ada"}], headers=KEY)
    assert (some.status_code, some.json()["accepted"], some.json()["rejected"]) == (200, 1, 1)


async def test_addresses_that_are_not_there(tmp_path: Path, log: FakeLog) -> None:
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        problem(await client.post("/v1/channels/default/nobody", json={}), 404, "not-found")
        problem(await client.post("/v1/channels/nowhere/crm", json={}), 404, "not-found")
        problem(await client.get("/v1/channels/default/crm"), 405, "method-not-allowed")


async def test_503_asks_for_all_of_it_again(tmp_path: Path, log: FakeLog) -> None:
    log.fails_after = 1
    async with a_door(tmp_path, ENDPOINTS, log=log) as client:
        answer = await client.post("/v1/channels/default/crm", json=[{"name": "a"}, {"name": "b"}], headers=KEY)
    problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_what_was_taken_of_a_delivery_without_ids_is_known_when_it_comes_again(
    tmp_path: Path, log: FakeLog
) -> None:
    same = {"contact": {"mail": "ada@example.com"}}
    delivered = [same, same, {"contact": {"mail": "bob@example.com"}, "record_id": "own"}]
    log.fails_after = 2
    # A process that remembers nothing, as another one or the same after a restart.
    async with a_door(tmp_path, ENDPOINTS, log=log, memory_bytes=0) as client:
        problem(await client.post("/v1/channels/default/crm", json=delivered, headers=KEY), 503, "unavailable")
        log.fails_after = None
        for _ in range(2):
            assert (await client.post("/v1/channels/default/crm", json=delivered, headers=KEY)).status_code == 200
    assert len(log.records) == 8
    assert len({event.event_id for event in log.events()}) == 3


async def test_a_key_sends_no_more_through_a_channel_than_it_may(tmp_path: Path, log: FakeLog) -> None:
    clock = FakeClock(NOW)
    limits = {"rate_per_second": 1.0, "rate_burst_seconds": 5.0}
    async with a_door(tmp_path, ENDPOINTS, log=log, clock=clock, **limits) as client:
        path = "/v1/channels/default/crm"
        taken = await client.post(path, json=[{"name": f"{n}"} for n in range(10)], headers=KEY)
        assert (taken.status_code, taken.headers["ratelimit-limit"], taken.headers["ratelimit-remaining"]) == (
            200,
            "5",
            "0",
        )
        limited = await client.post(path, json={"name": "a"}, headers=KEY)
        problem(limited, 429, "rate-limited")
        assert (limited.headers["ratelimit-remaining"], int(limited.headers["retry-after"]) >= 5) == ("0", True)
        problem(await client.post("/v1/leads", json={"name": "a"}, headers=KEY), 429, "rate-limited")
        # A sender that signs has no key, and so no rate of one.
        assert (
            await client.post("/v1/channels/default/hooks", content=b"{}", headers=signed(b"{}"))
        ).status_code == 200
    assert len(log.records) == 11


async def test_the_same_form_sent_by_two_people_is_two_leads(tmp_path: Path, log: FakeLog) -> None:
    endpoints = {"contact": {"adapter": "form", "channel": "web_form", "allowed_origins": ["https://www.example.com"]}}
    async with a_door(tmp_path, endpoints, log=log) as client:
        for _ in range(2):
            assert (await client.post("/v1/channels/default/contact", json={"message": "Hello"})).status_code == 200
    assert len({event.event_id for event in log.events()}) == 2


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ({"adapter": "standard_webhooks", "channel": "social"}, "name its `secret`"),
        ({"adapter": "standard_webhooks", "channel": "social", "secret": "OTHER"}, "has no OTHER"),
        ({"adapter": "json", "channel": "nothing"}, "leads to channel 'nothing'"),
        ({"adapter": "json", "channel": "social", "redirect": "/x"}, "redirect is for the adapter form"),
        ({"adapter": "json", "channel": "social", "verification": "open"}, "only a form is open"),
        ({"adapter": "meta_lead_ads", "channel": "social", "secret": "SENDER"}, "meta_lead_ads needs it"),
        ({"adapter": "form", "channel": "social"}, "a form needs allowed_origins"),
        ({"adapter": "form", "channel": "social", "allowed_origins": ["example.com"]}, "is no origin"),
    ],
)
async def test_a_policy_that_cannot_be_kept_stops_capture_at_the_door(
    tmp_path: Path, log: FakeLog, endpoint: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidDocument, match=message):
        async with a_door(tmp_path, {"one": endpoint}, log=log):
            pass
