"""Real servers for tests, each worker its own, on free ports, with nothing kept."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import psycopg

from shared.cli.local.broker import EmbeddedBroker
from shared.cli.local.ports import answers, free_port
from shared.cli.local.postgres import ACCOUNT, EmbeddedPostgres
from shared.kit.migrations import migrate
from tests.support.kafka_cluster import KafkaCluster, running_kafka_cluster
from tests.support.processes import came_up, own_folder, process_of

__all__ = [
    "SERVICES",
    "DatabaseServer",
    "Databases",
    "KafkaCluster",
    "SharedPostgres",
    "run_migrations",
    "running_broker",
    "running_kafka_cluster",
    "running_postgres",
]

SERVICES = ("capture", "scoring", "pipeline", "metrics")
SERVICES_FOLDER = Path(__file__).resolve().parents[2] / "services"
ATTEMPTS = 5


class DatabaseServer(Protocol):
    """Where databases can be made; `postgres` is one that is always there."""

    def url(self, database: str) -> str: ...


@dataclass(frozen=True, slots=True)
class SharedPostgres:
    """A server that others use too, known by the URL of one of its databases."""

    any_url: str

    def url(self, database: str) -> str:
        """Where a database of this server is reached, by the account and with the options of the known one."""
        if database == "postgres":
            return self.any_url
        parts = urlsplit(self.any_url)
        return urlunsplit((parts.scheme, parts.netloc, f"/{database}", parts.query, ""))


class Databases:
    """Makes databases on one server: empty ones, and copies of ones that services have migrated."""

    def __init__(self, server: DatabaseServer, *, prefix: str = "") -> None:
        self._server = server
        self._prefix = prefix
        self._templates: dict[tuple[str, ...], str] = {}
        self._made = 0

    def _new_name(self, kind: str) -> str:
        self._made += 1
        return f"{self._prefix}{kind}_{self._made}"

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def forget_templates(self) -> None:
        """For a server that outlives this run."""
        for name in self._templates.values():
            self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._templates.clear()

    def empty(self) -> str:
        """The URL of a fresh empty database."""
        name = self._new_name("test")
        self._run(f"CREATE DATABASE {name}")
        return self._server.url(name)

    def migrated(self, *services: str) -> str:
        """The URL of a fresh database on which these services, all when none is named, have run their migrations."""
        wanted = tuple(sorted(services or SERVICES))
        if wanted not in self._templates:
            template = self._new_name("template")
            self._run(f"CREATE DATABASE {template}")
            for service in wanted:
                # Not by a process: it imports the whole service first, which takes longer than its migrations do.
                migrate(service, SERVICES_FOLDER / service / "migrations", self._server.url(template))
            self._templates[wanted] = template
        name = self._new_name("test")
        self._run(f"CREATE DATABASE {name} TEMPLATE {self._templates[wanted]}")
        return self._server.url(name)

    def drop(self, url: str) -> None:
        """Forgets a database, whoever is still connected."""
        self._run(f"DROP DATABASE IF EXISTS {urlsplit(url).path.removeprefix('/')} WITH (FORCE)")


def run_migrations(service: str, database_url: str) -> None:
    """`python -m services.<service> migrate` on a database."""
    environment = {
        **os.environ,
        "LEADFLOW_DATABASE_URL": database_url,
        "LEADFLOW_API_TOKEN": "only-for-tests-only-for-tests",
        "LEADFLOW_IDENTITY_SECRET": "only-for-tests-only-for-tests",
    }
    command = [sys.executable, "-m", f"services.{service}", "migrate"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"the migrations of {service} failed:\n{done.stdout}{done.stderr}")


@contextmanager
def running_postgres(*, durable: bool = False, kept_in: Path | None = None) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL, gone at the end; it trades durability for speed unless told otherwise. In a folder that is `kept_in`, whose files
    stay, it is stopped gently, so that unlogged tables stay too, and its password stands beside it."""
    with own_folder("postgres") if kept_in is None else nullcontext(kept_in.absolute()) as directory:
        directory.mkdir(parents=True, exist_ok=True)
        password = secrets.token_hex(8)
        if kept_in is not None:
            kept = directory / "password"
            password = kept.read_text(encoding="utf-8") if kept.exists() else password
            kept.write_text(password, encoding="utf-8")
        server = EmbeddedPostgres(directory, free_port(), password, durable=durable)
        server.initialise()
        for attempt in range(1, ATTEMPTS + 1):
            server = EmbeddedPostgres(directory, free_port(), server.password, durable=durable)
            log = directory / "log"
            stop = signal.SIGQUIT if kept_in is None else signal.SIGINT
            with process_of(
                server.command(), log, stop_signal=stop, within_seconds=20 if kept_in is None else 300
            ) as process:
                if came_up(process, partial(_accepts, server)):
                    yield server
                    return
            if attempt == ATTEMPTS:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")


@contextmanager
def running_broker() -> Iterator[EmbeddedBroker]:
    """A broker with an empty log, gone at the end."""
    with own_folder("broker") as directory:
        for attempt in range(1, ATTEMPTS + 1):
            broker = EmbeddedBroker(directory / f"data-{attempt}", free_port())
            log = directory / "log"
            with process_of(broker.command(), log, stop_signal=signal.SIGKILL) as process:
                if came_up(process, partial(answers, broker.port)):
                    yield broker
                    return
            if attempt == ATTEMPTS:
                raise RuntimeError(f"the broker did not start:\n{log.read_text()}")


def _accepts(server: EmbeddedPostgres) -> bool:
    try:
        with psycopg.connect(server.url("postgres"), connect_timeout=2) as connection:
            found = connection.execute("SELECT current_user").fetchone()
            return found is not None and found[0] == ACCOUNT
    except psycopg.OperationalError:
        return False
