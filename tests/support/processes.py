"""Server processes of tests."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def hear_every_signal() -> None:
    """For a child before it begins: whoever runs the tests in the background, or under nohup, has signals ignored, and
    children inherit that."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def own_folder(kind: str) -> Iterator[Path]:
    """A folder of this test's own, gone at the end."""
    path = Path(tempfile.mkdtemp(prefix=f"leadflow-test-{kind}-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def process_of(
    command: list[str], log: Path, *, stop_signal: signal.Signals, within_seconds: float = 20
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes to a log, ended with the signal it takes best, and killed if that takes too long."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, cwd="/"
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(stop_signal)
            try:
                process.wait(within_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def came_up(process: subprocess.Popen[bytes], ready: Callable[[], bool], within_seconds: float = 30.0) -> bool:
    """True once it is ready; False when it has ended, or takes longer."""
    give_up_at = time.monotonic() + within_seconds
    while process.poll() is None and time.monotonic() < give_up_at:
        if ready():
            return True
        time.sleep(0.02)
    return False
