"""A PostgreSQL that can be hit: killed, stopped at once, frozen, and started again on the same files and the same port."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from shared.cli.local.ports import free_port
from shared.cli.local.postgres import DATABASE, EmbeddedPostgres
from tests.support.servers import run_migrations

WITH_TABLES = ("capture", "scoring", "pipeline", "metrics")
MAX_CONNECTIONS = "100"
START_WITHIN_SECONDS = 60.0
STOP_WITHIN_SECONDS = 20.0


@dataclass(slots=True)
class FaultyPostgres:
    """One server whose end is always somebody's intention. What it acknowledged is on disk (`fsync` is on), so every loss
    is a finding."""

    server: EmbeddedPostgres
    log: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the services' database is reached directly."""
        return self.server.url()

    @property
    def port(self) -> int:
        """The port, the same in each of its lives."""
        return self.server.port

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.server.data

    def start(self) -> None:
        """Returns when it takes connections. Tries again where what a kill left behind is still in the way."""
        give_up_at = time.monotonic() + START_WITHIN_SECONDS
        while True:
            self._launch()
            while self.running:
                if self.accepts():
                    return
                if time.monotonic() > give_up_at:
                    self.kill()
                    break
                time.sleep(0.02)
            if time.monotonic() > give_up_at:
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log.read_text(errors='replace')[-4_000:]}")
            time.sleep(0.1)

    def start_or_fail(self, within_seconds: float = 10.0) -> bool:
        """One attempt to start, for a server that perhaps cannot; True when it takes connections."""
        self._launch()
        give_up_at = time.monotonic() + within_seconds
        while self.running and time.monotonic() < give_up_at:
            if self.accepts():
                return True
            time.sleep(0.02)
        return False

    @property
    def running(self) -> bool:
        """Whether its first process has not ended."""
        return self.process is not None and self.process.poll() is None

    def accepts(self) -> bool:
        """Whether it answers a connection now."""
        try:
            with psycopg.connect(self.server.url("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def stop(self) -> None:
        """Fast and clean: every session is ended, everything is written."""
        self._end(signal.SIGINT)

    def stop_immediately(self) -> None:
        """What `pg_ctl stop -m immediate` does: everything ends at once, the next start recovers."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """kill -9, all of its processes at once, as if the machine had gone."""
        if self.process is None:
            return
        for one in self._all():
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait()
        self.process = None

    def pause(self) -> None:
        """SIGSTOP to all of its processes: connections stay open and nothing answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)  # first, so that no session begins while the others are counted
        for one in self._all():
            with suppress(psutil.NoSuchProcess):
                one.suspend()

    def resume(self) -> None:
        """It goes on where it was."""
        for one in reversed(self._all()):
            with suppress(psutil.NoSuchProcess):
                one.resume()

    def back_up(self, folder: Path) -> None:
        """Stops cleanly, keeps a copy of its files in `folder`, and starts again."""
        self.stop()
        subprocess.run(["cp", "--archive", str(self.data), str(folder)], check=True)
        self.start()

    def restore(self, folder: Path) -> None:
        """Is what it was when its files were copied to `folder`, which is used up."""
        self.stop_immediately()
        shutil.rmtree(self.data)
        subprocess.run(["mv", str(folder), str(self.data)], check=True)
        self.start()

    def execute(self, statement: str, database: str = DATABASE) -> None:
        """One statement, outside of any transaction."""
        with psycopg.connect(self.server.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def migrate(self) -> None:
        """Makes every service's tables."""
        for service in WITH_TABLES:
            run_migrations(service, self.url)

    def _launch(self) -> None:
        options = [option for name, value in self.settings.items() for option in ("-c", f"{name}={value}")]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.server.command(), *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
            )

    def _all(self) -> list[psutil.Process]:
        """Its first process and every session; PostgreSQL gives each a process group of its own."""
        if self.process is None:
            return []
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        if self.running:
            self.resume()
            self.process.send_signal(how)
            try:
                self.process.wait(STOP_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process = None


@contextmanager
def running_faulty_postgres(
    folder: Path,
    durable: bool = True,
    data_directory: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[FaultyPostgres]:
    """A server with the services' database, still without tables, gone at the end. `data_directory` is where it keeps its
    files, if not in `folder`; `settings` are added to those of the embedded run."""
    folder.mkdir(parents=True, exist_ok=True)
    server = EmbeddedPostgres(data_directory or folder / "postgres", free_port(), secrets.token_hex(8), durable=durable)
    server.initialise()
    its_own = {"max_connections": MAX_CONNECTIONS, **(settings or {})}
    postgres = FaultyPostgres(server, folder / "postgres.log", its_own)
    try:
        postgres.start()
        postgres.execute(f"CREATE DATABASE {DATABASE}", "postgres")
        yield postgres
    finally:
        postgres.stop_immediately()
