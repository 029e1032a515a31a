"""A real Prometheus over the services of a test, with the rules that are deployed."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from shared.cli.local.ports import free_port
from tests.support.services import ROOT

RULES = ROOT / "deploy" / "prometheus"
CONFIGURED = RULES / "prometheus.yml"
READY_WITHIN_SECONDS = 60.0
MISSING = "Prometheus is not installed (`apt-get install prometheus`)"


def is_installed() -> bool:
    """Whether there is one to start, and its tool."""
    return all(shutil.which(name) for name in ("prometheus", "promtool"))


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Where it answers."""

    url: str

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """What an expression is now. Raises `AssertionError` where it cannot be asked."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30, trust_env=False)
        assert answer.status_code == 200, (expression, answer.text)
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def value(self, expression: str) -> float | None:
        """The one value of an expression; None where it has none."""
        found = self.ask(expression)
        assert len(found) < 2, (expression, found)
        return float(found[0]["value"][1]) if found else None

    def get(self, path: str) -> Any:
        """Another part of its API."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", timeout=30, trust_env=False)
        answer.raise_for_status()
        return answer.json()["data"]


@contextmanager
def running_prometheus(folder: Path, targets: Mapping[str, tuple[str, ...]]) -> Iterator[Prometheus]:
    """The deployed configuration with other targets (service → host:port of each replica), quicker."""
    given = yaml.safe_load(CONFIGURED.read_text())
    given["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    given["rule_files"] = [str(RULES / Path(name).name) for name in given["rule_files"]]
    (job,) = given["scrape_configs"]
    job["static_configs"] = [{"targets": list(of), "labels": {"service": name}} for name, of in targets.items()]
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "prometheus.yml"
    configuration.write_text(yaml.safe_dump(given))
    address = f"127.0.0.1:{free_port()}"
    with (folder / "prometheus.log").open("ab") as output:
        process = subprocess.Popen(
            [
                "prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=output,
            stderr=output,
        )  # fmt: skip
    found = Prometheus(f"http://{address}")
    try:
        _wait(process, found, folder)
        yield found
    finally:
        process.terminate()
        process.wait(20)


def _wait(process: subprocess.Popen[bytes], found: Prometheus, folder: Path) -> None:
    give_up_at = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        try:
            if httpx.get(f"{found.url}/-/ready", timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        if process.poll() is not None or time.monotonic() > give_up_at:
            raise RuntimeError(f"Prometheus does not start:\n{(folder / 'prometheus.log').read_text()[-2000:]}")
        time.sleep(0.1)
