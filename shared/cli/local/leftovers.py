"""Processes that an earlier run of this directory has left behind: after kill -9, or a lost terminal."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import psutil

from shared.cli.local.endings import is_alive, kill, wait_until_ended
from shared.cli.local.run_directory import RunDirectory
from shared.cli.local.supervision import RUN_MARKER


def leftovers(directory: RunDirectory) -> list[psutil.Process]:
    """Every living process that this directory's run has started, and no other: each carries the directory's path in
    its environment, or, where that cannot be read, in its command."""
    return [process for process in _others() if _belongs(process, directory)]


def _others() -> Iterator[psutil.Process]:
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        if process.pid not in own:
            yield process


def _belongs(process: psutil.Process, directory: RunDirectory) -> bool:
    try:
        if not is_alive(process):
            return False
        command = process.cmdline()
        folders = (directory.postgres / "data", directory.kafka, directory.apache_kafka / "server.properties")
        if any(str(folder) in command for folder in folders):
            return True
        return process.environ().get(RUN_MARKER) == str(directory.path)
    except (psutil.Error, OSError):
        return False


def end_leftovers(directory: RunDirectory, *, within_seconds: float = 20.0) -> list[str]:
    """Ends them, gently first: the broker saves its log, PostgreSQL its pages. Their names and process ids."""
    found = leftovers(directory)
    described = [f"{_name(process)} ({process.pid})" for process in found]
    data = str(directory.postgres / "data")
    for process in found:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGINT if data in process.cmdline() else signal.SIGTERM)
    kill(wait_until_ended(found, within_seconds=within_seconds))
    _forget_dead_postmaster(directory)
    return described


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return "process"


def _forget_dead_postmaster(directory: RunDirectory) -> None:
    """After a reboot another process may carry the number that PostgreSQL has left in its lock file."""
    lock_file = directory.postgres / "data" / "postmaster.pid"
    if lock_file.exists() and not leftovers(directory):
        lock_file.unlink(missing_ok=True)
