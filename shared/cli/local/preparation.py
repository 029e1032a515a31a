"""What has to be true before a service may start: a database, its tables, the topics."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from shared.cli.local.errors import LocalRunError
from shared.cli.local.run_directory import SERVICES

CODE = Path(__file__).resolve().parents[3]
MIGRATION_TIMEOUT_SECONDS = 300


def wait_for_postgres(url: str, *, credentials: Path | None = None, within_seconds: float = 60.0) -> None:
    """Returns once the server takes queries, after crash recovery too. `credentials` is the file that the password is from,
    None where it is the caller's own. Raises `LocalRunError` when it does not."""
    give_up_at = time.monotonic() + within_seconds
    while True:
        try:
            with psycopg.connect(url, connect_timeout=3) as connection:
                encoding = connection.info.parameter_status("server_encoding")
            break
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise LocalRunError(
                    "PostgreSQL refuses the password in LEADFLOW_DATABASE_URL; mend it there."
                    if credentials is None
                    else f"PostgreSQL refuses the password in {credentials}: that file was replaced after the data was made. "
                    "Put the old one back, or forget the data with `make reset`."
                ) from None
            if time.monotonic() > give_up_at:
                raise LocalRunError(f"PostgreSQL did not start within {within_seconds:.0f} s.") from None
            time.sleep(0.05)
    if encoding != "UTF8":
        raise LocalRunError(f"The database is encoded in {encoding}, not UTF8; make it with ENCODING 'UTF8'.")


def ensure_database(server_url: str, name: str) -> None:
    """Creates a database unless it exists."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if found is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def migrations_fingerprint() -> str:
    """A digest of every migration of every service: when it has not changed there is nothing to run."""
    digest = hashlib.sha256()
    for path in (*sorted(CODE.glob("services/*/migrations/*.py")), CODE / "shared" / "kit" / "migrations.py"):
        digest.update(path.relative_to(CODE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def migrated_fingerprint(database_url: str) -> str | None:
    """The fingerprint kept with the database, so that it moves and is restored with it."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    text = found[0] if found else None
    return text.removeprefix("leadflow migrations ") if isinstance(text, str) else None


def keep_fingerprint(database_url: str, fingerprint: str) -> None:
    """Notes on the database that these migrations have run."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(
            sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                sql.Identifier(name), sql.Literal(f"leadflow migrations {fingerprint}")
            )
        )


def run_migrations(environment: Mapping[str, str], services: Sequence[str] = SERVICES) -> None:
    """Each service brings its own schema up to date, all at once. Raises `LocalRunError` with what one has said."""
    with tempfile.TemporaryDirectory() as folder:
        running: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for service in services:
                with (Path(folder) / service).open("wb") as output:
                    running[service] = subprocess.Popen(
                        [sys.executable, "-m", f"services.{service}", "migrate"],
                        env={**environment, "PYTHONPATH": _with_code(environment)},
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
            give_up_at = time.monotonic() + MIGRATION_TIMEOUT_SECONDS
            for service, process in running.items():
                said = Path(folder) / service
                try:
                    code = process.wait(max(0.1, give_up_at - time.monotonic()))
                except subprocess.TimeoutExpired:
                    raise LocalRunError(f"The migrations of {service} take too long; is a table locked?") from None
                if code != 0:
                    words = said.read_text(errors="replace").strip()
                    raise LocalRunError(f"The migrations of {service} failed:\n{words[-2000:]}")
        finally:
            for process in running.values():
                if process.poll() is None:
                    process.kill()
                    process.wait()


def _with_code(environment: Mapping[str, str]) -> str:
    return os.pathsep.join(part for part in (str(CODE), environment.get("PYTHONPATH", "")) if part)
