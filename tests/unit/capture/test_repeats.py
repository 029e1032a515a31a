"""Same key and same content: same answer, one event. Same key and another content: refused, with what differs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.capture.domain import Kind, Taken, differences
from services.capture.handlers import message
from tests.support.clock import FakeClock
from tests.unit.capture.fakes import NOW, FakeLog, a_client, decided, problem, the_app
from tests.unit.capture.test_intake import BODIES

A_LEAD = {"email": "ada@example.com", "channel": "web_form"}
KEY = {"Idempotency-Key": "k1"}


def event(body: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The event a body becomes, as it travels."""
    decision = decided(body, **options)
    assert isinstance(decision, Taken), decision
    travelling: dict[str, Any] = orjson.loads(message(decision)[1])
    return travelling


# ---- what differs


@pytest.mark.parametrize(
    ("before", "now", "names"),
    [
        ({"name": "Ada"}, {"name": "Ada"}, []),
        ({"name": "Ada"}, {"name": "  Ada "}, []),
        ({"name": "Ada"}, {"name": "Eve"}, ["name"]),
        ({"company": "One", "source": "a"}, {"source": "b"}, ["company", "source"]),
        ({"email": "ada@example.com"}, {"email": "eve@example.com"}, ["email"]),
        ({"email": "no address"}, {"email": "none either"}, ["email"]),
        ({"phone": "+31201234567"}, {}, ["phone"]),
        ({"visitor_id": "v1"}, {"visitor_id": "v2"}, ["visitor_id"]),
        ({"external_id": "7"}, {"external_id": "8"}, ["external_id"]),
        ({"consent": True}, {"consent": False}, ["consent"]),
        ({"attributes": {"size": 1, "b": 2}}, {"attributes": {"size": 3, "b": 2}}, ["attributes.size"]),
        ({"attributes": {"ada@example.com": 1}}, {}, ["attributes"]),
        ({"historical": True}, {}, ["historical"]),
        ({"occurred_at": "2026-03-01T09:00Z"}, {"occurred_at": "2026-03-01T10:00+01:00"}, []),
        ({"occurred_at": "2026-03-01T09:00Z"}, {"occurred_at": "2026-03-01T09:01Z"}, ["occurred_at"]),
        ({"occurred_at": "2026-03-01T09:00Z"}, {}, ["occurred_at"]),
    ],
)
def test_what_differs_is_named_as_it_was_sent(before: dict[str, Any], now: dict[str, Any], names: list[str]) -> None:
    first = event(before, key="k")
    assert differences(first, event(now, key="k", now=NOW + timedelta(hours=2))) == names


def test_an_interaction_of_another_lead_differs_in_its_lead_id() -> None:
    one, other = ({"kind": "call", "lead_id": f"0190a6f2-0000-7000-8000-00000000000{n}"} for n in (1, 2))
    said = [event(body, kind="interaction", key="k") for body in (one, other)]
    assert differences(*said) == ["lead_id"]


@given(BODIES, BODIES, st.sampled_from(["lead", "interaction"]), st.integers(0, 10**6))
def test_the_same_body_never_differs_however_late_and_names_never_carry_values(
    body: dict[str, Any], other: dict[str, Any], kind: Kind, seconds: int
) -> None:
    first = decided(body, kind=kind, key="k")
    again = decided(body, kind=kind, key="k", now=NOW + timedelta(seconds=seconds))
    another = decided(other, kind=kind, key="k")
    if not isinstance(first, Taken) or not isinstance(again, Taken):
        return
    said = orjson.loads(message(first)[1])
    assert differences(said, orjson.loads(message(again)[1])) == []
    if isinstance(another, Taken) and another.event_id == first.event_id:
        then = orjson.loads(message(another)[1])
        assert differences(said, then) == differences(then, said)


# ---- one at a time


async def test_a_repetition_is_answered_as_before_and_not_published_again(
    client: httpx.AsyncClient, log: FakeLog
) -> None:
    answers = [await client.post("/v1/leads", json=A_LEAD, headers=KEY) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.content for answer in answers}) == len(log.records) == 1
    text = (await client.get("/metrics")).text
    assert 'leadflow_capture_leads_accepted_total{channel="web_form"} 1.0' in text
    assert 'leadflow_capture_items_repeated_total{kind="lead"} 2.0' in text
    assert "leadflow_capture_remembered_events 1.0" in text


async def test_a_later_retry_without_a_time_of_its_own_is_a_repetition(log: FakeLog) -> None:
    clock = FakeClock(NOW)
    async with a_client(the_app(log, clock)) as client:
        first = await client.post("/v1/leads", json=A_LEAD, headers=KEY)
        clock.advance(timedelta(minutes=5))
        assert (await client.post("/v1/leads", json=A_LEAD, headers=KEY)).content == first.content


async def test_another_content_is_refused_with_what_differs_and_no_value(
    client: httpx.AsyncClient, log: FakeLog
) -> None:
    first = await client.post("/v1/leads", json={**A_LEAD, "name": "Lovelace", "record_id": "r1"})
    answer = await client.post("/v1/leads", json={**A_LEAD, "name": "Babbage", "record_id": "r1", "term": "x"})
    document = problem(answer, 409, "conflicting-record")
    assert document["differs"] == ["name", "term"]
    assert document["event_id"] == first.json()["event_id"]
    assert "name, term" in document["detail"]
    assert "lace" not in answer.text
    assert "Babbage" not in answer.text
    assert len(log.records) == 1
    text = (await client.get("/metrics")).text
    assert 'leadflow_capture_items_refused_total{kind="lead",reason="conflict"} 1.0' in text


