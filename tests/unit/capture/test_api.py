"""The intake API: what each request is answered, and that an answer of 202 means the log has the event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from shared.contracts.topics import CAPTURE_LEADS
from tests.unit.capture.fakes import FULL_KEY, NOW, PLAIN_KEY, READ_KEY, FakeLog, a_client, problem, the_app

A_LEAD = {"email": "ada@example.com", "channel": "web_form"}
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}


# ---- taken


async def test_a_lead_is_answered_with_its_ids_once_the_log_has_it(client: httpx.AsyncClient, log: FakeLog) -> None:
    answer = await client.post("/v1/leads", json={**A_LEAD, "budget": 5, "phone": "call me"})
    assert answer.status_code == 202
    (event,) = log.events()
    assert answer.json() == {
        "event_id": str(event.event_id),
        "lead_id": str(event.lead_id),
        "business_unit": "default",
        "flags": ["unknown_field:budget", "invalid_phone"],
    }
    ((topic, key, _),) = log.records
    assert (topic, key) == (CAPTURE_LEADS.name, str(event.lead_id).encode())
    assert (event.sender, event.recorded_at) == ("dev", NOW)


async def test_an_interaction_is_taken(client: httpx.AsyncClient, log: FakeLog) -> None:
    answer = await client.post("/v1/interactions", json={"kind": "page_view", "visitor_id": "v1"})
    assert answer.status_code == 202
    assert [event.event for event in log.events()] == ["InteractionRecorded"]


async def test_a_retry_with_the_same_key_gets_the_same_answer(client: httpx.AsyncClient, log: FakeLog) -> None:
    answers = [await client.post("/v1/leads", json=A_LEAD, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert len({event.event_id for event in log.events()}) == 1


async def test_an_answer_waits_for_the_log(client: httpx.AsyncClient, log: FakeLog) -> None:
    log.gate = asyncio.Event()
    waiting = asyncio.create_task(client.post("/v1/leads", json=A_LEAD))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    log.gate.set()
    assert (await waiting).status_code == 202


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ({"Authorization": f"Bearer {FULL_KEY}"}, "dev"),
        ({"Authorization": f"bearer  {PLAIN_KEY} "}, "site"),
        ({"X-API-Key": PLAIN_KEY}, "site"),
        ({"X-API-Key": FULL_KEY, "Leadflow-Sender": "  crm  one "}, "crm one"),
    ],
)
async def test_the_key_names_the_sender(log: FakeLog, headers: dict[str, str], sender: str) -> None:
    async with a_client(the_app(log), key=None) as client:
        assert (await client.post("/v1/leads", json=A_LEAD, headers=headers)).status_code == 202
    assert log.events()[0].sender == sender


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=UTF-8", "application/vnd.lead+json", "text/json", None]
)
async def test_json_is_read_by_every_name(client: httpx.AsyncClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    body = b"\xef\xbb\xbf" + orjson.dumps(A_LEAD)  # with the byte order mark some systems put there
    assert (await client.post("/v1/leads", content=body, headers=headers)).status_code == 202


# ---- refused


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "empty"),
        (b'{"name": "Ada', "line 1, column 10"),
        (b"{'name': 1}", "line 1, column 2"),
        (b'{"name": "\xff"}', "byte 10 is not UTF-8"),
        (b'{"value": NaN}', "NaN is no JSON number"),
        (b'{"value": -Infinity}', "-Infinity is no JSON number"),
        (b'{"value": 1e999}', "number too large"),
        (b'{"value": ' + b"1" * 5000 + b"x}", "number too long"),
        (b'{"name": "a\x01b"}', "line 1, column"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":1}{"a":2}', "line 1, column 8"),
    ],
)
async def test_400_says_where_the_json_breaks(client: httpx.AsyncClient, body: bytes, detail: str) -> None:
    document = problem(await client.post("/v1/leads", content=body, headers=JSON), 400, "not-json")
    assert detail in document["detail"]
    assert document["field"] == "body"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer nobody"},
        {"Authorization": "Basic eDp5"},
        {"X-API-Key": "nobody"},
        {"X-API-Key": ""},
    ],
)
async def test_401_for_no_key_or_an_unknown_one(log: FakeLog, headers: dict[str, str]) -> None:
    async with a_client(the_app(log), key=None) as client:
        answer = await client.post("/v1/leads", json=A_LEAD, headers=headers)
    problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert not log.records


@pytest.mark.parametrize(
    ("key", "headers", "body", "field"),
    [
        (READ_KEY, {}, A_LEAD, "Authorization"),
        (PLAIN_KEY, {"Leadflow-Sender": "crm"}, A_LEAD, "Leadflow-Sender"),
        (PLAIN_KEY, {}, {**A_LEAD, "historical": True}, "historical"),
    ],
)
async def test_403_names_the_scope_that_is_missing(
    log: FakeLog, key: str, headers: dict[str, str], body: dict[str, Any], field: str
) -> None:
    async with a_client(the_app(log), key=key) as client:
        document = problem(await client.post("/v1/leads", json=body, headers=headers), 403, "forbidden")
    assert document["field"] == field
    assert "scope" in document["detail"]
    assert not log.records


async def test_408_for_a_body_that_does_not_arrive(log: FakeLog) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b'{"email":'
        await asyncio.sleep(0.3)
        yield b'"ada@example.com"}'

    async with a_client(the_app(log, body_timeout_seconds=0.05)) as client:
        problem(await client.post("/v1/leads", content=slow(), headers=JSON), 408, "body-too-slow")


async def test_413_by_announced_length_and_by_what_arrives(client: httpx.AsyncClient, log: FakeLog) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            yield b" " * 1_000

    big = orjson.dumps({"message": "x" * 300_000})
    problem(await client.post("/v1/leads", content=big, headers=JSON), 413, "too-large")
    problem(await client.post("/v1/leads", content=endless(), headers=JSON), 413, "too-large")
    assert not log.records


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded"}, "unsupported-media-type"),
        ({"Content-Type": "application/x-ndjson"}, "unsupported-media-type"),
        ({"Content-Type": "application/json; charset=latin-1"}, "unsupported-media-type"),
        ({"Content-Type": "application/json", "Content-Encoding": "br"}, "unsupported-content-encoding"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip, gzip"}, "unsupported-content-encoding"),
    ],
)
async def test_415_names_what_is_read(client: httpx.AsyncClient, headers: dict[str, str], code: str) -> None:
    problem(await client.post("/v1/leads", content=b"{}", headers=headers), 415, code)


async def test_422_lists_every_fault_and_no_value(client: httpx.AsyncClient, log: FakeLog) -> None:
    body = {"name": ["Lovelace"], "occurred_at": "Lovelace", "message": "Lovelace\x00"}
    answer = await client.post("/v1/leads", json=body)
    document = problem(answer, 422, "invalid-fields")
    assert [error["field"] for error in document["errors"]] == ["name", "message", "occurred_at"]
    assert all(error["fault"] and error["fix"] for error in document["errors"])
    assert "Lovelace" not in answer.text
    assert not log.records


async def test_422_for_half_a_surrogate_pair_names_its_field(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/leads", content=b'{"company": "a\\ud800", "x": 1e5}', headers=JSON)
    document = problem(answer, 422, "invalid-fields")
    assert document["field"] == "company"
    assert "surrogate" in document["detail"]


@pytest.mark.parametrize("name", ["Idempotency-Key", "Leadflow-Sender"])
@pytest.mark.parametrize("value", [b"", b"x" * 256, b"\xff"])
async def test_422_for_a_header_that_names_nothing(client: httpx.AsyncClient, name: str, value: bytes) -> None:
    answer = await client.post("/v1/leads", content=b"{}", headers={name.encode(): value})
    assert problem(answer, 422, "invalid-fields")["field"] == name


async def test_429_tells_when_to_come_back(log: FakeLog) -> None:
    async with a_client(the_app(log, rate_per_second=1, rate_burst_seconds=2)) as client:
        answers = [await client.post("/v1/leads", json=A_LEAD) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    problem(answers[2], 429, "rate-limited")
    assert answers[2].headers["ratelimit-limit"] == "2"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 2
    assert len(log.records) == 2


async def test_503_while_the_log_is_away(client: httpx.AsyncClient, log: FakeLog) -> None:
    log.away = True
    answer = await client.post("/v1/leads", json=A_LEAD)
    problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_503_beyond_what_may_be_in_flight(log: FakeLog) -> None:
    log.gate = asyncio.Event()
    async with a_client(the_app(log, max_inflight_requests=3)) as client:
        inside = [asyncio.create_task(client.post("/v1/leads", json=A_LEAD)) for _ in range(3)]
        await asyncio.wait(inside, timeout=0.05)
        refused = await client.post("/v1/leads", json=A_LEAD)
        log.gate.set()
        assert [(await task).status_code for task in inside] == [202] * 3
        assert (await client.post("/v1/leads", json=A_LEAD)).status_code == 202
    problem(refused, 503, "unavailable")
    assert "retry-after" in refused.headers


async def test_the_retry_after_is_not_the_same_for_all(client: httpx.AsyncClient, log: FakeLog) -> None:
    log.away = True
    waits = {int((await client.post("/v1/leads", json=A_LEAD)).headers["retry-after"]) for _ in range(200)}
    assert waits == {2, 3, 4, 5, 6}  # the log was asked for 2 s, so it is that to three times that


async def test_a_method_that_is_not_there_and_a_path_that_is_not_there(client: httpx.AsyncClient) -> None:
    for method, path, allowed in (
        ("GET", "/v1/leads", "POST"),
        ("PUT", "/v1/reconciliation", "GET, POST"),
        ("DELETE", "/livez", "GET"),
    ):
        answer = await client.request(method, path)
        problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == allowed
    problem(await client.post("/v1/nothing", json={}), 404, "not-found")
    problem(await client.delete("/v1/keys"), 401, "unauthorized")


async def test_a_shutdown_waits_for_what_is_in_flight(log: FakeLog) -> None:
    log.gate = asyncio.Event()
    app = the_app(log)
    async with a_client(app) as client:
        async with app.router.lifespan_context(app):
            waiting = asyncio.create_task(client.post("/v1/leads", json=A_LEAD))
            await asyncio.wait([waiting], timeout=0.02)
            asyncio.get_running_loop().call_later(0.05, log.gate.set)
        assert waiting.done()
        assert (await waiting).status_code == 202


# ---- what is said about it


async def test_accepted_leads_are_counted_by_channel_and_requests_by_status(client: httpx.AsyncClient) -> None:
    await client.post("/v1/leads", json=A_LEAD)
    await client.post("/v1/leads", json={**A_LEAD, "channel": "ada's own channel"})
    await client.post("/v1/leads", json={"name": []})
    await client.post("/v1/interactions", json={"kind": "x"})
    text = (await client.get("/metrics")).text
    assert 'leadflow_capture_leads_accepted_total{channel="web_form"} 1.0' in text
    assert 'leadflow_capture_leads_accepted_total{channel="other"} 1.0' in text
    assert 'leadflow_capture_items_refused_total{kind="lead",reason="invalid"} 1.0' in text
    assert 'leadflow_capture_requests_total{operation="leads",status="202"} 2.0' in text
    assert 'leadflow_capture_requests_total{operation="interactions",status="422"} 1.0' in text
    assert "leadflow_capture_produce_seconds_count 2.0" in text
    assert "leadflow_capture_inflight_requests 0.0" in text
    assert "ada's" not in text


async def test_the_published_examples_are_taken(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    for path in ("/v1/leads", "/v1/leads:batch", "/v1/interactions", "/v1/interactions:batch"):
        operation = document["paths"][path]["post"]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        assert (await client.post(path, json=example)).status_code == 202
        assert {"202", "400", "401", "403", "413", "415", "422", "429", "503"} <= set(operation["responses"])
    assert set(document["components"]["securitySchemes"]) == {"bearer", "apiKey", "operator"}
    json.dumps(document)
