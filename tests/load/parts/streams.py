"""Scoring, pipeline and metrics, each alone over the same backlog, in the processor's time: beside Quix Streams with the same
rules, beside reading and decoding alone, beside writing the same rows alone."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
from confluent_kafka import Consumer, TopicPartition

from shared.contracts.topics import CAPTURE_LEADS, PIPELINE_LIFECYCLE, SCORING_SCORES
from tests.load import mix
from tests.load.findings import Finding
from tests.load.rewriting import rewrite
from tests.load.run import NotInstalled, Run
from tests.load.stage import PARTITIONS, Stage, running_stage
from tests.load.traffic import Traffic
from tests.support.services import ROOT, RunningServices

LEADS = 30_000
QUICK_LEADS = 6_000
WARM_UP = 0.2
"""The share of a backlog that is done before the clock starts."""

BENCH_PYTHON = ROOT / "build" / "bench-venv" / "bin" / "python"
"""Quix Streams wants another pydantic than ours, so it has an environment of its own."""

TOPICS = {
    "scoring": (CAPTURE_LEADS, PIPELINE_LIFECYCLE),
    "pipeline": (CAPTURE_LEADS, SCORING_SCORES),
    "metrics": (PIPELINE_LIFECYCLE,),
}


@dataclass(frozen=True, slots=True)
class Drained:
    """Microseconds of processor for each event: the service's own process, and the database's beside it."""

    events: int
    own: float
    postgres: float
    wall_seconds: float

    @property
    def per_core(self) -> float:
        """Events that one core's time in this process is good for."""
        return 1e6 / self.own

    @property
    def per_core_with_postgres(self) -> float:
        """The same, the database's time counted."""
        return 1e6 / (self.own + self.postgres)


