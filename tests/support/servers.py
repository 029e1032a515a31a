"""Real servers for tests, each worker its own, on free ports, with nothing kept."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg

from shared.cli.local.broker import EmbeddedBroker
from shared.cli.local.ports import answers, free_port
from shared.cli.local.postgres import ACCOUNT, EmbeddedPostgres

SERVICES = ("capture", "scoring", "pipeline", "metrics")
ATTEMPTS = 5


class Databases:
    """Makes databases on one server: empty ones, and copies of ones that services have migrated."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._templates: dict[tuple[str, ...], str] = {}
        self._made = 0

    def _new_name(self, kind: str) -> str:
        self._made += 1
        return f"{kind}_{self._made}"

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

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
                run_migrations(service, self._server.url(template))
            self._templates[wanted] = template
        name = self._new_name("test")
        self._run(f"CREATE DATABASE {name} TEMPLATE {self._templates[wanted]}")
        return self._server.url(name)

    def drop(self, url: str) -> None:
        """Forgets a database, whoever is still connected."""
        self._run(f"DROP DATABASE IF EXISTS {url.rsplit('/', 1)[1]} WITH (FORCE)")


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
def running_postgres(*, durable: bool = False) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL, gone at the end; it trades durability for speed unless told otherwise."""
    with _directory("postgres") as directory:
        server = EmbeddedPostgres(directory, free_port(), secrets.token_hex(8), durable=durable)
        server.initialise()
        for attempt in range(1, ATTEMPTS + 1):
            server = EmbeddedPostgres(directory, free_port(), server.password, durable=durable)
            log = directory / "log"
            with _process(server.command(), log, stop_signal=signal.SIGQUIT) as process:
                if _came_up(process, partial(_accepts, server)):
                    yield server
                    return
            if attempt == ATTEMPTS:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")


@contextmanager
def running_broker() -> Iterator[EmbeddedBroker]:
    """A broker with an empty log, gone at the end."""
    with _directory("broker") as directory:
        for attempt in range(1, ATTEMPTS + 1):
            broker = EmbeddedBroker(directory / f"data-{attempt}", free_port())
            log = directory / "log"
            with _process(broker.command(), log, stop_signal=signal.SIGKILL) as process:
                if _came_up(process, partial(answers, broker.port)):
                    yield broker
                    return
            if attempt == ATTEMPTS:
                raise RuntimeError(f"the broker did not start:\n{log.read_text()}")


@contextmanager
def _directory(kind: str) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=f"leadflow-test-{kind}-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _process(command: list[str], log: Path, *, stop_signal: signal.Signals) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, cwd="/"
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(stop_signal)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _came_up(process: subprocess.Popen[bytes], ready: Callable[[], bool], within_seconds: float = 30.0) -> bool:
    give_up_at = time.monotonic() + within_seconds
    while process.poll() is None and time.monotonic() < give_up_at:
        if ready():
            return True
        time.sleep(0.02)
    return False


def _accepts(server: EmbeddedPostgres) -> bool:
    try:
        with psycopg.connect(server.url("postgres"), connect_timeout=2) as connection:
            found = connection.execute("SELECT current_user").fetchone()
            return found is not None and found[0] == ACCOUNT
    except psycopg.OperationalError:
        return False
