"""The fixtures every test may ask for. Nothing here starts before a test asks for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Literal

import pytest
from prometheus_client import CollectorRegistry

from shared.cli.local.postgres import EmbeddedPostgres
from shared.kit.clock import FakeClock
from tests.support.servers import Databases, running_broker, running_postgres

PHASES: tuple[Literal["setup", "call"], ...] = ("setup", "call")


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL for this worker; ask for `database_url` or `migrated_database` instead."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Databases:
    """Makes databases on this worker's server."""
    return Databases(postgres)


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A fresh empty database."""
    url = databases.empty()
    yield url
    databases.drop(url)


@pytest.fixture
def migrated_database(databases: Databases) -> Iterator[Callable[..., str]]:
    """`migrated_database("pipeline")` is the URL of a fresh database with that service's tables; `()` has everybody's."""
    made: list[str] = []

    def make(*services: str) -> str:
        made.append(databases.migrated(*services))
        return made[-1]

    yield make
    for url in made:
        databases.drop(url)


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """A real broker for this worker. Topics and groups need names of their own: `tests.support.names.unique`."""
    with running_broker() as broker:
        yield broker.bootstrap


@pytest.fixture
def fresh_kafka() -> Iterator[str]:
    """A broker of this test alone, with an empty log, for tests that use the contracts' topic names."""
    with running_broker() as broker:
        yield broker.bootstrap


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves when it is told to."""
    return FakeClock(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))


@pytest.fixture
def registry() -> CollectorRegistry:
    """A metrics registry of this test alone."""
    return CollectorRegistry()


@pytest.fixture(autouse=True)
def no_unexpected_error_logs(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fails a test that logged an error, unless it carries the marker `logs_errors`."""
    yield
    if request.node.get_closest_marker("logs_errors"):
        return
    errors = [record for phase in PHASES for record in caplog.get_records(phase)]
    unexpected = [f"{record.name}: {record.getMessage()}" for record in errors if record.levelno >= logging.ERROR]
    assert not unexpected, f"unexpected error logs: {unexpected}"
