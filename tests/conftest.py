"""The fixtures every test may ask for. Nothing here starts before a test asks for it."""

from __future__ import annotations

import logging
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import settings
from prometheus_client import CollectorRegistry

from tests.support.brokers import NEEDS_APACHE, fresh_broker, why_not_apache
from tests.support.choice import Server, Unusable
from tests.support.clock import FakeClock
from tests.support.desk import ask, open_desk
from tests.support.provision import Provision
from tests.support.servers import (
    Databases,
    KafkaCluster,
    SharedPostgres,
    running_broker,
    running_kafka_cluster,
    running_postgres,
)
from tests.support.sharing import keep_together, longest_first, say_groups

PHASES: tuple[Literal["setup", "call"], ...] = ("setup", "call")
ASKED_BY = {"broker": "broker", "databases": "database", "apache_cluster": "jars", "jars": "jars"}
PROVISION = pytest.StashKey[Provision]()
OPEN = pytest.StashKey[ExitStack]()

# A property says nothing about time: on a busy machine an example takes as long as it takes.
settings.register_profile("leadflow", deadline=None)
settings.load_profile("leadflow")


def pytest_configure(config: pytest.Config) -> None:
    """The process that starts the run decides on its servers, for its workers too."""
    if hasattr(config, "workerinput"):
        return

    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, and no server is left behind

    def say(line: str) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(line)

    config.stash[PROVISION] = Provision(say)
    config.stash[OPEN] = ExitStack()
    config.stash[OPEN].enter_context(open_desk(config.stash[PROVISION]))


def pytest_unconfigure(config: pytest.Config) -> None:
    if PROVISION in config.stash:
        config.stash[OPEN].close()
        config.stash[PROVISION].close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        keep_together(items)
        longest_first(items)
        say_groups(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Servers are made now, when some test will need them: what has to be fetched first is not on that test's time."""
    if session.config.option.collectonly:
        return
    wanted = {
        what for item in session.items for name, what in ASKED_BY.items() if name in getattr(item, "fixturenames", ())
    }
    if any(item.get_closest_marker("needs_apache") for item in session.items):
        wanted.add("broker")
    for what in sorted(wanted):
        with suppress(Unusable):  # whoever needs it will say so
            ask(what)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("needs_apache") and (reason := why_not_apache()):
        pytest.skip(f"{NEEDS_APACHE}: {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Which servers this run used, why not better ones, and what could not be tested with them."""
    if PROVISION not in config.stash:
        return
    terminalreporter.section("servers of this run")
    for line in config.stash[PROVISION].said():
        terminalreporter.write_line(line)
    skipped = terminalreporter.stats.get("skipped", [])
    without = [(one.nodeid, one.longrepr[2]) for one in skipped if NEEDS_APACHE in str(one.longrepr)]
    if without:
        terminalreporter.section(f"{len(without)} NOT TESTED: no Apache Kafka", sep="!", yellow=True)
        terminalreporter.write_line(without[0][1].removeprefix("Skipped: "))
        for name, _ in without:
            terminalreporter.write_line(f"  {name}")


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Makes databases on a real PostgreSQL; ask for `database_url` or `migrated_database` instead."""
    server = ask("database")
    if not server.address:
        with running_postgres() as own:
            yield Databases(own)
        return
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    made = Databases(SharedPostgres(server.address), prefix=f"leadflow_{secrets.token_hex(4)}_{worker}_")
    yield made
    made.forget_templates()


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
def broker() -> Server:
    """Which broker this run uses; ask for `kafka_bootstrap` or `fresh_kafka` instead."""
    return ask("broker")


@pytest.fixture(scope="session")
def kafka_bootstrap(broker: Server) -> Iterator[str]:
    """A broker that other tests use too. Topics and groups need names of their own: `tests.support.names.unique`."""
    if broker.address:
        yield broker.address
        return
    with running_broker() as own:
        yield own.bootstrap


@pytest.fixture
def fresh_kafka(broker: Server) -> Iterator[str]:
    """A broker of this test alone, with an empty log, for tests that use the contracts' topic names."""
    with fresh_broker(broker) as bootstrap:
        yield bootstrap


@pytest.fixture
def apache_cluster() -> Iterator[KafkaCluster]:
    """Apache Kafka on three nodes, of this test alone; every partition on all three. Skips where it cannot run."""
    try:
        ask("jars")
    except Unusable as reason:
        pytest.skip(f"{NEEDS_APACHE}: {reason}")
    with running_kafka_cluster(3) as cluster:
        yield cluster


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
