"""Load from outside by `wrk`, which costs a fraction of what a client in Python would on the same two cores."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.load.run import NotInstalled

SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What came of one run: requests answered with success, and how long they took."""

    requests: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float


def require() -> str:
    """Where `wrk` is. Raises `NotInstalled`, saying how to get it."""
    found = shutil.which("wrk")
    if found is None:
        raise NotInstalled("wrk is not installed; it makes the load of this part: apt-get install wrk")
    return found


def write_bodies(path: Path, bodies: Iterable[bytes]) -> Path:
    """A file of bodies, one a line."""
    path.write_bytes(b"".join(body + b"\n" for body in bodies))
    return path


def post(url: str, bodies: Path, *, key: str, connections: int, seconds: float) -> Load:
    """Posts for a while. Raises `RuntimeError` when anything was answered with an error: a rate of refusals is none."""
    command = [
        require(),
        "-t1",
        f"-c{connections}",
        f"-d{max(round(seconds), 1)}s",
        "--timeout",
        "20s",
        "-s",
        str(SCRIPT),
    ]
    environment = {
        **os.environ,
        "LEADFLOW_BENCH_BODIES": str(bodies),
        "LEADFLOW_BENCH_AUTHORIZATION": f"Bearer {key}",
    }
    done = subprocess.run([*command, url], env=environment, capture_output=True, text=True, timeout=seconds + 60)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise RuntimeError(f"wrk failed against {url}:\n{done.stdout}{done.stderr}")
    outcome = json.loads(lines[-1])
    if outcome["refused"] or outcome["broken"]:
        raise RuntimeError(f"{url} refused {outcome['refused']} requests, and {outcome['broken']} broke off")
    return Load(outcome["requests"], outcome["requests"] / outcome["seconds"], outcome["p50_ms"], outcome["p99_ms"])
