"""Senders that repeat themselves, that contradict themselves, and that mean no good; and capture leaving while all send."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx
import psutil

from tests.faults.harness.matrix import fault, scenario
from tests.faults.harness.stage import Stage
from tests.faults.harness.world import CAPTURE_HEADERS, World, open_world
from tests.faults.rows.raw_records import all_counted, an_id
from tests.support.patience import eventually
from tests.support.services import CAPTURE_KEY

AT_ONCE = 100
SENDERS = 8
DRAIN_SECONDS = 2.5
GRACE_SECONDS = 10.0
IDLE = 2_000
SLOW = 300
BODY_SECONDS = 3.0
MAY_GROW_BYTES = 64 * 1024 * 1024
"""For thousands of connections at 16 KiB each, and what Python keeps."""

LATE_SECONDS = 3.0
"""An answer to somebody well-behaved takes no longer, on a machine that two dozen processes share."""


async def post(
    world: World, body: dict[str, str], headers: dict[str, str] | None = None, *, instance: str = "capture"
) -> tuple[str, str]:
    """Posts a lead until it is accepted; its event and its lead."""
    answer = await answered(world, body, headers, instance=instance)
    assert answer.status_code == 202, f"a repeated lead was answered {answer.status_code}"
    said = answer.json()
    return said["event_id"], said["lead_id"]


async def answered(
    world: World, body: dict[str, str], headers: dict[str, str] | None = None, *, instance: str = "capture"
) -> httpx.Response:
    """Posts a lead until it is accepted or refused."""
    while True:
        with suppress(httpx.TransportError):
            answer = await world.http.post(
                f"{world.services.url(instance)}/v1/leads", json=body, headers={**CAPTURE_HEADERS, **(headers or {})}
            )
            if answer.status_code != 503:
                return answer
        await asyncio.sleep(0.2)


@fault(row=25, title="the same lead a hundred times at once; the same key with another body", seconds=6)
async def same_lead_at_once(world: World, chance: random.Random) -> None:
    forgetful = "capture-2"
    world.services.start(forgetful, CAPTURE_MEMORY_BYTES="0")
    await world.all_ready(forgetful)
    event_ids = []
    for by_header in (False, True):
        name = f"twice-{an_id(chance)}"
        headers = {"Idempotency-Key": name} if by_header else {}
        body = {"email": f"{name}@example.com", "channel": "api", **({} if by_header else {"record_id": name})}
        world.ledger.sent(name)
        answers = set(await asyncio.gather(*(post(world, body, headers) for _ in range(AT_ONCE))))
        assert len(answers) == 1, f"one lead was answered in {len(answers)} ways"
        ((event_id, lead_id),) = answers
        world.ledger.accepted(name, event_id, lead_id)
        event_ids.append(event_id)
        await all_counted(world, [event_id])
        assert await post(world, body, headers) == (event_id, lead_id)
        contradiction = {**body, "company": "Another"}
        refused = await answered(world, contradiction, headers)
        assert (refused.status_code, refused.json()["differs"]) == (409, ["company"]), refused.text
        # A capture that does not remember accepts both; then it is pipeline that tells.
        assert await post(world, contradiction, headers, instance=forgetful) == (event_id, lead_id)
        another = {**body, "email": f"other-{name}@example.com"}
        assert (await post(world, another, headers, instance=forgetful))[0] == event_id

        async def flagged(lead_id: str = lead_id) -> bool:
            rows = await world.rows("SELECT conflicts FROM pipeline.leads WHERE lead_id::text = %s", lead_id)
            assert rows[0][0] <= 2, f"{rows[0][0]} conflicts from two contradictions"
            return bool(rows[0][0] == 2)

        await eventually(flagged, within_seconds=30)
    await world.stop(forgetful)
    await all_counted(world, event_ids)


@fault(
    row=29, title="SIGTERM for a capture under load: it says so first, and answers whatever it was asked", seconds=12
)
async def capture_leaves(world: World, chance: random.Random) -> None:
    name = "capture-2"
    world.services.start(name, CAPTURE_DRAIN_SECONDS=str(DRAIN_SECONDS))
    await world.all_ready(name)
    url = world.services.url(name)
    answers: Counter[int] = Counter()
    hung_up = 0

    async def send(sender: int) -> None:
        """Sends until nobody listens any more. A connection may end between two requests, as any kept alive may."""
        nonlocal hung_up
        async with httpx.AsyncClient(timeout=10, headers=CAPTURE_HEADERS, trust_env=False) as client:
            for number in itertools.count():
                record_id = f"leave-{stem}-{sender}-{number}"
                world.ledger.sent(record_id)
                try:
                    answer = await client.post(f"{url}/v1/leads", json={"record_id": record_id, "channel": "api"})
                except httpx.ConnectError:
                    return
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                    hung_up += 1
                    continue
                answers[answer.status_code] += 1
                if answer.status_code == 202:
                    world.ledger.accepted(record_id, answer.json()["event_id"], answer.json()["lead_id"])

    stem = an_id(chance)
    sending = [asyncio.create_task(send(number)) for number in range(SENDERS)]
    try:
        await eventually(lambda: answers[202] > 50, within_seconds=40)
        began = time.monotonic()
        leaving = asyncio.create_task(world.stop(name))

        async def not_ready() -> bool:
            return (await world.http.get(f"{url}/readyz")).status_code == 503

        await eventually(not_ready, within_seconds=DRAIN_SECONDS, every_seconds=0.02)
        said_so, before = time.monotonic() - began, answers[202]
        async with asyncio.timeout(GRACE_SECONDS):
            await asyncio.gather(*sending)
        await leaving
    finally:
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        await world.stop(name)
    took = time.monotonic() - began
    assert answers[202] > before, "it took nothing more once it had said that it leaves"
    assert set(answers) == {202}, f"somebody was answered {dict(answers)}"
    assert hung_up <= SENDERS, f"{hung_up} connections of {SENDERS} senders ended without an answer"
    assert took < GRACE_SECONDS, f"it needed {took:.1f} s to leave"
    world.note(
        f"said so after {said_so:.2f} s, left after {took:.1f} s; {answers[202]} taken, {hung_up} connections ended "
        "between two requests"
    )


@scenario(
    row=32,
    title="bodies too large, bombs, slow senders, thousands of idle connections: others notice nothing",
    seconds=60,
)
async def bad_clients(stage: Stage, chance: random.Random) -> None:
    patience = {"CAPTURE_BODY_TIMEOUT_SECONDS": str(BODY_SECONDS)}
    async with open_world(stage, rate=30.0, environment=patience) as world:
        await world.probe()
        process = psutil.Process(world.services.pid("capture"))
        before, turned_away = process.memory_info().rss, not_taken(world)
        slowest = 0.0
        highest = before

        async def others() -> None:
            nonlocal slowest, highest
            while True:
                asked = time.monotonic()
                answer = await world.http.get(f"{world.services.url('capture')}/livez")
                assert answer.status_code == 200
                slowest = max(slowest, time.monotonic() - asked)
                highest = max(highest, process.memory_info().rss)
                await asyncio.sleep(0.1)

        watching = asyncio.create_task(others())
        idle: list[Connection] = []
        try:
            idle += [await connect(world) for _ in range(IDLE)]
            attacks: list[Callable[[World], Awaitable[None]]] = [too_large, endless, bomb, no_end_of_head]
            chance.shuffle(attacks)
            for attack in attacks:
                await attack(world)
            statuses = Counter(await asyncio.gather(*(slow_body(world) for _ in range(SLOW))))
            assert set(statuses) == {b"408"}, f"slow bodies were answered {dict(statuses)}"
            heads = Counter(await asyncio.gather(*(slow_head(world) for _ in range(SLOW))))
            assert set(heads) <= {b"408", b""}, f"slow heads were answered {dict(heads)}"
            await world.probe()
            assert not watching.done(), f"capture did not answer: {watching.exception()!r}"
        finally:
            watching.cancel()
            for _, writer in idle:
                writer.close()
        assert not_taken(world) == turned_away, f"others were turned away: {not_taken(world) - turned_away}"
        assert process.pid == world.services.pid("capture")
        assert highest - before < MAY_GROW_BYTES, f"capture grew by {(highest - before) >> 20} MiB"
        assert slowest < LATE_SECONDS, f"others waited {slowest:.1f} s"
        stage.note(
            f"{IDLE} idle and {2 * SLOW} slow connections: capture grew by {(highest - before) >> 20} MiB, "
            f"others waited {slowest:.2f} s at most"
        )


def not_taken(world: World) -> Counter[str]:
    """How the world's own senders were answered when they were not taken at once."""
    return Counter(
        {how: times for how, times in world.traffic.answers.items() if how != "202" and not how.startswith("command")}
    )


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(world: World) -> Connection:
    """A connection that says nothing yet."""
    return await asyncio.open_connection("127.0.0.1", world.services.port("capture"))


