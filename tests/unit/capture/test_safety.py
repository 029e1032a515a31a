"""Bodies that mean no good: bombs, endless nesting, bytes that trickle. They cost neither memory nor time."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture.api.admission import InFlight
from services.capture.api.compressed import MAX_MEMBERS, inflated
from services.capture.instruments import CaptureInstruments
from shared.kit.errors import Rejected
from shared.kit.instruments import new_registry
from shared.kit.problems import retry_after
from tests.unit.capture.fakes import FakeLog, a_client, problem, the_app

GZIP = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
LIMIT = 256 * 1024
MEGABYTE = 1024 * 1024


# ---- compressed


@pytest.mark.parametrize(
    ("path", "body", "media_type"),
    [
        ("/v1/leads", b'{"name": "Ada"}', "application/json"),
        ("/v1/leads:batch", b'[{"name": "Ada"}]', "application/json"),
        ("/v1/leads:batch", b'{"name": "Ada"}\n{"name": "Bo"}\n', "application/x-ndjson"),
    ],
)
async def test_a_compressed_body_is_taken_as_what_it_holds(
    client: httpx.AsyncClient, log: FakeLog, path: str, body: bytes, media_type: str
) -> None:
    for coding in ("gzip", "x-gzip", " GZIP "):
        headers = {"Content-Type": media_type, "Content-Encoding": coding}
        assert (await client.post(path, content=gzip.compress(body), headers=headers)).status_code == 202
    assert len(log.records) == 3 * body.count(b"name")


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b'{"name": "Ada"}', "bytes are none of that"),
        (zlib.compress(b"{}"), "bytes are none of that"),
        (gzip.compress(b'{"name": "Ada"}', mtime=0)[:-9], "breaks off"),
        (gzip.compress(b'{"name": "Ada"}', mtime=0)[:5], "breaks off"),
        (gzip.compress(b'{"name": "Ada"}', mtime=0)[:-8] + b"\x00" * 8, "bytes are none of that"),
        (gzip.compress(b"{}", mtime=0) + b"more", "bytes are none of that"),
        (gzip.compress(b"") * (MAX_MEMBERS + 1), "members"),
    ],
)
async def test_what_is_no_whole_gzip_is_refused_with_the_reason(
    client: httpx.AsyncClient, content: bytes, detail: str
) -> None:
    document = problem(await client.post("/v1/leads", content=content, headers=GZIP), 400, "not-gzip")
    assert detail in document["detail"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=2_000), min_size=1, max_size=5), st.integers(0, 6_000))
async def test_opening_gives_what_was_closed_or_refuses_what_is_over_the_limit(parts: list[bytes], limit: int) -> None:
    whole = b"".join(parts)
    packed = b"".join(map(gzip.compress, parts))
    with InFlight(9, 99 * MEGABYTE, CaptureInstruments(new_registry("x"))).one() as claim:
        if len(whole) > limit:
            with pytest.raises(Rejected) as refused:
                await inflated(packed, claim, limit=limit)
            assert refused.value.status == 413
            return
        assert await inflated(packed, claim, limit=limit) == whole
        assert claim.held == len(whole)


@pytest.mark.parametrize("path", ["/v1/leads", "/v1/leads:batch"])
async def test_a_bomb_is_refused_at_the_limit_and_memory_stays_flat(path: str) -> None:
    packed = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packed.compress(bytes(MEGABYTE)) for _ in range(200)) + packed.flush()  # 200 MB in 200 KB
    assert len(bomb) < LIMIT
    async with a_client(the_app(FakeLog(), max_batch_bytes=MEGABYTE)) as client:
        tracemalloc.start()
        answers = [await client.post(path, content=bomb, headers=GZIP) for _ in range(3)]
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    for answer in answers:
        problem(answer, 413, "too-large")
    assert most < 8 * MEGABYTE


# ---- nested


@pytest.mark.parametrize("depth", [33, 200, 256, 1_000, 1_024, 1_025, 5_000, 80_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("broken", [False, True])
async def test_nesting_without_end_is_refused_at_once(
    client: httpx.AsyncClient, log: FakeLog, depth: int, opening: bytes, closing: bytes, broken: bool
) -> None:
    depth = min(depth, 250_000 // len(opening + closing))
    nested = opening * depth + b"1" + (b"" if broken else closing * depth)
    began = time.process_time()
    bodies = (
        nested,
        b'{"x":' + nested + b"}",
        b'{"attributes":{"x":' + nested + b"}}",
        b'{"consent":' + nested + b"}",
    )
    for body in bodies:
        for path in ("/v1/leads", "/v1/interactions"):
            answer = await client.post(path, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code in (400, 422), answer.text
            assert answer.json()["fix"]
    assert time.process_time() - began < 5
    assert not log.records


async def test_a_batch_of_eight_megabytes_of_brackets_is_refused_at_once(client: httpx.AsyncClient) -> None:
    began = time.process_time()
    for content in (b"[" * (8 * MEGABYTE), b"[" + b"[1]," * (2 * MEGABYTE - 2) + b"1]"):
        answer = await client.post("/v1/leads:batch", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 413)
    assert time.process_time() - began < 10


# ---- in pieces


async def test_a_body_without_a_length_is_read_to_its_end_and_no_further_than_its_limit(
    client: httpx.AsyncClient, log: FakeLog
) -> None:
    body = orjson.dumps({"name": "Ada", "message": "x" * 5_000})

    async def in_pieces() -> AsyncIterator[bytes]:
        for place in range(0, len(body), 7):
            yield body[place : place + 7]

    async def compressed() -> AsyncIterator[bytes]:
        closed = gzip.compress(body)
        for place in range(len(closed)):
            yield closed[place : place + 1]

    plain = await client.post("/v1/leads", content=in_pieces(), headers={"Content-Type": "application/json"})
    packed = await client.post("/v1/leads", content=compressed(), headers=GZIP)
    assert (plain.status_code, packed.status_code) == (202, 202)
    assert len(log.records) == 2


@given(st.floats(0, 600))
def test_those_who_are_told_to_come_again_are_told_different_times_within_bounds(seconds: float) -> None:
    waits = [retry_after(seconds) for _ in range(50)]
    assert all(max(1, seconds) <= wait <= 3 * max(1, seconds + 1) for wait in waits)
    assert len(set(waits)) > 1
