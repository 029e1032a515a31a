"""Capture and pipeline as processes on a mock cluster, senders that repeat what was not accepted, and who knows what
must be there afterwards."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import ParamSpec

import httpx
import psutil
import psycopg

from shared.kit.background import running
from tests.faults.harness.stage import Stage
from tests.faults.mock.cluster import MockCluster, running_mock_cluster
from tests.support.exposition import sample_sum
from tests.support.patience import eventually
from tests.support.servers import Databases, running_postgres
from tests.support.services import CAPTURE_KEY, RunningServices, services_for

P = ParamSpec("P")

DEADLINE_SECONDS = 4.0
"""Capture's, as it is configured when nobody says otherwise."""

GRACE_SECONDS = 0.5
LOOK_EVERY_SECONDS = 0.05
LATE_AT_MOST_SECONDS = 1.5
REPEAT_AFTER_SECONDS = 0.3
MOST_SELDOM = 20
"""After so many attempts, so many times later: thousands that wait for a log would keep this process from anything else."""
COUNTED_WITHIN_SECONDS = 30.0
SENDERS = 20
"""How many pools of connections the leads come over. A pool goes through all of its connections at each request and each
answer: with hundreds in one this process has no time to read the answers, and its own slowness counts as capture's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one POST got, and when it was sent."""

    sent_at: float
    seconds: float
    status: int


