"""What a part stands on: a broker with empty topics and a durable PostgreSQL of its own, and who used the processors."""

from __future__ import annotations

import asyncio
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from tests.load.run import Broker, Run
from tests.support.kafka_cluster import running_kafka_cluster
from tests.support.servers import SERVICES, Databases, running_broker, running_postgres
from tests.support.services import RunningServices, services_for
from tests.support.topics import create_topics

PARTITIONS = 4
BROKERS = {
    Broker.APACHE: "Apache Kafka, one node, from its jars, full compilation, 512 MiB heap, 4 partitions a topic",
    Broker.EMBEDDED: "embedded broker (noida-db), 4 partitions a topic",
}


@dataclass(slots=True)
class Stage:
    """The servers of one part, and its folder."""

    bootstrap: str
    broker: Broker
    databases: Databases
    database_url: str
    folder: Path
    broker_processes: list[psutil.Process]
    postgres_processes: list[psutil.Process]
    services: list[RunningServices] = field(default_factory=list)

    def configured(self, **environment: str) -> RunningServices:
        """The four services over this stage, none of them started."""
        if self.broker is Broker.APACHE:
            # It holds an empty fetch until something comes, so nobody has to pause between fetches.
            pauses = {f"{service.upper()}_IDLE_FETCH_PAUSE_SECONDS": "0" for service in SERVICES}
            environment = {**pauses, **environment}
        services = services_for(self.database_url, self.bootstrap, self.folder, environment=environment)
        self.services.append(services)
        return services

    def create_topics(self, *names: str) -> None:
        """Topics beside those of the contracts."""
        asyncio.run(create_topics(self.bootstrap, names, partitions=PARTITIONS))

    def scalar(self, sql: str) -> float:
        """One number from the database; 0 for none."""
        with psycopg.connect(self.database_url) as connection:
            found = connection.execute(sql.encode()).fetchone()
        return float(found[0] or 0) if found else 0.0

    def column(self, sql: str) -> list[float]:
        """Numbers from the database."""
        with psycopg.connect(self.database_url) as connection:
            return [float(row[0]) for row in connection.execute(sql.encode())]

    def processor_seconds(self) -> dict[str, float]:
        """User and system seconds so far, by service and by server."""
        spent = {
            "broker": sum(map(family_seconds, self.broker_processes)),
            "postgres": sum(map(family_seconds, self.postgres_processes)),
        }
        for services in self.services:
            for name, process in services.processes.items():
                spent[name] = seconds_of(psutil.Process(process.pid))
        return spent


@contextmanager
def running_stage(run: Run) -> Iterator[Stage]:
    """Servers for one part, gone at the end with everything that was started on them."""
    before = _children()
    with ExitStack() as stack:
        server = stack.enter_context(running_postgres(durable=True, kept_in=run.keep))
        postgres = [child for child in _children() if child not in before]
        bootstrap = stack.enter_context(_broker(run.broker))
        broker = [child for child in _children() if child not in before and child not in postgres]
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="leadflow-bench-"))
        databases = Databases(server, prefix=f"run_{os.getpid()}_" if run.keep else "")
        asyncio.run(create_topics(bootstrap, partitions=PARTITIONS))
        stage = Stage(
            bootstrap,
            run.broker,
            databases,
            databases.migrated(),
            Path(folder),
            broker,
            postgres,
        )
        try:
            yield stage
        finally:
            for services in stage.services:
                services.end()


@contextmanager
def _broker(kind: Broker) -> Iterator[str]:
    """Where a broker with an empty log listens."""
    if kind is Broker.APACHE:
        with running_kafka_cluster(nodes=1, quick=False, heap_megabytes=512) as cluster:
            yield cluster.bootstrap
    else:
        with running_broker() as broker:
            yield broker.bootstrap


def _children() -> list[psutil.Process]:
    return psutil.Process().children()


def seconds_of(process: psutil.Process) -> float:
    """User and system seconds of one process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def family_seconds(process: psutil.Process) -> float:
    """The same of a process with its children, those that have ended included."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def machine() -> str:
    """The machine in one line."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} processors, {memory:.0f} GiB, {platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}"