def streams(run: Run) -> list[Finding]:
    """The three consumers one after another, each with the whole backlog of its topics before it."""
    if not BENCH_PYTHON.exists():
        raise NotInstalled(
            "Quix Streams is not installed, and scoring has to be held against it: `make bench` installs it"
        )
    leads = QUICK_LEADS if run.quick else LEADS
    with running_stage(run) as stage:
        services = stage.configured()
        events = captured(stage, services, run, leads)
        scoring = drained(stage, services, "scoring", run)
        services.stop("scoring")
        reading = _limit_of_reading(stage, events)
        run.say(f"reading and decoding alone: {1e6 / reading:,.1f} µs an event")
        quix = _quix(stage, events)
        run.say(f"Quix Streams: {1e6 / quix:,.1f} µs an event")
        pipeline = drained(stage, services, "pipeline", run)
        won = asyncio.run(win(stage, services))
        run.say(f"{won} leads won")
        relayed(stage, "pipeline")
        services.stop("pipeline")
        metrics = drained(stage, services, "metrics", run)
        services.stop("metrics")
        lines = _scoring_lines(scoring, quix, reading)
        for name, done in (("pipeline", pipeline), ("metrics", metrics)):
            run.say(f"{name}'s rows are written again")
            written = rewrite(
                stage.database_url, name, -(-done.events // 1000), lambda: stage.processor_seconds()["postgres"]
            )
            upserted, copied = (done.events / seconds for seconds in (written.upserted_seconds, written.copied_seconds))
            detail = {
                "own µs": done.own,
                "PostgreSQL µs": done.postgres,
                "rows an event": written.rows / done.events,
            }
            measured = done.per_core_with_postgres
            what = f"{name}, PostgreSQL's time included"
            lines += [
                Finding("streams", what, measured, "events/s a core", upserted, "set-wise upsert of the same rows (the limit)", detail=detail),
                Finding("streams", what, measured, "events/s a core", copied, "COPY of the same rows (the limit)"),
            ]  # fmt: skip
    return lines


def _scoring_lines(scoring: Drained, quix: float, reading: float) -> list[Finding]:
    detail = {"own µs": scoring.own, "PostgreSQL µs": scoring.postgres}
    both = scoring.per_core_with_postgres
    against = "Quix Streams, same rules, state in RocksDB"
    return [
        Finding("streams", "scoring, its own process", scoring.per_core, "events/s a core", quix, against, target=1.0, detail=detail),
        Finding("streams", "scoring, PostgreSQL's time included", both, "events/s a core", quix, against),
        Finding("streams", "scoring, its own process", scoring.per_core, "events/s a core", reading, "reading and decoding alone (the limit)"),
    ]  # fmt: skip


def captured(
    stage: Stage,
    services: RunningServices,
    run: Run,
    leads: int,
    leads_body: Callable[[range], bytes] = mix.leads_body,
) -> int:
    """Leads in the log, with nobody reading; how many events they are."""
    services.start("capture")
    services.wait_until_ready("capture")
    asyncio.run(Traffic(services, leads_body=leads_body).post_all(range(leads)))
    services.stop("capture")
    events = length(stage, CAPTURE_LEADS.name)
    run.say(f"{events:,} captured events lie in the log")
    return events


def length(stage: Stage, topic: str) -> int:
    """How many records a topic has."""
    consumer = Consumer({"bootstrap.servers": stage.bootstrap, "group.id": "bench", "enable.auto.commit": False})
    total = 0
    for partition in range(PARTITIONS):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        total += high - low
    consumer.close()
    return total


def drained(stage: Stage, services: RunningServices, name: str, run: Run, *, url: str | None = None) -> Drained:
    """Starts a service on its backlog and waits until all is done and told on; `url` is its database where it is not the stage's."""
    events = sum(length(stage, topic.name) for topic in TOPICS[name])
    progress = (
        f"SELECT coalesce(sum(next_offset), 0), (SELECT count(*) FROM {name}.outbox) FROM {name}.consumer_offsets"
    )
    begun: tuple[float, dict[str, float], float] | None = None
    give_up_at = time.monotonic() + 300
    services.start(name)
    with psycopg.connect(url or stage.database_url, autocommit=True) as connection:
        while True:
            found = connection.execute(progress.encode()).fetchone()
            assert found is not None
            done, waiting = float(found[0]), int(found[1])
            if begun is None and done >= WARM_UP * events:
                begun = done, stage.processor_seconds(), time.perf_counter()
            if done >= events and not waiting:
                break
            if time.monotonic() > give_up_at:
                raise RuntimeError(f"{name} did {done:,.0f} of {events:,} events:\n{services.log(name)[-2000:]}")
            time.sleep(0.05)
        if bad := connection.execute(f"SELECT stage, reason, detail FROM {name}.dead_letters".encode()).fetchall():
            raise RuntimeError(f"{name} has {len(bad)} dead letters of the bench's own records, the first: {bad[0]}")
    assert begun is not None
    after, counted = stage.processor_seconds(), events - begun[0]
    own, postgres = ((after[who] - begun[1][who]) / counted * 1e6 for who in (name, "postgres"))
    wall = time.perf_counter() - begun[2]
    run.say(
        f"{name}: {own:,.0f} µs an event, PostgreSQL {postgres:,.0f} µs, {counted / wall:,.0f} events/s by the clock"
    )
    return Drained(events, own, postgres, wall)


def relayed(stage: Stage, name: str) -> None:
    """Waits until everything a service has to tell is told."""
    give_up_at = time.monotonic() + 60
    while stage.scalar(f"SELECT count(*) FROM {name}.outbox"):
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"the outbox of {name} does not empty")
        time.sleep(0.1)


async def win(stage: Stage, services: RunningServices) -> int:
    """Every hundredth lead becomes a customer."""
    with psycopg.connect(stage.database_url) as connection:
        found = connection.execute(
            b"SELECT lead_id FROM pipeline.leads WHERE status = 'qualified' ORDER BY lead_id LIMIT "
            b"(SELECT count(*) / %d FROM pipeline.leads)" % mix.WON_EVERY
        )
        leads = [str(row[0]) for row in found]
    async with Traffic(services).open() as traffic:
        for at in range(0, len(leads), 8):
            await asyncio.gather(*(traffic.win(lead_id) for lead_id in leads[at : at + 8]))
    return len(leads)


def _limit_of_reading(stage: Stage, events: int) -> float:
    """Events a second of processor time for reading and decoding alone."""
    command = [sys.executable, "-m", "tests.load.reading", stage.bootstrap, CAPTURE_LEADS.name]
    return _outcome([*command, str(events), str(int(events * WARM_UP))])


def _quix(stage: Stage, events: int) -> float:
    """Events a second of processor time on Quix Streams."""
    command = [str(BENCH_PYTHON), "-W", "ignore", "-m", "tests.load.quix", stage.bootstrap, CAPTURE_LEADS.name]
    return _outcome([*command, str(events), str(int(events * WARM_UP)), str(stage.folder / "quix")])


def _outcome(command: Sequence[str]) -> float:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise RuntimeError(f"{command[2:4]} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    outcome = json.loads(lines[-1])
    return float(outcome["records"] / outcome["processor"])
