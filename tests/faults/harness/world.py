"""A whole Leadflow under load: Apache Kafka, PostgreSQL, the services, senders and clerks, and the ledger that judges them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any
from uuid import UUID

import httpx
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.harness.invariants import broken_promises
from tests.faults.harness.keeper import Keeper
from tests.faults.harness.ledger import Ledger
from tests.faults.harness.postgres import WITH_TABLES, FaultyPostgres, running_faulty_postgres
from tests.faults.harness.stage import Stage
from tests.faults.harness.traffic import Traffic
from tests.support.patience import eventually
from tests.support.servers import SERVICES, KafkaCluster, run_migrations, running_kafka_cluster
from tests.support.services import CAPTURE_KEY, RunningServices, services_for
from tests.support.topics import create_topics

PARTITIONS = 4
DEAD_LETTER_BUDGET = 1_000
PROBE_EVERY_SECONDS = 0.05
CAPTURE_HEADERS = {"Authorization": f"Bearer {CAPTURE_KEY}"}


@dataclass(slots=True)
class World:
    """Everything a fault may break, and what it may ask meanwhile."""

    stage: Stage
    kafka: KafkaCluster
    postgres: FaultyPostgres
    services: RunningServices
    keeper: Keeper
    ledger: Ledger
    traffic: Traffic
    http: httpx.AsyncClient
    expected_dead_letters: int = 0
    _probes: int = field(default=0)

    def note(self, text: str) -> None:
        """Something worth a line in the report."""
        self.stage.note(text)

    def expect_dead_letters(self, count: int) -> None:
        """So many more records, over all services, are to be dead letters: poison that was injected on purpose."""
        self.expected_dead_letters += count

    async def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """SQL on the database itself, past any proxy."""
        async with await psycopg.AsyncConnection.connect(
            self.postgres.url, autocommit=True, connect_timeout=5
        ) as connection:
            cursor = await connection.execute(sql.encode(), parameters or None)
            return await cursor.fetchall() if cursor.description else []

    async def metric(self, instance: str, name: str, **labels: str) -> float:
        """The sum of a metric's samples on one process; 0 where it has none."""
        answer = await self.http.get(f"{self.services.url(instance)}/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def ready(self, instance: str) -> bool:
        """Whether a process says that it is ready."""
        try:
            return (await self.http.get(f"{self.services.url(instance)}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def all_ready(self, *instances: str, within_seconds: float = 60.0) -> None:
        """Waits until these processes, all that were started when none is named, are ready."""
        for instance in instances or tuple(self.services.processes):

            async def is_ready(instance: str = instance) -> bool:
                return await self.ready(instance)

            await eventually(is_ready, within_seconds=within_seconds)

    async def stop(self, instance: str) -> None:
        """Asks a process to stop, and waits for it without holding up everybody else."""
        await asyncio.to_thread(self.services.stop, instance)

    async def killed_at(self, instance: str, failpoint: str, within_seconds: float = 40.0) -> None:
        """Starts a process anew so that it dies at a failpoint; returns when it has, and is started again."""
        deaths = self.keeper.ended(instance)
        self.services.kill(instance)
        self.services.start(instance, LEADFLOW_FAILPOINT=failpoint)
        await eventually(lambda: self.keeper.ended(instance) > deaths, within_seconds=within_seconds)

    async def probe(self, within_seconds: float = 30.0) -> float:
        """Posts one lead, repeated until it is accepted, and waits until it is a fact; how many seconds that took."""
        started = time.monotonic()
        self._probes += 1
        record_id = f"probe-{self._probes}"
        body = {"record_id": record_id, "email": f"{record_id}@example.com", "channel": "api"}
        async with asyncio.timeout(within_seconds):
            event_id = await self._accepted(record_id, body)
            while not await self._is_fact(event_id):
                self.traffic.check()
                await asyncio.sleep(PROBE_EVERY_SECONDS)
        return time.monotonic() - started

    async def _accepted(self, record_id: str, body: Mapping[str, str]) -> str:
        while True:
            self.ledger.sent(record_id)
            with suppress(httpx.TransportError):
                answer = await self.http.post(
                    f"{self.services.url('capture')}/v1/leads", json=body, headers=CAPTURE_HEADERS
                )
                if answer.status_code == 202:
                    said = answer.json()
                    self.ledger.accepted(record_id, said["event_id"], said["lead_id"])
                    return str(said["event_id"])
            await asyncio.sleep(PROBE_EVERY_SECONDS)

    async def _is_fact(self, event_id: str) -> bool:
        with suppress(psycopg.Error, OSError):
            return bool(await self.rows("SELECT 1 FROM metrics.facts WHERE causation_id = %s LIMIT 1", UUID(event_id)))
        return False

    async def quiet(self, within_seconds: float = 90.0) -> None:
        """Pauses the traffic and waits until every accepted event is a fact, and nobody has anything left to send."""
        await self.traffic.pause(within_seconds)
        wanted = self.ledger.count()

        async def all_counted() -> bool:
            counted = await self.rows(
                "SELECT count(DISTINCT causation_id) FROM metrics.facts WHERE event IN ('LeadCreated', 'LeadTouched')"
            )
            left = await self.rows(
                """
                SELECT FROM pipeline.outbox UNION ALL SELECT FROM scoring.outbox
                UNION ALL SELECT FROM pipeline.history h WHERE NOT EXISTS (
                    SELECT FROM metrics.facts f WHERE f.lead_id = h.lead_id AND f.event_id = h.event_id)
                LIMIT 1"""
            )
            return counted[0][0] >= wanted and not left

        await eventually(all_counted, within_seconds=within_seconds, every_seconds=0.2)


@asynccontextmanager
async def open_world(
    stage: Stage,
    *,
    nodes: int = 1,
    rate: float = 100.0,
    seed: int | str | None = None,
    database_url_of: Callable[[str], str] = lambda url: url,
    kafka_bootstrap_of: Callable[[str], str] = lambda bootstrap: bootstrap,
    environment: Mapping[str, str] | None = None,
    services: Sequence[str] = SERVICES,
    judged: bool = True,
) -> AsyncIterator[World]:
    """Brings a world up; when it is left without an error, and `judged`, everything is compared with the ledger.

    Raises `AssertionError` naming every promise that was broken.
    """
    async with AsyncExitStack() as stack:
        kafka = stack.enter_context(running_kafka_cluster(nodes))
        postgres = stack.enter_context(running_faulty_postgres(stage.folder))
        await asyncio.to_thread(_migrate, postgres.url)
        await kafka.in_sync(60)
        await create_topics(kafka.bootstrap, partitions=PARTITIONS, replicas=min(nodes, 3))
        running = services_for(
            database_url_of(postgres.url),
            kafka_bootstrap_of(kafka.bootstrap),
            stage.folder,
            environment={
                **{f"{service.upper()}_DEAD_LETTER_BUDGET": str(DEAD_LETTER_BUDGET) for service in SERVICES},
                **{f"{service.upper()}_IDLE_FETCH_PAUSE_SECONDS": "0" for service in SERVICES},
                **(environment or {}),
            },
        )
        stack.callback(running.end)
        for service in services:
            running.start(service)
        keeper = Keeper(running)
        keeping = asyncio.create_task(keeper.run(), name="keeper")
        stack.callback(keeping.cancel)
        ledger = Ledger(stage.folder / "ledger.sqlite")
        stack.callback(ledger.close)
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=10, trust_env=False))
        traffic = Traffic(
            lambda: (
                [running.url(name) for name in running.processes if name.startswith("capture")]
                or [running.url("capture")]
            ),
            lambda: running.url("pipeline"),
            ledger,
            stage.name if seed is None else seed,
            rate,
        )
        world = World(stage, kafka, postgres, running, keeper, ledger, traffic, http)
        await world.all_ready()
        await stack.enter_async_context(traffic)
        yield world
        if judged:
            await _judge(world)


def _migrate(database_url: str) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(run_migrations, WITH_TABLES, repeat(database_url)))


async def _judge(world: World) -> None:
    world.traffic.resume()
    await world.all_ready()
    world.stage.recovery(await world.probe(60))
    await world.quiet()
    world.stage.counts(accepted=world.ledger.count())
    faults = await broken_promises(world)
    if world.keeper.ends:
        world.note(f"ended by themselves and were started again: {dict(world.keeper.ends)}")
    assert not faults, "\n".join(faults)