async def test_one_key_may_be_used_for_a_lead_and_for_an_interaction_and_by_two_senders(
    client: httpx.AsyncClient, log: FakeLog
) -> None:
    one = await client.post("/v1/leads", json=A_LEAD, headers=KEY)
    two = await client.post("/v1/interactions", json={**A_LEAD, "kind": "call"}, headers=KEY)
    three = await client.post("/v1/leads", json={"name": "Eve"}, headers={**KEY, "Leadflow-Sender": "crm"})
    assert [one.status_code, two.status_code, three.status_code] == [202] * 3
    assert len(log.records) == 3


async def test_what_the_log_did_not_take_is_published_when_it_comes_again(
    client: httpx.AsyncClient, log: FakeLog
) -> None:
    log.away = True
    assert (await client.post("/v1/leads", json=A_LEAD, headers=KEY)).status_code == 503
    log.away = False
    assert (await client.post("/v1/leads", json={"name": "Eve"}, headers=KEY)).status_code == 202
    assert len(log.records) == 1


async def test_a_repetition_while_the_first_is_on_its_way_is_published_too(
    client: httpx.AsyncClient, log: FakeLog
) -> None:
    log.gate = asyncio.Event()
    both = [asyncio.create_task(client.post("/v1/leads", json=A_LEAD, headers=KEY)) for _ in range(2)]
    await asyncio.wait(both, timeout=0.05)
    log.gate.set()
    first, second = [await task for task in both]
    assert first.content == second.content
    assert len({one.event_id for one in log.events()}) == 1
    assert len(log.records) == 2


async def test_what_is_remembered_is_answered_while_the_log_is_away(client: httpx.AsyncClient, log: FakeLog) -> None:
    first = await client.post("/v1/leads", json=A_LEAD, headers=KEY)
    log.away = True
    assert (await client.post("/v1/leads", json=A_LEAD, headers=KEY)).content == first.content


async def test_what_has_no_id_of_its_own_is_never_a_repetition(client: httpx.AsyncClient, log: FakeLog) -> None:
    for _ in range(2):
        assert (await client.post("/v1/leads", json=A_LEAD)).status_code == 202
    assert len({one.event_id for one in log.events()}) == 2


async def test_without_memory_everything_is_published_and_told_apart_downstream(log: FakeLog) -> None:
    async with a_client(the_app(log, memory_bytes=0)) as client:
        for body in (A_LEAD, A_LEAD, {"name": "Eve"}):
            assert (await client.post("/v1/leads", json=body, headers=KEY)).status_code == 202
    assert len(log.records) == 3


# ---- many at a time


async def test_a_batch_is_held_against_what_was_said_and_against_itself(
    client: httpx.AsyncClient, log: FakeLog
) -> None:
    await client.post("/v1/leads", json={"record_id": "a", "name": "Ada"})
    items = [
        {"record_id": "a", "name": "Ada"},  # said before
        {"record_id": "b", "name": "Bo"},
        {"record_id": "a", "name": "Eve"},  # contradicts what was said before
        {"record_id": "b", "name": "Bo"},  # says the second again
        {"record_id": "b", "name": "Bob"},  # contradicts the second
        {"name": "No id"},
        {"name": "No id"},
    ]
    answer = await client.post("/v1/leads:batch", json=items)
    assert answer.status_code == 207
    result = answer.json()
    assert [item["status"] for item in result["items"]] == [202, 202, 409, 202, 409, 202, 202]
    assert (result["accepted"], result["rejected"]) == (5, 2)
    assert [result["items"][place]["problem"]["differs"] for place in (2, 4)] == [["name"], ["name"]]
    assert result["items"][1]["event_id"] == result["items"][3]["event_id"]
    assert [one.personal.name for one in log.events() if one.personal] == ["Ada", "Bo", "No id", "No id"]
    again = await client.post("/v1/leads:batch", json=items[:2])
    assert [item["event_id"] for item in again.json()["items"]] == [item["event_id"] for item in result["items"][:2]]
    assert len(log.records) == 4
    text = (await client.get("/metrics")).text
    assert 'leadflow_capture_items_repeated_total{kind="lead"} 4.0' in text
    assert 'leadflow_capture_items_refused_total{kind="lead",reason="conflict"} 2.0' in text
    assert 'leadflow_capture_leads_accepted_total{channel="api"} 4.0' in text


async def test_what_a_batch_says_twice_ends_as_what_it_said_first(client: httpx.AsyncClient, log: FakeLog) -> None:
    log.fails_after = 1
    items = [{"record_id": name} for name in ("a", "b", "a", "b")]
    answer = await client.post("/v1/leads:batch", json=items)
    assert [item["status"] for item in answer.json()["items"]] == [202, 503, 202, 503]
    log.fails_after = None
    answer = await client.post("/v1/leads:batch", json=items)
    assert [item["status"] for item in answer.json()["items"]] == [202] * 4
    assert len(log.records) == 2


async def test_a_batch_of_repetitions_alone_asks_nothing_of_the_log(client: httpx.AsyncClient, log: FakeLog) -> None:
    items = [{"record_id": str(n)} for n in range(1_500)]
    first = await client.post("/v1/leads:batch", json=items)
    calls, log.away = log.calls, True
    assert (await client.post("/v1/leads:batch", json=items)).content == first.content
    assert log.calls == calls
