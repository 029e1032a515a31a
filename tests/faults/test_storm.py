"""Everything at once on the same few people, each service twice, the log saying things again; then all is compared."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.metrics import api as metrics_api
from services.metrics import app as metrics_app
from services.metrics.handlers import Handlers as MetricsHandlers
from services.pipeline import app as pipeline_app
from services.pipeline.handlers import Handlers as PipelineHandlers
from services.pipeline.instruments import PipelineInstruments
from services.pipeline.settings import PipelineSettings
from services.scoring import app as scoring_app
from services.scoring.handlers import Handlers as ScoringHandlers
from services.scoring.instruments import ScoringInstruments
from shared.contracts.policy import Policy
from shared.contracts.topics import CAPTURE_LEADS
from shared.kit import problems
from shared.kit.clock import SystemClock
from shared.kit.database import Database
from shared.kit.documents import read_yaml
from shared.kit.instruments import OutboxInstruments
from shared.kit.relay import Relay
from tests.faults.storm.comparison import Comparison
from tests.faults.storm.log import Consumers, Log
from tests.faults.storm.traffic import Captured, Clerk, captured
from tests.unit.pipeline.builders import SECRET

PEOPLE = 60
REQUESTS_OF_EACH_CLERK = 300
CLERKS = 4
CAPTURED_AT_ONCE_AT_MOST = 60
SECONDS_BETWEEN_AT_MOST = 1.0
REPLICAS = 2
TOKEN = "only-for-tests-only-for-tests"
POLICY_FILE = Path(__file__).parents[2] / "policy.yaml"


def routes(app: Any) -> dict[Any, Any]:
    """A service's handler of each event."""
    return {event: handler for topic in app.CONSUMES.values() for event, handler in topic.items()}


