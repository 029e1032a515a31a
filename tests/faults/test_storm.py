"""Everything at once on the same few people, each service twice, the log saying things again; then all is compared."""

from __future__ import annotations

import asyncio
import os
import random
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.metrics import app as metrics_app
from services.metrics.api import kpis
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
from shared.kit.errors import Retryable
from shared.kit.instruments import OutboxInstruments
from shared.kit.relay import Relay
from tests.faults.storm.comparison import STRANDED, Comparison
from tests.faults.storm.evidence import evidence
from tests.faults.storm.log import Consumers, Log
from tests.faults.storm.traffic import Captured, Clerk, captured
from tests.unit.pipeline.builders import SECRET

PEOPLE = 50
REQUESTS_OF_EACH_CLERK = 150
CLERKS = 4
CAPTURED_AT_ONCE_AT_MOST = 50
SECONDS_BETWEEN_AT_MOST = 0.6
SECONDS_BETWEEN_SWEEPS_AT_MOST = 1.0
CALM_WITHIN_SECONDS = 120.0
REPLICAS = 2
TOKEN = "only-for-tests-only-for-tests"
POLICY_FILE = Path(__file__).parents[2] / "policy.yaml"
LEFT_TO_DO = f"""
    SELECT (SELECT count(*) FROM pipeline.outbox) AS pipeline_outbox, (SELECT count(*) FROM scoring.outbox) AS scoring_outbox,
        (SELECT count(*) FROM ({STRANDED}) AS s) AS stranded"""


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
        self.onlooker = Database(url, schema="pipeline", pool_size=12)
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
                self.onlooker,
                [Database(url, schema=name, pool_size=4) for _ in range(REPLICAS)],
                [one.handle for one in handlers],
                [topic.name for topic in app.CONSUMES],
                self.seen,
                self.chance(f"{name} slow"),
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

    async def run(self, file: Path) -> list[str]:
        """The storm, until it is over, and what was wrong with it or afterwards; all there is to know goes into `file`."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.onlooker.close)
            for database in (database for service in self.services for database in service.databases):
                stack.push_async_callback(database.close)
            for app in self.apps:
                stack.push_async_callback(app.state.database.close)
            clients = [await stack.enter_async_context(client(app)) for app in self.apps]
            asker = await stack.enter_async_context(client(self._kpis()))
            ids = {event.event_id for event in self.events}
            year = datetime.now(UTC).year
            try:
                faults = await self._rage(clients)
                faults += await Comparison(self.onlooker, asker, self.policy, self.log, ids, year).faults()
            except Exception as error:
                faults = ["".join(traceback.format_exception(error))]
            if faults:
                self._tell(file, faults, await evidence(self.onlooker, self.log, faults))
            return faults

    def _tell(self, file: Path, faults: list[str], found: str) -> None:
        said = "\n".join([f"{len(faults)} faults with seed {self.seed}", *faults, "", found, ""])
        print(said)
        file.write_text("\n".join([said, "--- who did what", *self.log.journal, ""]))

    async def _rage(self, clients: list[httpx.AsyncClient]) -> list[str]:
        async with asyncio.TaskGroup() as group:
            endless = [group.create_task(work) for work in self._endless()]
            async with asyncio.TaskGroup() as traffic:
                traffic.create_task(self._capture(self.events))
                for number in range(CLERKS):
                    http, chance = clients[number % REPLICAS], self.chance(f"clerk {number}")
                    clerk = Clerk(http, self.onlooker, chance, PEOPLE, self.seen)
                    traffic.create_task(clerk.work(REQUESTS_OF_EACH_CLERK))
            faults = await self._calm()
            for task in endless:
                task.cancel()
        return faults

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
        chance = self.chance(f"sweep {replica}")
        while True:
            with suppress(Retryable):
                taken_up = await self.pipeline.databases[replica].run(work, deadline_seconds=20)
                self.seen["taken up late"] += taken_up
                if taken_up:
                    self.log.note(f"pipeline's sweep {replica} took up {taken_up}")
            await asyncio.sleep(chance.random() * SECONDS_BETWEEN_SWEEPS_AT_MOST)

    async def _calm(self) -> list[str]:
        """Returns once nothing was left to do for a while: nothing to send, to read or to take up, and no new record, which
        would be something on its way that each look just missed. Where it takes too long, with what is left."""
        give_up_at = time.monotonic() + CALM_WITHIN_SECONDS
        calm, records = 0, -1
        while calm < 4:
            await asyncio.sleep(0.1)
            before, records = records, self.log.records
            behind = {service.name: await service.lag() for service in self.services}
            [row] = await self.onlooker.rows(LEFT_TO_DO)
            quiet = records == before and not any(behind.values()) and not any(row)
            calm = calm + 1 if quiet else 0
            if time.monotonic() > give_up_at:
                return [f"after {CALM_WITHIN_SECONDS} s there is still to do: {behind} to read, {dict(row._mapping)}"]
        return []

    def _kpis(self) -> FastAPI:
        app = FastAPI()
        app.state.api_token = TOKEN
        problems.install(app)
        app.include_router(kpis.router(self.metrics.databases[0], self.policy, SystemClock()))
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
    migrated_database: Callable[..., str], tmp_path: Path
) -> None:
    seed = int(os.environ.get("LEADFLOW_FAULT_SEED") or time.time_ns() % 1_000_000)
    print(f"seed {seed}: replay with LEADFLOW_FAULT_SEED={seed}")
    storm = Storm(migrated_database("pipeline", "scoring", "metrics"), seed)
    started = time.monotonic()
    file = tmp_path / f"storm-{seed}.txt"
    faults = await storm.run(file)
    print(f"{len(storm.events)} captured, {time.monotonic() - started:.1f} s, {dict(sorted(storm.seen.items()))}")
    assert not faults, "\n".join([f"{len(faults)} faults with seed {seed}, explained in {file}:", *faults[:20]])
    idle = [what for what in ("records read again and dropped", "messages sent twice") if not storm.seen[what]]
    assert not idle, f"the storm was none: no {idle}"
