"""Intake begins, goes on and ends whatever the database does."""

from __future__ import annotations

import time
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from shared.cli.local.ports import free_port
from tests.faults.harness.postgres import FaultyPostgres
from tests.support.patience import eventually
from tests.unit.capture.fakes import FakeLog, a_client, the_app


def an_app(url: str, log: FakeLog, **settings: Any) -> FastAPI:
    return the_app(log, database_url=SecretStr(url), **settings)


async def readiness(client: httpx.AsyncClient) -> tuple[int, list[str]]:
    """The status of readiness, and what the service does without."""
    answer = await client.get("/readyz")
    return answer.status_code, sorted(answer.json()["does_without"])


async def takes_in(client: httpx.AsyncClient, count: int = 20) -> float:
    """Posts leads one by one; the slowest answer in seconds."""
    slowest = 0.0
    for number in range(count):
        started = time.monotonic()
        answer = await client.post("/v1/leads", json={"email": f"a{number}@example.com"})
        slowest = max(slowest, time.monotonic() - started)
        assert answer.status_code == 202, answer.text
    return slowest


async def test_intake_begins_and_goes_on_without_a_database() -> None:
    app = an_app(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing", log := FakeLog())
    async with app.router.lifespan_context(app), a_client(app) as client:
        assert await takes_in(client) < 0.5
        assert (await readiness(client))[0] == 200
        metrics = (await client.get("/metrics")).text
        assert 'leadflow_dependency_up{dependency="database"} 0.0' in metrics
    assert len(log.records) == 20


async def test_readiness_tells_of_the_database_and_does_not_wait_for_it(postgres: FaultyPostgres) -> None:
    app = an_app(postgres.url, FakeLog())
    async with app.router.lifespan_context(app), a_client(app) as client:

        async def all_there() -> bool:
            return "database" not in (await readiness(client))[1]

        async def database_missed() -> bool:
            return "database" in (await readiness(client))[1]

        await eventually(all_there)
        postgres.pause()  # connections stay open and nothing answers: the worst of all outages
        started = time.monotonic()
        assert await takes_in(client) < 0.5
        assert (await readiness(client))[0] == 200
        assert time.monotonic() - started < 2
        await eventually(database_missed, within_seconds=15)
        assert (await readiness(client))[0] == 200
        postgres.resume()
        await eventually(all_there, within_seconds=15)
        postgres.kill()
        assert await takes_in(client) < 0.5
        await eventually(database_missed)
        assert (await readiness(client))[0] == 200
