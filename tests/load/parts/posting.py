"""Capture against bare handlers on the same server: one lead a request, and batches; and against librdkafka alone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

from shared.cli.local.ports import free_port
from shared.contracts.topics import CAPTURE_LEADS
from tests.load import mix, wrk
from tests.load.arithmetic import median
from tests.load.findings import Finding
from tests.load.run import Run
from tests.load.stage import PARTITIONS, Stage, running_stage, seconds_of
from tests.support.patience import eventually_blocking
from tests.support.services import CAPTURE_KEY, ROOT

SINGLES = 20_000
SINGLE_CONNECTIONS = 64
BATCH = 1_000
BATCHES = 40
BATCH_CONNECTIONS = 4
BARE_TOPIC, RAW_TOPIC = "bench.bare", "bench.raw"
AGAIN = 100_000
"""How many of the captured events librdkafka writes again."""


def one_lead(run: Run) -> list[Finding]:
    """Requests with one lead each."""
    wrk.require()
    with running_stage(run) as stage, _side_by_side(stage, "/v1/leads", "/one") as targets:
        bodies = wrk.write_bodies(
            stage.folder / "one", (mix.unnamed_leads_body([number])[1:-1] for number in range(SINGLES))
        )
        ours, theirs = _in_turn(targets, bodies, SINGLE_CONNECTIONS, run)
    part = "one-lead"
    return [
        Finding(
            part,
            "one-lead POST, durable",
            ours.requests_per_second,
            "requests/s",
            theirs.requests_per_second,
            "bare FastAPI handler",
            target=0.8,
            detail={"connections": SINGLE_CONNECTIONS, "broker": run.broker},
        ),
        Finding(part, "one-lead POST, p50", ours.p50_ms, "ms", theirs.p50_ms, "bare"),
        Finding(part, "one-lead POST, p99", ours.p99_ms, "ms", theirs.p99_ms, "bare"),
        Finding(
            part,
            "one-lead POST, processor",
            ours.processor_microseconds,
            "µs a lead",
            theirs.processor_microseconds,
            "bare",
        ),
    ]


def batches(run: Run) -> list[Finding]:
    """Requests with a thousand leads each."""
    wrk.require()
    with running_stage(run) as stage, _side_by_side(stage, "/v1/leads:batch", "/batch", "/forwarded") as targets:
        numbers = [range(at * BATCH, (at + 1) * BATCH) for at in range(BATCHES)]
        bodies = wrk.write_bodies(stage.folder / "batches", map(mix.unnamed_leads_body, numbers))
        ours, theirs, forwarded = _in_turn(targets, bodies, BATCH_CONNECTIONS, run)
        run.say("librdkafka writes the same bytes")
        stage.create_topics(RAW_TOPIC)
        records = _captured(stage, AGAIN // 4 if run.quick else AGAIN)
        limit = median([_written_again(stage, records) for _ in range(1 if run.quick else 3)])
    part, leads = "batch", ours.requests_per_second * BATCH
    size = sum(len(value) for _, value in records) / len(records)
    return [
        Finding(
            part,
            "batch POST, every field normalised",
            leads,
            "leads/s",
            theirs.requests_per_second * BATCH,
            "bare batch handler, FastAPI and pydantic, a send for each lead",
            target=0.5,
            detail={"leads a batch": BATCH, "connections": BATCH_CONNECTIONS},
        ),
        Finding(
            part,
            "batch POST",
            leads,
            "leads/s",
            forwarded.requests_per_second * BATCH,
            "forwarding unread, batches filled by hand (a limit)",
        ),
        Finding(
            part,
            "batch POST",
            leads,
            "leads/s",
            limit,
            "librdkafka, the same bytes, acknowledged (the limit)",
            detail={"bytes an event": size},
        ),
        Finding(part, "batch POST, p50", ours.p50_ms, "ms", theirs.p50_ms, "bare"),
        Finding(part, "batch POST, p99", ours.p99_ms, "ms", theirs.p99_ms, "bare"),
        Finding(
            part,
            "batch POST, processor",
            ours.processor_microseconds / BATCH,
            "µs a lead",
            theirs.processor_microseconds / BATCH,
            "bare",
        ),
    ]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post, and the process that answers there."""

    url: str
    process: psutil.Process


