"""The four services as real processes, on free ports, for tests that drive the whole chain over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from shared.cli.local.ports import free_port
from tests.support.servers import SERVICES
from tests.support.topics import create_topics

ROOT = Path(__file__).resolve().parents[2]
CAPTURE_KEY = "only-for-tests-capture-key"
API_TOKEN = "only-for-tests-only-for-tests"
READY_WITHIN_SECONDS = 60.0
STOP_WITHIN_SECONDS = 20.0


@dataclass(slots=True)
class RunningServices:
    """The services of one test and where they are. Each may be killed, paused and started again, and may have replicas:
    `pipeline` is the first process of pipeline, `pipeline-2` the second, on a port and under a group instance of its own."""

    folder: Path
    ports: dict[str, int]
    environment: Mapping[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def url(self, service: str) -> str:
        """Where a service, or a replica of it, answers."""
        return f"http://127.0.0.1:{self.port(service)}"

    def port(self, service: str) -> int:
        """The port of a service or a replica; the same for each of its lives."""
        if service not in self.ports:
            self.ports[service] = free_port()
        return self.ports[service]

    def start(self, service: str, **environment: str) -> None:
        """Starts a service or a replica, with more environment; `wait_until_ready` says when it is there."""
        kind = service.partition("-")[0]
        of_its_own = {
            f"{kind.upper()}_PORT": str(self.port(service)),
            f"{kind.upper()}_GROUP_INSTANCE_ID": f"{service}-test",
        }
        with (self.folder / f"{service}.log").open("ab") as output:
            self.processes[service] = subprocess.Popen(
                [sys.executable, "-m", f"services.{kind}"],
                env={**self.environment, **of_its_own, **environment},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def alive(self, service: str) -> bool:
        """Whether a process of this name runs, or at least has not ended."""
        process = self.processes.get(service)
        return process is not None and process.poll() is None

    def pid(self, service: str) -> int:
        """The process id of a service that was started."""
        return self.processes[service].pid

    def pause(self, service: str) -> None:
        """SIGSTOP: it is there and does nothing."""
        self.processes[service].send_signal(signal.SIGSTOP)

    def resume(self, service: str) -> None:
        """SIGCONT: it goes on, and does not know that time has passed."""
        self.processes[service].send_signal(signal.SIGCONT)

    def kill(self, service: str) -> None:
        """kill -9."""
        self._end(service, signal.SIGKILL)

    def stop(self, service: str) -> None:
        """Asks a service to stop, and waits until it has."""
        self._end(service, signal.SIGTERM)

    def end(self) -> None:
        """Asks all to stop, at once, and waits until they have."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for service in list(self.processes):
            self.stop(service)

    def _end(self, service: str, how: signal.Signals) -> None:
        process = self.processes.pop(service, None)
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(STOP_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait_until_ready(self, *services: str, within_seconds: float = READY_WITHIN_SECONDS) -> None:
        """Returns when these services, all when none is named, are ready. Raises with a log's tail when one is not."""
        give_up_at = time.monotonic() + within_seconds
        with httpx.Client(trust_env=False, timeout=5) as client:
            for service in services or SERVICES:
                while not self._ready(client, service):
                    process = self.processes[service]
                    if process.poll() is not None or time.monotonic() > give_up_at:
                        raise RuntimeError(f"{service} is not ready:\n{self.log(service)[-4_000:]}")
                    time.sleep(0.05)

    def _ready(self, client: httpx.Client, service: str) -> bool:
        try:
            return client.get(f"{self.url(service)}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def log(self, service: str) -> str:
        """What a service has written."""
        return (self.folder / f"{service}.log").read_text(errors="replace")

    def cli(self, *arguments: str, timeout_seconds: float = 100.0) -> subprocess.CompletedProcess[str]:
        """`leadflow …` as a process of its own, against these services."""
        return subprocess.run(
            self.command(*arguments),
            env=dict(self.environment),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
        )

    def command(self, *arguments: str) -> Sequence[str]:
        """The command line that `cli` runs."""
        return [sys.executable, "-m", "shared.cli.main", *arguments]

    def kpi(self, name: str, **parameters: str | int) -> dict[str, object]:
        """One answer of the KPI API."""
        answer = httpx.get(
            f"{self.url('metrics')}/v1/kpis/{name}",
            params=parameters,
            headers={"Authorization": f"Bearer {API_TOKEN}"},
            timeout=60,
            trust_env=False,
        )
        answer.raise_for_status()
        found: dict[str, object] = answer.json()
        return found


@contextmanager
def running_services(
    database_url: str,
    kafka_bootstrap: str,
    folder: Path,
    *,
    policy_file: Path | None = None,
    partitions: int = 4,
    environment: Mapping[str, str] | None = None,
) -> Iterator[RunningServices]:
    """All four services over a migrated database and a broker without topics, gone at the end."""
    asyncio.run(create_topics(kafka_bootstrap, partitions=partitions))
    services = services_for(database_url, kafka_bootstrap, folder, policy_file=policy_file, environment=environment)
    try:
        for service in SERVICES:
            services.start(service)
        services.wait_until_ready()
        yield services
    finally:
        services.end()


def services_for(
    database_url: str,
    kafka_bootstrap: str,
    folder: Path,
    *,
    policy_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> RunningServices:
    """The four services over a migrated database and a broker with topics, configured and not yet started."""
    ports = {service: free_port() for service in SERVICES}
    digest = hashlib.sha256(CAPTURE_KEY.encode()).hexdigest()
    everybodys = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "200",
        "LEADFLOW_HOME": str(folder / "home"),
        "LEADFLOW_DATABASE_URL": database_url,
        "LEADFLOW_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "LEADFLOW_API_TOKEN": API_TOKEN,
        "LEADFLOW_IDENTITY_SECRET": "only-for-tests-only-for-tests",
        "LEADFLOW_POLICY_FILE": str(policy_file or ROOT / "policy.yaml"),
        "LEADFLOW_CAPTURE_KEY": CAPTURE_KEY,
        "CAPTURE_KEYS": f"development={digest}:write+backdate+impersonate+reconcile+upload",
    }
    for service in SERVICES:
        everybodys[f"{service.upper()}_IDLE_FETCH_PAUSE_SECONDS"] = "0.05"
        everybodys[f"LEADFLOW_{service.upper()}_URL"] = f"http://127.0.0.1:{ports[service]}"
    return RunningServices(folder, ports, {**everybodys, **(environment or {})})
