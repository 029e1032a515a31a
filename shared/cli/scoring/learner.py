"""What learns is a process of its own, started by name: the command line imports no service."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

PROGRAM = (sys.executable, "-m", "services.scoring.learning")


def run_learner(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Runs one command of the learner to its end, its words going where ours go, and answers its exit code."""
    finished = subprocess.run([*PROGRAM, *arguments], env={**os.environ, **(environment or {})}, check=False)
    return finished.returncode
