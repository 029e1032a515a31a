"""How long it takes from nothing to ready, and from a stop to ready: everything by `leadflow up`, and each service alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from shared.cli.local.ports import free_port
from tests.load.arithmetic import median
from tests.load.findings import Finding
from tests.load.run import Broker, Run
from tests.load.stage import running_stage
from tests.support.servers import SERVICES


def starting(run: Run) -> list[Finding]:
    """Cold is with an empty folder, warm is once more over the data that is there then."""
    lines = []
    for broker in (Broker.EMBEDDED, Broker.APACHE) if run.broker is Broker.APACHE else (Broker.EMBEDDED,):
        with _home() as environment:
            cold = _up(environment, broker)
            warm = []
            for _ in range(1 if run.quick else 3):
                _leadflow(environment, "down")
                warm.append(_up(environment, broker))
        run.say(f"leadflow up, {broker.value}: {cold:.1f} s from nothing, {median(warm):.1f} s warm")
        lines.append(
            Finding("starting", f"`leadflow up`, {broker.value} broker, warm", median(warm), "s", cold, "cold")
        )
    with running_stage(run) as stage:
        services = stage.configured()
        for name in SERVICES:
            took = []
            for _ in range(1 if run.quick else 3):
                began = time.perf_counter()
                services.start(name)
                services.wait_until_ready(name)
                took.append(time.perf_counter() - began)
                services.stop(name)
            run.say(f"{name}: {median(took):.1f} s to ready")
            lines.append(Finding("starting", f"{name}, from start to ready", median(took), "s"))
    return lines


@contextmanager
def _home() -> Iterator[dict[str, str]]:
    """The environment of an embedded run in a folder of its own; what ran there is stopped at the end."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LEADFLOW_", "CAPTURE_"))}
    ports = {f"{service.upper()}_PORT": str(free_port()) for service in SERVICES}
    with tempfile.TemporaryDirectory(prefix="leadflow-bench-home-") as folder:
        environment = {**inherited, **ports, "LEADFLOW_HOME": folder, "COLUMNS": "160"}
        try:
            yield environment
        finally:
            _leadflow(environment, "down")


def _up(environment: dict[str, str], broker: Broker) -> float:
    began = time.perf_counter()
    _leadflow(environment, "up", "--detach", "--broker", broker.value)
    return time.perf_counter() - began


def _leadflow(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "shared.cli.main", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    if done.returncode:
        raise RuntimeError(f"leadflow {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
