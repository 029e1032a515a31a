"""`leadflow up --broker apache` as an operator meets it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from shared.cli.local.credentials import read_credentials
from shared.cli.local.leftovers import leftovers
from shared.cli.local.ports import free_port
from shared.cli.local.run_directory import SERVICES, RunDirectory
from shared.cli.local.supervision import Supervisor
from tests.support.brokers import NEEDS_APACHE
from tests.support.choice import Unusable
from tests.support.desk import ask
from tests.support.patience import eventually_blocking

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("embedded run")]


class ApacheRun:
    """A run directory and the command line over it."""

    def __init__(self, home: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LEADFLOW_", "CAPTURE_"))}
        caches = {name: os.environ[name] for name in ("LEADFLOW_CACHE",) if name in os.environ}
        ports = {f"{service.upper()}_PORT": str(free_port()) for service in SERVICES}
        self.directory = RunDirectory(home)
        self.environment = {**kept, **caches, **ports, "LEADFLOW_HOME": str(home), "COLUMNS": "300"}

    def leadflow(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "shared.cli.main", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=200)

    def up(self, *options: str) -> str:
        done = self.leadflow("up", "--detach", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def process_id(self, name: str) -> int:
        return next((one.process_id for one in Supervisor(self.directory).states() if one.name == name), 0)

    def post_a_lead(self, number: int) -> int:
        key = read_credentials(self.directory.credentials)["LEADFLOW_CAPTURE_KEY"]
        return httpx.post(
            f"http://127.0.0.1:{self.environment['CAPTURE_PORT']}/v1/leads",
            json={"channel": "web_form", "email": f"somebody-{number}@example.com"},
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=10,
        ).status_code

    def leads_created(self) -> float:
        token = read_credentials(self.directory.credentials)["LEADFLOW_API_TOKEN"]
        answer = httpx.get(
            f"http://127.0.0.1:{self.environment['METRICS_PORT']}/v1/kpis/leads_created",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=10,
        )
        return float(answer.json()["total"]["value"] or 0)

    def counts(self, leads: int) -> None:
        """Returns once so many leads are counted; a broker that was killed may take a minute to come back on a busy machine."""
        try:
            eventually_blocking(lambda: self._counts(leads), within_seconds=150)
        except AssertionError as error:
            logs = [path.read_text(errors="replace")[-3_000:] for path in sorted(self.directory.logs.glob("*.log"))]
            raise AssertionError("\n".join([str(error), *logs])) from None

    def _counts(self, leads: int) -> bool:
        counted = self.leads_created()
        assert counted == leads
        return True


@pytest.fixture
def jars() -> None:
    try:
        ask("jars")
    except Unusable as reason:
        pytest.skip(f"{NEEDS_APACHE}: {reason}")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[ApacheRun]:
    run = ApacheRun(tmp_path / "apache run")
    yield run
    run.leadflow("down")
    assert leftovers(run.directory) == []


@pytest.mark.usefixtures("jars")
def test_a_run_on_apache_kafka_counts_a_lead_keeps_its_broker_and_refuses_another(run: ApacheRun) -> None:
    said = run.up("--broker", "apache")
    assert "The log of this directory is Apache Kafka's from now on" in said
    assert "broker       Apache Kafka at 127.0.0.1:" in said
    assert run.post_a_lead(1) == 202
    run.counts(1)

    status = run.leadflow("status")
    assert status.returncode == 0, status.stdout
    assert "Apache Kafka" in status.stdout
    doctor = run.leadflow("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "kind of broker: Apache Kafka 4." in doctor.stdout
    shown = run.leadflow("config", "print", "pipeline", "--json").stdout
    assert '"PIPELINE_IDLE_FETCH_PAUSE_SECONDS": "0.0"' in shown
    assert run.leadflow("logs", "kafka").returncode == 0
    refused = run.leadflow("up", "--broker", "embedded")
    assert refused.returncode == 1
    assert "belongs to Apache Kafka" in refused.stderr
    assert "make reset" in refused.stderr

    run.leadflow("down")
    assert leftovers(run.directory) == []
    again = run.up()
    assert "Apache Kafka on port" in again
    assert "Made a new" not in again
    assert run.post_a_lead(2) == 202
    run.counts(2)

    before = run.process_id("kafka")
    psutil.Process(before).kill()
    eventually_blocking(lambda: run.process_id("kafka") not in (0, before), within_seconds=30)
    eventually_blocking(lambda: run.post_a_lead(3) == 202, within_seconds=150)
    run.counts(3)

    assert run.leadflow("reset").returncode == 0
    assert [path.name for path in run.directory.path.iterdir()] == ["lock"]


def test_without_java_nothing_is_started_and_the_message_names_both_ways_on(run: ApacheRun) -> None:
    run.environment["JAVA_HOME"] = "/nowhere"
    refused = run.leadflow("up", "--detach", "--broker", "apache")
    assert refused.returncode == 1
    assert "JAVA_HOME=/nowhere holds none" in refused.stderr
    assert "leadflow up --broker embedded" in refused.stderr
    assert leftovers(run.directory) == []
    assert "Leadflow is ready" in run.up("--broker", "embedded")
    assert run.leadflow("reset").returncode == 0