@dataclass
class Chain:
    """One scenario's services, and its ledger: what was accepted under which event id."""

    cluster: MockCluster
    services: RunningServices
    database_url: str
    clients: list[httpx.AsyncClient]
    answers: list[Answer] = field(default_factory=list)
    accepted: dict[str, str] = field(default_factory=dict)
    sent: int = 0
    most_waiting: int = 0
    _waiting: int = 0
    own_delay: float = 0.0
    some_are_too_large: bool = False
    """Whether the cluster was told to say so of some record."""

    def __post_init__(self) -> None:
        self._turns = cycle(self.clients)

    @property
    def client(self) -> httpx.AsyncClient:
        """Of each in turn."""
        return next(self._turns)

    async def measure_own_delay(self) -> None:
        """On a machine with much to do this process itself is late: by how much it oversleeps."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            self.own_delay = max(self.own_delay, time.monotonic() - began - LOOK_EVERY_SECONDS)

    async def let(self, change: Callable[P, None], *arguments: P.args, **named: P.kwargs) -> None:
        """Changes something about the cluster. It obeys when it gets round to it; senders' time goes on meanwhile."""
        await asyncio.to_thread(change, *arguments, **named)

    async def post(self, record_id: str, **fields: str) -> Answer:
        """One lead, once."""
        sent_at = time.monotonic()
        lead = {"record_id": record_id, "email": f"{record_id}@example.com", **fields}
        self._waiting += 1
        self.most_waiting = max(self.most_waiting, self._waiting)
        try:
            answer = await self.client.post(f"{self.services.url('capture')}/v1/leads", json=lead)
        finally:
            self._waiting -= 1
        if answer.status_code == 202:
            self.accepted[record_id] = answer.json()["event_id"]
        if answer.status_code == 503:
            assert answer.headers.get("Retry-After"), "a 503 says when to try again"
        self.answers.append(Answer(sent_at, time.monotonic() - sent_at, answer.status_code))
        return self.answers[-1]

    async def deliver(self, record_id: str) -> None:
        """One lead, until it is accepted, or refused for good; tried again more seldom the longer it takes, as senders do."""
        attempt = 0
        while True:
            status = (await self.post(record_id)).status
            if status == 202 or (status == 413 and self.some_are_too_large):
                return
            assert status == 503, f"a lead was answered {status}"
            attempt += 1
            await asyncio.sleep(REPEAT_AFTER_SECONDS * min(attempt, MOST_SELDOM))

    def next_id(self) -> str:
        """A record id that was not used yet."""
        self.sent += 1
        return f"lead{self.sent}"

    @asynccontextmanager
    async def traffic(self, rate: float = 40.0) -> AsyncIterator[None]:
        """New leads come at this rate, however slow the answers are; at the end every one of them is accepted."""
        begun: set[asyncio.Task[None]] = set()

        async def come() -> None:
            while True:
                begun.add(asyncio.create_task(self.deliver(self.next_id())))
                await asyncio.sleep(1 / rate)

        coming = asyncio.create_task(come())
        try:
            yield
        finally:
            coming.cancel()
            done, late = await asyncio.wait(begun, timeout=COUNTED_WITHIN_SECONDS)
            for task in late:
                task.cancel()
        for task in done:
            task.result()
        assert not late, f"{len(late)} leads were not accepted within {COUNTED_WITHIN_SECONDS:.0f} s after the end"

    async def recovered(self, within_seconds: float = 10.0) -> float:
        """Seconds from now until a new lead is accepted and a fact in pipeline."""
        began = time.monotonic()
        record_id = self.next_id()
        async with asyncio.timeout(within_seconds):
            await self.deliver(record_id)
            await eventually(
                lambda: self.counted([self.accepted[record_id]]), within_seconds=within_seconds, every_seconds=0.05
            )
        return time.monotonic() - began

    async def metric(self, service: str, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels. Raises `LookupError` where nothing is called so."""
        answer = await self.client.get(f"{self.services.url(service)}/metrics", headers={"Accept": "text/plain"})
        return sample_sum(answer.text, name, **labels)

    async def ready(self, service: str) -> bool:
        """Whether a service says that it can do its work."""
        try:
            return (await self.client.get(f"{self.services.url(service)}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def alive(self, service: str) -> bool:
        """Whether a service's process answers at all."""
        try:
            return (await self.client.get(f"{self.services.url(service)}/livez")).status_code == 200
        except httpx.TransportError:
            return False

    async def told_to_stop(self, service: str, within_seconds: float = 60.0) -> tuple[float, int]:
        """SIGTERM; how long it took then to end, and with which code."""
        process = self.services.processes.pop(service)
        began = time.monotonic()
        process.terminate()
        code = await asyncio.to_thread(process.wait, within_seconds)
        return time.monotonic() - began, code

    async def rows(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        """What the database says."""
        return await asyncio.to_thread(_rows, self.database_url, sql, parameters)

    def resident_bytes(self, service: str) -> int:
        """The memory of a service's process."""
        return int(psutil.Process(self.services.pid(service)).memory_info().rss)

    def slowest(self, status: int, since: float = 0.0) -> float:
        """The longest anyone waited for this answer."""
        return max((one.seconds for one in self.answers if one.status == status and one.sent_at >= since), default=0.0)

    def how_many(self, status: int, since: float = 0.0) -> int:
        """How often a POST was answered so."""
        return sum(one.status == status and one.sent_at >= since for one in self.answers)

    def check_deadline(self) -> None:
        """Nobody may wait longer for a 503 than capture's own deadline and a little, and what this process itself is late:
        on the way in and on the way out."""
        slowest, late = self.slowest(503), min(2 * self.own_delay, LATE_AT_MOST_SECONDS)
        assert slowest < DEADLINE_SECONDS + GRACE_SECONDS + late, f"a 503 took {slowest:.2f} s, {late:.2f} s of it ours"

    async def settle(self, stage: Stage) -> None:
        """Every accepted lead is a fact exactly once, and nothing was dead-lettered. Goes into the report."""
        expected = list(self.accepted.values())

        async def all_counted() -> bool:
            return len(await self.counted(expected)) == len(set(expected))

        try:
            await eventually(all_counted, within_seconds=COUNTED_WITHIN_SECONDS, every_seconds=0.2)
        except TimeoutError:
            stage.note("not everything that was accepted became a fact in time")
        counted = await self.counted(expected)
        lost = [one for one in expected if counted[one] == 0]
        double = [one for one, times in counted.items() if times > 1]
        stage.counts(accepted=len(expected), lost=len(lost), double=len(double))
        stage.note(f"this process itself was late by up to {self.own_delay:.1f} s")
        statuses = Counter(one.status for one in self.answers)
        stage.note("answers " + ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items())))
        letters = await self.rows("SELECT event_id FROM pipeline.dead_letters WHERE status = 'open'")
        assert (lost, double, letters) == ([], [], []), "accepted leads are lost, counted twice or dead-lettered"

    async def facts(self) -> int:
        """How many leads pipeline has."""
        ((count,),) = await self.rows("SELECT count(*) FROM pipeline.history WHERE event = 'LeadCreated'")
        return int(str(count))

    async def counted(self, event_ids: list[str]) -> Counter[str]:
        """How often each of these captured events is a fact."""
        rows = await self.rows(
            """SELECT causation_id::text FROM pipeline.history
               WHERE causation_id = ANY(%s::uuid[]) AND event IN ('LeadCreated', 'LeadTouched')""",
            event_ids,
        )
        return Counter(str(row[0]) for row in rows)


def _rows(url: str, sql: str, parameters: tuple[object, ...]) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(sql.encode(), parameters).fetchall()


def _sender() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        headers={"Authorization": f"Bearer {CAPTURE_KEY}"},
        timeout=30,
        limits=httpx.Limits(max_connections=1_000),
        trust_env=False,
    )


@asynccontextmanager
async def open_chain(
    stage: Stage, *, brokers: int = 1, partitions: int = 4, start: bool = True, **environment: str
) -> AsyncIterator[Chain]:
    """Everything a scenario needs, gone at the end. With `start=False` the services are only configured."""
    with running_postgres() as server, running_mock_cluster(brokers, partitions=partitions) as cluster:
        url = await asyncio.to_thread(Databases(server).migrated, "pipeline")
        services = services_for(url, cluster.bootstrap, stage.folder, environment=environment)
        try:
            async with AsyncExitStack() as opened:
                clients = [await opened.enter_async_context(_sender()) for _ in range(SENDERS)]
                chain = Chain(cluster, services, url, clients)
                if start:
                    services.start("capture")
                    services.start("pipeline")
                    await asyncio.to_thread(services.wait_until_ready, "capture", "pipeline")
                async with running(chain.measure_own_delay(), "own-delay"):
                    yield chain
        finally:
            await asyncio.to_thread(services.end)
