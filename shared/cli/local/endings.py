"""Waiting for processes to end. A zombie has ended: in a container nobody may ever reap it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

import psutil


def is_alive(process: psutil.Process) -> bool:
    """False for processes that are gone and for zombies."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def wait_until_ended(processes: Sequence[psutil.Process], *, within_seconds: float) -> list[psutil.Process]:
    """Those that are still alive after the time; none as soon as all have ended."""
    give_up_at = time.monotonic() + within_seconds
    while True:
        alive = [process for process in processes if is_alive(process)]
        if not alive or time.monotonic() > give_up_at:
            return alive
        time.sleep(0.05)


def kill(processes: Sequence[psutil.Process]) -> None:
    """Ends processes that would not end by themselves."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    wait_until_ended(processes, within_seconds=5)
