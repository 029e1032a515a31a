"""A whole Leadflow under load: Apache Kafka, PostgreSQL, the services, senders and clerks, and the ledger that judges them."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import Any
from uuid import UUID

import httpx
import psycopg

from tests.faults.harness.invariants import broken_promises
from tests.faults.harness.keeper import Keeper
from tests.faults.harness.ledger import Ledger
from tests.faults.harness.postgres import WITH_TABLES, FaultyPostgres, running_faulty_postgres
from tests.faults.harness.stage import Stage
from tests.faults.harness.standing import READS, has_done_everything
from tests.faults.harness.traffic import TRY_AGAIN, Traffic
from tests.support.exposition import sample_sum
from tests.support.patience import eventually
from tests.support.servers import SERVICES, KafkaCluster, run_migrations, running_kafka_cluster
from tests.support.services import CAPTURE_KEY, RunningServices, services_for
from tests.support.topics import create_topics

PARTITIONS = 4
DEAD_LETTER_BUDGET = 1_000
PROBE_EVERY_SECONDS = 0.05
Letter = tuple[str, str, int, int]
"""A service, and the place in the log of what it set aside."""

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
    expected_dead_letters: set[Letter] = field(default_factory=set)
    _healed_at: float | None = None
    _probes: int = 0

    def note(self, text: str) -> None:
        """Something worth a line in the report."""
        self.stage.note(text)

    def expect_dead_letters(self, letters: Iterable[Letter]) -> None:
        """These, too, are to be dead letters: poison that was injected on purpose."""
        self.expected_dead_letters.update(letters)

    def healed(self) -> None:
        """What was broken is whole again, now: the next lead that is counted says how long recovery took."""
        self._healed_at = time.monotonic()

    async def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """SQL on the database itself, past any proxy."""
        async with await psycopg.AsyncConnection.connect(
            self.postgres.url, autocommit=True, connect_timeout=5
        ) as connection:
            cursor = await connection.execute(sql.encode(), parameters or None)
            return await cursor.fetchall() if cursor.description else []

    async def metric(self, instance: str, name: str, **labels: str) -> float:
        """The sum of a metric's samples on one process. Raises `LookupError` where nothing is called so."""
        answer = await self.http.get(f"{self.services.url(instance)}/metrics")
        return sample_sum(answer.text, name, **labels)

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
        deaths = self.keeper.ended(instance, -signal.SIGKILL)
        self.services.kill(instance)
        self.services.start(instance, LEADFLOW_FAILPOINT=failpoint)
        await eventually(lambda: self.keeper.ended(instance, -signal.SIGKILL) > deaths, within_seconds=within_seconds)
        self.healed()

    async def probe(self, within_seconds: float = 30.0) -> float:
        """Posts one lead, repeated until it is accepted, and waits until it is a fact; how many seconds that took."""
        started = time.monotonic()
        async with asyncio.timeout(within_seconds):
            event_id = await self._accepted()
            while not await self._is_fact(event_id):
                self.traffic.check()
                await asyncio.sleep(PROBE_EVERY_SECONDS)
        if self._healed_at is not None:
            self.stage.recovery(time.monotonic() - self._healed_at)
            self._healed_at = None
        return time.monotonic() - started

    async def _accepted(self) -> str:
        record_id = self.new_record_id()
        while True:
            if (event_id := await self.offer(record_id)) is not None:
                return event_id
            await asyncio.sleep(PROBE_EVERY_SECONDS)

    def new_record_id(self) -> str:
        """A name for a lead of somebody new."""
        self._probes += 1
        return f"probe-{self._probes}"

    async def offer(self, record_id: str) -> str | None:
        """Posts one lead, once; its event where it is accepted."""
        body = {"record_id": record_id, "email": f"{record_id}@example.com", "channel": "api"}
        self.ledger.sent(record_id)
        with suppress(httpx.TransportError):
            answer = await self.http.post(
                f"{self.services.url('capture')}/v1/leads", json=body, headers=CAPTURE_HEADERS
            )
            assert answer.status_code in (202, *TRY_AGAIN), (
                f"a lead was answered {answer.status_code}: {answer.text[:500]}"
            )
            if answer.status_code == 202:
                said = answer.json()
                self.ledger.accepted(record_id, said["event_id"], said["lead_id"])
                return str(said["event_id"])
        return None

    async def _is_fact(self, event_id: str) -> bool:
        with suppress(psycopg.Error, OSError):
            return bool(await self.rows("SELECT 1 FROM metrics.facts WHERE causation_id = %s LIMIT 1", UUID(event_id)))
        return False

    async def quiet(self, within_seconds: float = 90.0) -> None:
        """Pauses the traffic and waits until every accepted event is a fact, and nobody has anything left to send."""
        await self.traffic.pause(within_seconds)
        await self.at_rest(within_seconds)

    async def at_rest(self, within_seconds: float = 90.0) -> None:
        """Waits until every accepted event is a fact, nobody has anything left to read, and nobody anything left to send.

        What one has read may give another something to read: a touch a score, a score a grade. Three rounds are the longest way.
        """
        wanted = set(self.ledger.event_ids())

        async def all_counted() -> bool:
            left = await self.rows(
                """
                SELECT 1 FROM pipeline.outbox UNION ALL SELECT 1 FROM scoring.outbox
                UNION ALL SELECT 1 FROM pipeline.history h WHERE NOT EXISTS (
                    SELECT FROM metrics.facts f WHERE f.lead_id = h.lead_id AND f.event_id = h.event_id)
                LIMIT 1"""
            )
            if left:
                return False
            counted = await self.rows(
                "SELECT causation_id::text FROM metrics.facts WHERE event IN ('LeadCreated', 'LeadTouched')"
            )
            return wanted <= {event_id for (event_id,) in counted}

        for _ in range(3):
            await eventually(all_counted, within_seconds=within_seconds, every_seconds=0.2)
            for service in READS:
                await has_done_everything(self, service)


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
    """A world that does not come to rest is compared with the ledger all the same, so that what it lost is counted."""
    faults: list[str] = []

    async def all_is_there() -> None:
        faults.extend(await broken_promises(world))

    world.traffic.resume()
    world.healed()
    for what, doing in (
        ("not everything became ready", world.all_ready),
        ("no new lead was counted", partial(world.probe, 60)),
        ("not every sender got a good answer", world.traffic.pause),
        ("it did not come to rest", world.at_rest),
        ("the comparison was not finished", all_is_there),
    ):
        faults += await _said(what, doing)
    world.stage.counts(accepted=world.ledger.count())
    if world.keeper.ends:
        world.note(f"ended by themselves and were started again: {dict(world.keeper.ends)}")
    if unexplained := world.keeper.unexplained():
        faults.append(f"services ended as nobody made them: {unexplained}")
    assert not faults, "\n".join(faults)


async def _said(what: str, doing: Callable[[], Awaitable[object]]) -> list[str]:
    """What went wrong, as a sentence, if anything."""
    try:
        await doing()
    except Exception as error:
        return [f"{what}: {error!r}"]
    return []
