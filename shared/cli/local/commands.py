"""`leadflow up`, `down`, `reset`, `status`, `logs`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.local.broker_choice import BrokerKind, choose_broker, remembered_broker
from shared.cli.local.embedded import Installation, forget, start, stop
from shared.cli.local.endings import is_alive
from shared.cli.local.leftovers import end_leftovers
from shared.cli.local.readiness import readiness
from shared.cli.local.run_directory import SERVICES, RunDirectory, run_directory
from shared.cli.local.supervision import Supervisor
from shared.cli.settings import cli_settings

LOGS = (*SERVICES, "postgres", "kafka", "supervisor")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

console = Console(highlight=False)


class ToldToStop(BaseException):
    """A signal asked this process to end; not an error."""


def _say(step: str) -> None:
    console.print(f"[dim]·[/] {escape(step)}")


def up(
    *,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once everything is ready, and leave it running.")
    ] = False,
    broker: Annotated[
        BrokerKind | None,
        typer.Option(
            help="Apache Kafka from its own jars (needs Java 17, and Maven once), or the embedded broker. "
            "The data keeps the broker it was made with; at first that is the embedded one.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Start PostgreSQL, a broker and the four services on this machine."""
    directory = run_directory()
    _catch_stop_signals()
    try:
        with directory.lock():
            choose_broker(directory, broker)
            if Supervisor(directory).answers():
                _show_running(directory)
                return
            began = time.monotonic()
            chosen = start(directory, _say, broker=broker)
            _show_urls(chosen, time.monotonic() - began, detached=detach)
        if not detach:
            _stay(directory)
    except ToldToStop:
        _ignore_stop_signals()
        console.print("\nStopping")
        with directory.lock():
            stop(directory)
        console.print(f"Stopped; the data is kept in {escape(str(directory.path))}", soft_wrap=True)


def _catch_stop_signals() -> None:
    def told(number: int, frame: FrameType | None) -> None:
        raise ToldToStop(number)

    for number in STOP_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup has asked for exactly that
            signal.signal(number, told)


def _ignore_stop_signals() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _stay(directory: RunDirectory) -> None:
    """In the foreground until told to stop, or until somebody else has stopped everything."""
    supervisor = Supervisor(directory)
    process = supervisor.process()
    make = _MakeAbove()
    while process is not None and is_alive(process):
        if make.was_told_to_stop():
            raise ToldToStop
        time.sleep(0.3)
    with directory.lock():
        if supervisor.answers():
            return  # stopped and started again, elsewhere
        left = end_leftovers(directory)
    if left:
        console.print(f"[red]The supervisor has died;[/] ended what it had left: {escape(', '.join(left))}")
        raise typer.Exit(1)
    console.print("Stopped from elsewhere")


class _MakeAbove:
    """GNU make waits for its children when a signal reaches make alone, and tells them only of SIGTERM. While it waits
    it blocks the signal it got, which can be seen."""

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._is_make = self._read("comm").strip() in ("make", "gmake")
        self._blocked = self._blocked_signals()

    def _read(self, name: str) -> str:
        try:
            return Path(f"/proc/{self._parent}/{name}").read_text()
        except OSError:
            return ""

    def _blocked_signals(self) -> int:
        for line in self._read("status").splitlines():
            if line.startswith("SigBlk:"):
                return int(line.split()[1], 16)
        return 0

    def was_told_to_stop(self) -> bool:
        if not self._is_make:
            return False
        if os.getppid() != self._parent:
            return True
        fresh = self._blocked_signals() & ~self._blocked
        return any(fresh & (1 << (number - 1)) for number in STOP_SIGNALS)


def _show_urls(chosen: Installation, seconds: float, *, detached: bool) -> None:
    table = Table(title=f"Leadflow is ready ({seconds:.1f} s)", title_justify="left")
    for column in ("service", "address", "interactive documentation"):
        table.add_column(column)
    for service, url in chosen.urls().items():
        table.add_row(service, url, f"{url}/docs")
    console.print(table)
    console.print(f"broker       {chosen.broker_kind.spoken} at {chosen.kafka_bootstrap}")
    console.print(f"credentials  {chosen.directory.credentials}\nlogs         leadflow logs SERVICE")
    console.print("stop         make down" if detached else "stop         Ctrl-C, or make down", style="bold")


def _show_running(directory: RunDirectory) -> None:
    console.print(f"Leadflow is already running from {directory.path}; stop it with: make down")
    _status_table(directory)


def _status_table(directory: RunDirectory) -> bool:
    settings = cli_settings()
    table = Table()
    for column in ("process", "state", "process id", "address", "ready"):
        table.add_column(column)
    all_ready = True
    known = remembered_broker(run_directory())
    for one in Supervisor(directory).states():
        if one.name in SERVICES:
            url = settings.url(one.name)
            answer = readiness(url)
            all_ready = all_ready and answer.ready
            ready = "[green]ready[/]" if answer.ready else f"[red]{escape(answer.reason)}[/]"
        else:
            url, ready = "", ""
            all_ready = all_ready and one.state == "RUNNING"
        if one.name == "kafka" and known is not None:
            url = known.spoken
        table.add_row(one.name, one.state.lower(), str(one.process_id or ""), url, ready)
    console.print(table)
    return all_ready


def down() -> None:
    """Stop everything that `up` has started. The data stays."""
    directory = run_directory()
    if not directory.path.exists():
        console.print("Nothing runs: there is no run directory yet")
        return
    with directory.lock():
        stopped = stop(directory)
    console.print("Stopped; the data is kept" if stopped else "Nothing was running")


def reset() -> None:
    """Stop everything and forget the data, the credentials and the logs of the embedded run."""
    directory = run_directory()
    if not directory.path.exists():
        console.print("There is nothing to forget")
        return
    with directory.lock():
        stop(directory)
        forget(directory)
    console.print(f"Forgot everything in {directory.path}")


def status() -> None:
    """Show which processes run and whether the services are ready."""
    directory = run_directory()
    if not Supervisor(directory).answers():
        console.print("Leadflow does not run here; start it with: make up")
        raise typer.Exit(1)
    if not _status_table(directory):
        raise typer.Exit(1)


def logs(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(LOGS)}.")],
    *,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
) -> None:
    """Show the log of one process of the embedded run."""
    if name not in LOGS:
        raise typer.BadParameter(f"there is no log of {name!r}; there are {', '.join(LOGS)}")
    path = run_directory().logs / f"{name}.log"
    if not path.exists():
        console.print(f"There is no log of {name} yet; start with: make up")
        raise typer.Exit(1)
    with path.open(errors="replace") as handle:
        sys.stdout.writelines(deque(handle, maxlen=lines))
        while follow:
            fresh = handle.readline()
            if fresh:
                sys.stdout.write(fresh)
            else:
                sys.stdout.flush()
                time.sleep(0.2)
