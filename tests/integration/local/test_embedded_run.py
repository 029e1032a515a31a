"""`leadflow up` and `down` as an operator meets them, on free ports and in a folder of the test's own."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from shared.cli.local.leftovers import leftovers
from shared.cli.local.ports import free_port
from shared.cli.local.run_directory import SERVICES, RunDirectory
from shared.cli.local.supervision import Supervisor
from tests.support.patience import eventually_blocking
from tests.support.processes import hear_every_signal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("embedded run")]


@dataclass(frozen=True)
class EmbeddedRun:
    directory: RunDirectory
    environment: dict[str, str]

    def leadflow(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "shared.cli.main", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=200)

    def in_foreground(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "shared.cli.main", "up"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=hear_every_signal,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("stop "):
                return process
        raise AssertionError("it ended before it was ready")

    def is_ready(self, service: str) -> bool:
        port = self.environment[f"{service.upper()}_PORT"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=3) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def process_id(self, name: str) -> int:
        return next((one.process_id for one in Supervisor(self.directory).states() if one.name == name), 0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded run")


@pytest.fixture
def run(home: Path) -> Iterator[EmbeddedRun]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LEADFLOW_", "CAPTURE_"))}
    ports = {f"{service.upper()}_PORT": str(free_port()) for service in SERVICES}
    environment = {**inherited, **ports, "LEADFLOW_HOME": str(home), "COLUMNS": "160"}
    run = EmbeddedRun(RunDirectory(home), environment)
    yield run
    run.leadflow("down")
    assert leftovers(run.directory) == []


def test_up_makes_everything_ready_and_down_leaves_no_process(run: EmbeddedRun) -> None:
    up = run.leadflow("up", "--detach")
    assert up.returncode == 0, up.stdout + up.stderr
    assert all(f"http://127.0.0.1:{run.environment[f'{service.upper()}_PORT']}" in up.stdout for service in SERVICES)
    assert all(run.is_ready(service) for service in SERVICES)
    assert stat.S_IMODE(run.directory.credentials.stat().st_mode) == 0o600
    assert "already running" in run.leadflow("up").stdout
    assert run.leadflow("status").returncode == 0
    doctor = run.leadflow("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "✗" not in doctor.stdout
    down = run.leadflow("down")
    assert "Stopped" in down.stdout
    assert leftovers(run.directory) == []
    assert run.leadflow("status").returncode == 1


def test_settings_are_printed_without_their_secrets(run: EmbeddedRun) -> None:
    assert run.leadflow("up", "--detach").returncode == 0
    shown = run.leadflow("config", "print", "--json")
    assert shown.returncode == 0, shown.stderr
    assert "PIPELINE_PORT" in shown.stdout
    secrets = re.findall(r"^\w+=(.+)$", run.directory.credentials.read_text(), re.MULTILINE)
    assert len(secrets) == 4
    assert not any(secret in shown.stdout for secret in secrets)


def test_a_service_killed_with_nine_is_started_again(run: EmbeddedRun) -> None:
    assert run.leadflow("up", "--detach").returncode == 0
    before = run.process_id("scoring")
    psutil.Process(before).kill()
    eventually_blocking(lambda: run.process_id("scoring") not in (0, before), within_seconds=20)
    eventually_blocking(lambda: run.is_ready("scoring"), within_seconds=60)


def test_after_the_supervisor_was_killed_the_next_start_clears_up(run: EmbeddedRun) -> None:
    assert run.leadflow("up", "--detach").returncode == 0
    supervisor = Supervisor(run.directory).process()
    assert supervisor is not None
    supervisor.kill()
    again = run.leadflow("up", "--detach")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "an earlier run had left behind" in again.stdout
    assert all(run.is_ready(service) for service in SERVICES)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda how: how.name)
def test_a_signal_ends_the_foreground_run_and_everything_with_it(run: EmbeddedRun, how: signal.Signals) -> None:
    process = run.in_foreground()
    process.send_signal(how)
    said, _ = process.communicate(timeout=90)
    assert process.returncode == 0, said
    assert leftovers(run.directory) == []


def test_down_from_elsewhere_ends_the_foreground_run(run: EmbeddedRun) -> None:
    process = run.in_foreground()
    assert "Stopped" in run.leadflow("down").stdout
    said, _ = process.communicate(timeout=90)
    assert process.returncode == 0
    assert "Stopped from elsewhere" in said


def test_a_taken_port_is_named_and_nothing_is_started(run: EmbeddedRun) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", int(run.environment["METRICS_PORT"])))
        listener.listen()
        up = run.leadflow("up", "--detach")
    assert up.returncode == 1
    assert f"Port {run.environment['METRICS_PORT']}, which metrics needs, is taken" in up.stderr
    assert "METRICS_PORT=" in up.stderr


def test_data_outlives_a_restart_and_not_a_reset(run: EmbeddedRun) -> None:
    assert run.leadflow("up", "--detach").returncode == 0
    first = run.directory.credentials.read_text()
    run.leadflow("down")
    began = time.monotonic()
    assert "Made a new database" not in run.leadflow("up", "--detach").stdout
    assert time.monotonic() - began < 60
    assert run.directory.credentials.read_text() == first
    assert run.leadflow("reset").returncode == 0
    assert [path.name for path in run.directory.path.iterdir()] == ["lock"]