@dataclass(frozen=True, slots=True)
class Outcome:
    """The middle of several rounds. The processor's time tells the two apart even while others use the machine."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    processor_microseconds: float


def _in_turn(targets: Sequence[Target], bodies: Path, connections: int, run: Run) -> list[Outcome]:
    """Each in turn, several times, so that what else happens on the machine meets both; the middle one of each."""
    rounds, seconds = (1, 3.0) if run.quick else (3, 6.0)
    done: dict[str, list[Outcome]] = {target.url: [] for target in targets}
    for target in targets:
        wrk.post(target.url, bodies, key=CAPTURE_KEY, connections=connections, seconds=2.0)
    for turn in range(rounds):
        for target in targets:
            before = seconds_of(target.process)
            load = wrk.post(target.url, bodies, key=CAPTURE_KEY, connections=connections, seconds=seconds)
            spent = (seconds_of(target.process) - before) / load.requests * 1e6
            done[target.url].append(Outcome(load.requests_per_second, load.p50_ms, load.p99_ms, spent))
            path = target.url.split("/", 3)[3]
            run.say(
                f"round {turn + 1} of {rounds}: {load.requests_per_second:,.0f} requests/s at /{path}, {spent:,.0f} µs"
            )
    return [_middle(done[target.url]) for target in targets]


def _middle(rounds: list[Outcome]) -> Outcome:
    return Outcome(
        median([one.requests_per_second for one in rounds]),
        median([one.p50_ms for one in rounds]),
        median([one.p99_ms for one in rounds]),
        median([one.processor_microseconds for one in rounds]),
    )


@contextmanager
def _side_by_side(stage: Stage, ours: str, *theirs: str) -> Iterator[list[Target]]:
    """Capture and the bare handlers, ready, each with the path that is posted to."""
    services = stage.configured()
    services.start("capture")
    stage.create_topics(BARE_TOPIC)
    port = free_port()
    command = [sys.executable, "-m", "tests.load.bare", str(port), stage.bootstrap, BARE_TOPIC]
    bare = subprocess.Popen(command, cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        services.wait_until_ready("capture")
        eventually_blocking(lambda: _answers(url), within_seconds=30)
        capture = Target(f"{services.url('capture')}{ours}", psutil.Process(services.pid("capture")))
        yield [capture, *(Target(f"{url}{path}", psutil.Process(bare.pid)) for path in theirs)]
    finally:
        bare.terminate()
        bare.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _captured(stage: Stage, limit: int) -> list[tuple[bytes, bytes]]:
    """The first so many records that capture wrote, key and value."""
    consumer = Consumer({"bootstrap.servers": stage.bootstrap, "group.id": "bench", "enable.auto.commit": False})
    consumer.assign([TopicPartition(CAPTURE_LEADS.name, partition, 0) for partition in range(PARTITIONS)])
    records: list[tuple[bytes, bytes]] = []
    while len(records) < limit:
        found = consumer.consume(10_000, timeout=3.0)
        if not found:
            break
        records += [(one.key() or b"", one.value() or b"") for one in found if one.error() is None]
    consumer.close()
    return records[:limit]


def _written_again(stage: Stage, records: list[tuple[bytes, bytes]]) -> float:
    """Records a second that librdkafka gets acknowledged."""
    failed: list[object] = []
    producer = Producer(
        {
            "bootstrap.servers": stage.bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "zstd",
            "linger.ms": 2,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    producer.list_topics(RAW_TOPIC, timeout=10)

    def acknowledged(error: object, _: object) -> None:
        if error is not None:
            failed.append(error)

    started = time.perf_counter()
    for place, (key, value) in enumerate(records):
        producer.produce(RAW_TOPIC, value, key, on_delivery=acknowledged)
        if place % 1000 == 0:
            producer.poll(0)
    left = producer.flush(60)
    took = time.perf_counter() - started
    if failed or left:
        raise RuntimeError(f"librdkafka could not write {len(failed) + left} records")
    return len(records) / took
