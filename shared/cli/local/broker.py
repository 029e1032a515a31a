"""A broker that speaks Kafka's protocol, from a wheel. For a first look and for tests with one replica a service:
it keeps its log in memory and writes it to disk on SIGTERM and every half second."""

from __future__ import annotations

import importlib.util
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from shared.cli.local.errors import LocalRunError
from shared.cli.local.ports import LOOPBACK


def binary() -> Path:
    """The broker's program. Raises `LocalRunError` when the wheel is not installed or cannot run here."""
    package = importlib.util.find_spec("noida_db")
    if package is None or package.origin is None:
        raise LocalRunError("The embedded broker is not installed; run `make up`, or install `leadflow[embedded]`.")
    program = Path(package.origin).parent / "noida-db"
    if not program.exists():
        raise LocalRunError(f"The wheel at {package.origin} holds no broker for this machine.")
    if not os.access(program, os.X_OK):
        try:
            program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        except OSError:
            raise LocalRunError(f"{program} is not executable; its owner can mend that: chmod +x {program}") from None
    return program


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """One broker: where its files are, where it listens, how it is started."""

    directory: Path
    port: int

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def command(self) -> list[str]:
        """The broker in the foreground. SIGTERM saves everything and stops it."""
        return [
            *(str(binary()), "start", "--only", "kafka", "--host", LOOPBACK),
            *("--kafka-port", str(self.port), "--data-dir", str(self.directory)),
        ]