def head(*lines: str, path: str = "/v1/leads") -> bytes:
    """What comes before a body."""
    known = (f"POST {path} HTTP/1.1", "host: capture", f"authorization: Bearer {CAPTURE_KEY}")
    return "\r\n".join([*known, "content-type: application/json", *lines, "", ""]).encode()


async def status_of(reader: asyncio.StreamReader) -> bytes:
    """The status of an answer; nothing where the connection ended without one."""
    with suppress(ConnectionError):
        return (await asyncio.wait_for(reader.readline(), 30)).partition(b" ")[2][:3]
    return b""


async def too_large(world: World) -> None:
    """Bodies over the limits, and lengths that only boast."""
    url = world.services.url("capture")
    for path, body in (
        ("/v1/leads", b'{"message": "' + b"x" * 400_000 + b'"}'),
        ("/v1/leads:batch", b"[" + b"1," * 6_000_000),
    ):
        answer = await world.http.post(
            url + path, content=body, headers={**CAPTURE_HEADERS, "content-type": "application/json"}
        )
        assert answer.status_code == 413, f"a body of {len(body)} bytes was answered {answer.status_code}"
    many = json.dumps([{"channel": "api"}] * 6_000)
    answer = await world.http.post(
        f"{url}/v1/leads:batch", content=many, headers={**CAPTURE_HEADERS, "content-type": "application/json"}
    )
    assert answer.status_code == 413, f"6,000 items were answered {answer.status_code}"
    reader, writer = await connect(world)
    writer.write(head("content-length: 10000000000000"))
    assert await status_of(reader) == b"413"
    writer.close()


