"""Capture's schema on a PostgreSQL that can be hit, and one log for all tests of channels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import SecretStr

from shared.contracts.topics import CAPTURE_LEADS
from tests.faults.harness.postgres import FaultyPostgres, running_faulty_postgres
from tests.integration.capture.quarantine_door import Door
from tests.integration.capture.uploading import Place, Uploads
from tests.support.brokers import fresh_broker
from tests.support.choice import Server
from tests.support.clock import FakeClock
from tests.support.patience import eventually
from tests.support.servers import run_migrations
from tests.support.topics import create_topics
from tests.unit.capture.fakes import NOW, FakeLog, a_client, the_app


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[FaultyPostgres]:
    """A server of this test alone, with capture's tables; what it acknowledged is on disk."""
    with running_faulty_postgres(tmp_path / "server") as server:
        run_migrations("capture", server.url)
        yield server


async def led(bootstrap: str, topic: str) -> None:
    """Returns when each partition has a leader: before, the client library tells of that as an error."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()

    async def all_led() -> bool:
        (described,) = await admin.describe_topics([topic])
        return bool(described["partitions"]) and all(one["leader"] >= 0 for one in described["partitions"])

    try:
        await eventually(all_led, within_seconds=20)
    finally:
        await admin.close()


@pytest.fixture(scope="session")
def channel_log(broker: Server) -> Iterator[str]:
    """A broker with the contracts' topics. Each test looks at the events of its own senders."""
    with fresh_broker(broker) as bootstrap:
        asyncio.run(create_topics(bootstrap))
        asyncio.run(led(bootstrap, CAPTURE_LEADS.name))
        yield bootstrap


@pytest.fixture
async def door(migrated_database: Callable[..., str], log: FakeLog) -> AsyncIterator[Door]:
    url, clock = migrated_database("capture"), FakeClock(NOW)
    app = the_app(log, clock, database_url=SecretStr(url))
    async with app.router.lifespan_context(app), a_client(app) as client:
        yield Door(url, client, log, clock)


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


@pytest.fixture
def place(migrated_database: Callable[..., str], tmp_path: Path) -> Place:
    return Place(migrated_database("capture"), tmp_path)


@pytest.fixture
async def uploads(place: Place) -> AsyncIterator[Uploads]:
    async with place.capture() as capture:
        yield capture
