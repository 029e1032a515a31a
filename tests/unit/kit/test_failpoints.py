"""A failpoint strikes when its turn has come: it kills, or it stands still once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

PROGRAM = """
import time
from shared.kit import failpoints
for _ in range(4):
    began = time.monotonic()
    failpoints.reach("elsewhere")
    failpoints.reach("here")
    print(time.monotonic() - began > 0.2, flush=True)
"""


def run(failpoint: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LEADFLOW_FAILPOINT": failpoint}
    return subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60)


def test_unset_it_does_nothing() -> None:
    assert run("").stdout.split() == ["False"] * 4


def test_it_kills_the_third_time() -> None:
    done = run("here:3")
    assert (done.stdout.split(), done.returncode) == (["False"] * 2, -signal.SIGKILL)


def test_with_seconds_it_stands_still_once_and_goes_on() -> None:
    assert run("here:2:0.25").stdout.split() == ["False", "True", "False", "False"]
