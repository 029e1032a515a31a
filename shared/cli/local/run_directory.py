"""Where the embedded run keeps everything: `.leadflow/` beside the code, or wherever `LEADFLOW_HOME` says."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.cli.local.errors import LocalRunError

LONGEST_SOCKET_PATH = 100
SERVICES = ("capture", "scoring", "pipeline", "metrics")


def project_root() -> Path:
    """The folder that holds `services/` and `policy.yaml`; the current one when the code is installed elsewhere."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "policy.yaml").exists() else Path.cwd()


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The files of one embedded run."""

    path: Path

    @property
    def credentials(self) -> Path:
        return self.path / "credentials.env"

    @property
    def ports(self) -> Path:
        return self.path / "ports.json"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def kafka(self) -> Path:
        return self.path / "kafka"

    @property
    def apache_kafka(self) -> Path:
        return self.path / "kafka-apache"

    @property
    def broker(self) -> Path:
        """Which kind of broker holds this directory's log."""
        return self.path / "broker"

    @property
    def uploads(self) -> Path:
        return self.path / "uploads"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def supervisor(self) -> Path:
        return self.path / "supervisor"

    @property
    def socket(self) -> Path:
        """Where the supervisor listens. A socket's path must be short, and a clone's need not be."""
        beside = self.supervisor / "control.sock"
        if len(os.fsencode(beside)) <= LONGEST_SOCKET_PATH:
            return beside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"leadflow-{os.getuid()}-{digest}.sock"

    def create(self) -> None:
        """Makes the folders. Raises `LocalRunError` when the place cannot be written."""
        try:
            for folder in (self.path, self.logs, self.supervisor):
                folder.mkdir(parents=True, exist_ok=True)
            (self.path / ".gitignore").write_text("*\n")
        except OSError as error:
            raise LocalRunError(
                f"{self.path} cannot be written ({error.strerror}); give it to this user, or set LEADFLOW_HOME."
            ) from None

    @contextmanager
    def lock(self, *, within_seconds: float = 120.0) -> Iterator[None]:
        """One start, stop or reset at a time; another one is waited for. Raises `LocalRunError` when it takes longer."""
        self.create()
        give_up_at = time.monotonic() + within_seconds
        with (self.path / "lock").open("w") as handle:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if time.monotonic() > give_up_at:
                        raise LocalRunError(
                            f"Another start or stop is at work in {self.path}; end that first."
                        ) from None
                    time.sleep(0.1)
            yield

    def remembered_ports(self) -> dict[str, int]:
        """The ports of the last run by name; empty before the first."""
        try:
            known = json.loads(self.ports.read_text())
            return {str(name): int(port) for name, port in known.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def remember_ports(self, ports: Mapping[str, int]) -> None:
        """Keeps the ports for other commands and for the next run."""
        self.ports.write_text(json.dumps(dict(ports), indent=2) + "\n")


def run_directory() -> RunDirectory:
    """This installation's run directory, whether it exists or not."""
    return RunDirectory(Path(os.environ.get("LEADFLOW_HOME") or project_root() / ".leadflow").absolute())
