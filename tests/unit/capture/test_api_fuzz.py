"""Whatever is sent, the answer is a 2xx or a 4xx, and what was accepted is on the log, no more and no less."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.capture.fakes import FakeLog, a_client, the_app
from tests.unit.capture.test_intake import BODIES

LOG = FakeLog()
APP: FastAPI = the_app(LOG, memory_bytes=0)
PATHS = st.sampled_from(["/v1/leads", "/v1/interactions"])
TYPES = st.sampled_from(["application/json", "application/x-ndjson"])


def post(path: str, content: bytes, media_type: str) -> httpx.Response:
    """One request to a fresh log, of a capture that remembers nothing of those before."""
    LOG.records.clear()

    async def send() -> httpx.Response:
        async with a_client(APP) as client:
            return await client.post(path, content=content, headers={"Content-Type": media_type})

    return asyncio.run(send())


def published() -> list[str]:
    """The ids of the events there are, each read as consumers read it."""
    return [str(event.event_id) for event in LOG.events()]


def accepted(answer: httpx.Response, *, many: bool) -> list[str]:
    """The event ids an answer says were taken."""
    content = answer.json()
    if not many:
        return [content["event_id"]] if answer.status_code == 202 else []
    return [item["event_id"] for item in content.get("items", []) if item["status"] == 202]


def check(answer: httpx.Response, *, many: bool) -> None:
    """The promise."""
    assert answer.status_code < 500, answer.text
    assert list(dict.fromkeys(accepted(answer, many=many))) == published()  # what is said twice is there once
    if answer.status_code >= 400 and not (many and "items" in answer.json()):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["fix"]


@settings(max_examples=150, deadline=None)
@given(PATHS, BODIES)
def test_any_object_is_taken_or_refused_with_reasons(path: str, body: dict[str, Any]) -> None:
    check(
        post(path, json.dumps(body).encode(), "application/json"),
        many=False,
    )


@settings(max_examples=150, deadline=None)
@given(PATHS, st.lists(BODIES | st.none() | st.integers(0, 9) | st.text(max_size=3), max_size=6), TYPES)
def test_any_batch_is_answered_item_by_item(path: str, items: list[Any], media_type: str) -> None:
    encoded = [json.dumps(item).encode() for item in items]
    content = b"[" + b",".join(encoded) + b"]" if media_type == "application/json" else b"\n".join(encoded)
    answer = post(f"{path}:batch", content, media_type)
    check(answer, many=True)
    if items:
        assert [item["index"] for item in answer.json()["items"]] == list(range(len(items)))


_WORDS = rb"""{ } [ ] , : " "kind" "name" \ud800 \u0000 1e999 NaN null true -1 {"a":1}""".split()
_FRAGMENTS = st.sampled_from(
    [*_WORDS, b"\x00", b"\xff", b"\n", b" ", b"\xef\xbb\xbf", "ي".encode(), b"1" * 400, b"[" * 400]
)


@settings(max_examples=250, deadline=None)
@given(PATHS, st.lists(_FRAGMENTS, max_size=12).map(b"".join) | st.binary(max_size=60), TYPES, st.booleans())
def test_any_bytes_are_answered(path: str, content: bytes, media_type: str, many: bool) -> None:
    check(post(f"{path}:batch" if many else path, content, media_type), many=many)
