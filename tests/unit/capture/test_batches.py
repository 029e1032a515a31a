"""The intake API, many at a time: each item is answered for itself."""

from __future__ import annotations

import asyncio

import httpx
import orjson
import pytest

from tests.support.clock import FakeClock
from tests.unit.capture.fakes import NOW, FakeLog, a_client, problem, the_app

A_LEAD = {"email": "ada@example.com", "channel": "web_form"}
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.mark.parametrize("headers", [JSON, NDJSON])
async def test_a_batch_is_answered_item_by_item(
    client: httpx.AsyncClient, log: FakeLog, headers: dict[str, str]
) -> None:
    items: list[object] = [{"record_id": "a"}, {"name": ["x"]}, 7, {"email": "a@example.com", "channel": "fair"}]
    body = orjson.dumps(items) if headers == JSON else b"\n".join(orjson.dumps(item) for item in items) + b"\n\n"
    answer = await client.post("/v1/leads:batch", content=body, headers=headers)
    assert answer.status_code == 207
    result = answer.json()
    assert (result["accepted"], result["rejected"]) == (2, 2)
    assert [(item["index"], item["status"]) for item in result["items"]] == [(0, 202), (1, 422), (2, 422), (3, 202)]
    assert result["items"][1]["problem"]["errors"][0]["field"] == "name"
    assert result["items"][3]["flags"] == ["unknown_channel"]
    assert [str(event.event_id) for event in log.events()] == [result["items"][n]["event_id"] for n in (0, 3)]


async def test_a_line_that_is_no_json_is_refused_alone(client: httpx.AsyncClient, log: FakeLog) -> None:
    body = (
        b'{"name": "a"}\n\n{"name": \n  \r\n{"name": "\\ud800"}\n' + b'{"message": "' + b"x" * 300_000 + b'"}\n{}\r\n'
    )
    answer = await client.post("/v1/leads:batch", content=body, headers=NDJSON)
    assert [item["status"] for item in answer.json()["items"]] == [202, 400, 422, 413, 202]
    assert len(log.records) == 2


async def test_a_batch_taken_wholly_is_202_and_one_refused_wholly_is_422(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/leads:batch", json=[{}, {}])).status_code == 202
    assert (await client.post("/v1/interactions:batch", json=[{}, {}])).status_code == 422


KEY = {"Idempotency-Key": "k"}


async def test_the_key_of_a_batch_names_each_item_by_what_it_says(client: httpx.AsyncClient, log: FakeLog) -> None:
    items = [{}, {"record_id": "own"}, {}, {"record_id": " "}, {"record_id": True}]
    answers = [await client.post("/v1/leads:batch", json=items, headers=KEY) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert len({event.event_id for event in log.events()}) == len(log.records) == answers[0].json()["accepted"]
    own = await client.post("/v1/leads:batch", json=[{"record_id": "own"}])
    assert own.json()["items"][0]["event_id"] == answers[0].json()["items"][1]["event_id"]


@pytest.mark.parametrize("remembers", [True, False])
async def test_what_a_batch_has_left_is_sent_again_alone_under_its_key_and_counted_once(remembers: bool) -> None:
    log = FakeLog()
    a, b, c = ({"name": name, "email": f"{name}@example.com"} for name in "abc")
    async with a_client(the_app(log, memory_bytes=1_000_000 if remembers else 0)) as client:
        log.fails_after = 2
        first = await client.post("/v1/leads:batch", json=[a, b, c], headers=KEY)
        assert [item["status"] for item in first.json()["items"]] == [202, 202, 503]
        assert "again" in first.json()["items"][2]["problem"]["fix"]
        log.fails_after = None
        for left, headers, content in (
            ([c], JSON, orjson.dumps([c])),
            ([c, a], NDJSON, orjson.dumps(dict(reversed(c.items()))) + b"\n" + orjson.dumps(a)),
            ([a, b, c], JSON, orjson.dumps([a, b, c])),
        ):
            again = await client.post("/v1/leads:batch", content=content, headers=KEY | headers)
            assert (again.status_code, again.json()["accepted"]) == (202, len(left))
    assert {event.personal.name for event in log.events() if event.personal} == {"a", "b", "c"}
    assert len({event.event_id for event in log.events()}) == 3
    assert len(log.records) == (3 if remembers else 8)


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"[]", JSON, 422, "invalid-fields"),
        (b"\n \n", NDJSON, 422, "invalid-fields"),
        (b"{}", JSON, 422, "invalid-fields"),
        (b"[1,", JSON, 400, "not-json"),
        (b"{}\n{}", JSON, 400, "not-json"),
        (b"[" + b"{}," * 5_000 + b"{}]", JSON, 413, "too-many-items"),
        (b"{}\n" * 5_001, NDJSON, 413, "too-many-items"),
        (b" " * (8 * 1024 * 1024 + 1), NDJSON, 413, "too-large"),
        (b"[]", {"Content-Type": "text/csv"}, 415, "unsupported-media-type"),
    ],
)
async def test_a_batch_that_cannot_be_read_is_one_problem(
    client: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    problem(await client.post("/v1/leads:batch", content=body, headers=headers), status, code)


async def test_the_largest_batch_is_taken_in_order_and_leaves_the_loop_to_others(
    client: httpx.AsyncClient, log: FakeLog
) -> None:
    body = [{"record_id": str(n), "email": f"a{n}@example.com", "phone": "(415) 555-2671"} for n in range(5_000)]
    sending = asyncio.create_task(client.post("/v1/leads:batch", json=body))
    turns = 0
    while not sending.done():
        await asyncio.sleep(0)
        turns += 1
    answer = await sending
    assert answer.status_code == 202
    assert [item["event_id"] for item in answer.json()["items"]] == [str(event.event_id) for event in log.events()]
    assert log.calls == 5
    assert turns > 5


async def test_a_batch_the_log_takes_in_part_says_which_to_send_again(client: httpx.AsyncClient, log: FakeLog) -> None:
    log.fails_after = 2
    answer = await client.post("/v1/leads:batch", json=[{}, {}, {}, {"name": 1.5}, {"name": []}])
    assert answer.status_code == 207
    assert [item["status"] for item in answer.json()["items"]] == [202, 202, 503, 503, 422]


async def test_a_batch_the_log_takes_nothing_of_is_503_and_is_not_tried_slice_by_slice(
    client: httpx.AsyncClient, log: FakeLog
) -> None:
    log.away = True
    answer = await client.post("/v1/leads:batch", json=[{}] * 3_000 + [{"name": []}])
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert {item["status"] for item in answer.json()["items"]} == {503, 422}
    assert log.calls == 1


async def test_a_batch_is_charged_by_its_items(log: FakeLog) -> None:
    clock = FakeClock(NOW)
    async with a_client(the_app(log, clock, rate_per_second=1, rate_burst_seconds=5)) as client:
        assert (await client.post("/v1/leads:batch", json=[{}] * 10)).status_code == 202
        assert (await client.post("/v1/leads", json={})).status_code == 429