class Storm:
    """Three services, twice each, on one database and one log, and everybody who wants something of them."""

    def __init__(self, url: str, seed: int) -> None:
        self.seed = seed
        self.seen: Counter[str] = Counter()
        self.policy = read_yaml(POLICY_FILE, Policy)
        self.log = Log(self.chance("log"), self.seen)
        self.events = captured(self.chance("captured"), PEOPLE)
        self.pipelines = [
            PipelineHandlers(self.policy, SECRET, PipelineInstruments(CollectorRegistry()), routes(pipeline_app))
            for _ in range(REPLICAS)
        ]
        scorings = [
            ScoringHandlers(self.policy, ScoringInstruments(CollectorRegistry()), routes(scoring_app))
            for _ in range(REPLICAS)
        ]
        metrics = [MetricsHandlers(self.policy.unit, routes(metrics_app)) for _ in range(REPLICAS)]
        self.pipeline, self.scoring, self.metrics = self.services = [
            Consumers(
                self.log,
                [Database(url, schema=name, outbox=name != "metrics") for _ in range(REPLICAS)],
                [one.handle for one in handlers],
                [topic.name for topic in app.CONSUMES],
                self.seen,
            )
            for name, app, handlers in (
                ("pipeline", pipeline_app, self.pipelines),
                ("scoring", scoring_app, scorings),
                ("metrics", metrics_app, metrics),
            )
        ]
        settings = PipelineSettings(
            database_url=url, api_token=TOKEN, identity_secret=SECRET.decode(), policy_file=POLICY_FILE
        )
        self.apps = [pipeline_app.create_app(settings) for _ in range(REPLICAS)]

    def chance(self, whose: str) -> random.Random:
        """Everybody's chance is their own, so that the plan does not depend on who came first."""
        return random.Random(f"{self.seed} {whose}")

    async def run(self) -> list[str]:
        """The storm, until it is over, and what was wrong afterwards."""
        async with AsyncExitStack() as stack:
            for database in (database for service in self.services for database in service.databases):
                stack.push_async_callback(database.close)
            for app in self.apps:
                stack.push_async_callback(app.state.database.close)
            clients = [await stack.enter_async_context(client(app)) for app in self.apps]
            asker = await stack.enter_async_context(client(self._kpis()))
            async with asyncio.TaskGroup() as group:
                endless = [group.create_task(work) for work in self._endless()]
                async with asyncio.TaskGroup() as traffic:
                    traffic.create_task(self._capture(self.events))
                    for number in range(CLERKS):
                        http, chance = clients[number % REPLICAS], self.chance(f"clerk {number}")
                        clerk = Clerk(http, self.pipeline.databases[0], chance, PEOPLE, self.seen)
                        traffic.create_task(clerk.work(REQUESTS_OF_EACH_CLERK))
                await self._calm()
                for task in endless:
                    task.cancel()
            ids = {event.event_id for event in self.events}
            year = datetime.now(UTC).year
            return await Comparison(self.pipeline.databases[0], asker, self.policy, self.log, ids, year).faults()

    def _endless(self) -> list[Coroutine[Any, Any, None]]:
        sweeps = [self._sweep(number) for number in range(REPLICAS)]
        reads = [self._consume(service, number) for service in self.services for number in range(REPLICAS)]
        relays = [
            Relay(database, self.log, OutboxInstruments(CollectorRegistry()), poll_seconds=0.02).run()
            for service in (self.pipeline, self.scoring)
            for database in service.databases
        ]
        return [*sweeps, *reads, *relays]

    async def _capture(self, events: list[Captured]) -> None:
        """In bursts, so that batches are large and both consumers have work."""
        chance = self.chance("capture")
        rest = iter(events)
        while burst := list(islice(rest, chance.randint(1, CAPTURED_AT_ONCE_AT_MOST))):
            for event in burst:
                self.log.append(CAPTURE_LEADS.name, str(event.lead_id).encode(), event.to_json())
            await asyncio.sleep(chance.random() * SECONDS_BETWEEN_AT_MOST)

    async def _consume(self, service: Consumers, replica: int) -> None:
        chance = self.chance(f"{service.name} {replica}")
        while True:
            if not await service.step(replica, chance):
                await asyncio.sleep(0.01)

    async def _sweep(self, replica: int) -> None:
        """Takes up what began to wait while its lead was being made."""
        work = partial(self.pipelines[replica].take_up_stranded, within_seconds=None)
        while True:
            self.seen["taken up late"] += await self.pipeline.databases[replica].run(work, deadline_seconds=20)
            await asyncio.sleep(0.05)

    async def _calm(self) -> None:
        """Returns once nothing was left to do for a while."""
        calm = 0
        while calm < 4:
            await asyncio.sleep(0.1)
            rows = await self.pipeline.databases[0].rows(
                "SELECT id FROM pipeline.outbox UNION ALL SELECT id FROM scoring.outbox"
            )
            left = len(rows) + sum([await service.lag() for service in self.services])
            calm = 0 if left else calm + 1

    def _kpis(self) -> FastAPI:
        app = FastAPI()
        app.state.api_token = TOKEN
        problems.install(app)
        app.include_router(metrics_api.router(self.metrics.databases[0], self.policy, SystemClock()))
        return app


@asynccontextmanager
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Asks a service without a network."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://service", headers=headers
    ) as http:
        yield http


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_whatever_happens_at_once_every_number_agrees_with_every_other_afterwards(
    migrated_database: Callable[..., str],
) -> None:
    seed = int(os.environ.get("LEADFLOW_FAULT_SEED") or time.time_ns() % 1_000_000)
    print(f"seed {seed}: replay with LEADFLOW_FAULT_SEED={seed}")
    storm = Storm(migrated_database("pipeline", "scoring", "metrics"), seed)
    started = time.monotonic()
    faults = await storm.run()
    print(f"{len(storm.events)} captured, {time.monotonic() - started:.1f} s, {dict(sorted(storm.seen.items()))}")
    assert not faults, "\n".join([f"{len(faults)} faults with seed {seed}:", *faults[:20]])
    idle = [what for what in ("records read again and dropped", "messages sent twice") if not storm.seen[what]]
    assert not idle, f"the storm was none: no {idle}"