async def endless(world: World) -> None:
    """A body in chunks that never ends, also after the answer."""
    _, writer = await connect(world)
    writer.write(head("transfer-encoding: chunked"))
    chunk = b"%x\r\n%s\r\n" % (1 << 16, b"x" * (1 << 16))
    sent = 0
    with suppress(ConnectionError):
        while sent < 512 << 20:
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
    assert sent < 512 << 20, "an endless body was read on and on"
    writer.close()


async def bomb(world: World) -> None:
    """Little that becomes much."""
    content = gzip.compress(b"[" + b" " * (64 << 20) + b"]")
    for path in ("/v1/leads", "/v1/leads:batch"):
        answer = await world.http.post(
            world.services.url("capture") + path,
            content=content,
            headers={**CAPTURE_HEADERS, "content-type": "application/json", "content-encoding": "gzip"},
        )
        assert answer.status_code == 413, f"a bomb was answered {answer.status_code}"


async def no_end_of_head(world: World) -> None:
    """Headers without end."""
    _, writer = await connect(world)
    writer.write(b"POST /v1/leads HTTP/1.1\r\n")
    sent = 0
    with suppress(ConnectionError):
        while sent < 64 << 20:
            line = b"x-%d: %s\r\n" % (sent, b"y" * 8_000)
            writer.write(line)
            await writer.drain()
            sent += len(line)
    assert sent < 64 << 20, "headers without end were read on and on"
    writer.close()


async def slow_body(world: World) -> bytes:
    """Announces a body and sends it a byte at a time."""
    return await trickle(world, head("content-length: 10000"), b" " * 10_000)


async def slow_head(world: World) -> bytes:
    """Never comes to the end of its headers."""
    return await trickle(world, head()[:-2], b"x-slow: y\r\n" * 1_000)


async def trickle(world: World, at_once: bytes, slowly: bytes) -> bytes:
    """Sends the one, then the other a byte at a time, until there is an answer."""
    reader, writer = await connect(world)
    writer.write(at_once)
    answer = asyncio.create_task(status_of(reader))
    with suppress(ConnectionError):
        for byte in slowly:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.wait([answer], timeout=0.5)
            if answer.done():
                break
    writer.close()
    return await answer
