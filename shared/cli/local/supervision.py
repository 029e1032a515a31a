"""Supervisor keeps the processes of the embedded run alive: it restarts what dies and stops everything in order."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from shared.cli.local.endings import is_alive, kill, wait_until_ended
from shared.cli.local.errors import LocalRunError
from shared.cli.local.run_directory import RunDirectory

RUN_MARKER = "LEADFLOW_EMBEDDED_RUN"


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised process: how it starts, which signal stops it, how long that may take, with whom it stops."""

    name: str
    command: Sequence[str]
    stop_signal: str
    stop_within_seconds: int
    group: str


@dataclass(frozen=True, slots=True)
class ProcessState:
    """A process as the supervisor sees it."""

    name: str
    state: str
    process_id: int
    description: str


class Supervisor:
    """The supervisor of one run directory."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self._configuration = directory.supervisor / "supervisord.conf"
        self._process_id = directory.supervisor / "supervisord.pid"

    def configure(self, programs: Sequence[Program], *, working_directory: Path) -> None:
        """Writes the configuration. It holds no secrets: those are inherited through the environment."""
        configuration = configparser.RawConfigParser()
        directory = self._directory
        configuration["unix_http_server"] = {"file": _escaped(directory.socket), "chmod": "0700"}
        configuration["supervisord"] = {
            "nodaemon": "true",
            "silent": "true",
            "identifier": "leadflow",
            "directory": _escaped(working_directory),
            "pidfile": _escaped(self._process_id),
            "logfile": _escaped(directory.logs / "supervisor.log"),
            "logfile_maxbytes": "5MB",
            "logfile_backups": "1",
            "childlogdir": _escaped(directory.logs),
            "strip_ansi": "false",
        }
        if os.geteuid() == 0:
            configuration["supervisord"]["user"] = "root"
        factory = "supervisor.rpcinterface:make_main_rpcinterface"
        configuration["rpcinterface:supervisor"] = {"supervisor.rpcinterface_factory": factory}
        groups = list(dict.fromkeys(program.group for program in programs))
        for order, group in enumerate(groups, start=1):  # a whole group stops at once, the last group first
            members = [program.name for program in programs if program.group == group]
            configuration[f"group:{group}"] = {"programs": ",".join(members), "priority": str(order)}
        for program in programs:
            configuration[f"program:{program.name}"] = {
                "command": " ".join(_quoted(word) for word in program.command),
                "directory": _escaped(working_directory),
                "autostart": "false",
                "autorestart": "true",
                "startsecs": "1",
                "startretries": "1000000",
                "stopsignal": program.stop_signal,
                "stopwaitsecs": str(program.stop_within_seconds),
                "redirect_stderr": "true",
                "stdout_logfile": _escaped(directory.logs / f"{program.name}.log"),
                "stdout_logfile_maxbytes": "10MB",
                "stdout_logfile_backups": "2",
            }
        with self._configuration.open("w") as handle:
            configuration.write(handle)
        self._configuration.chmod(0o600)

    def launch(self, environment: Mapping[str, str]) -> None:
        """Starts the supervisor, with nothing running yet. Raises `LocalRunError` when it does not come up."""
        self._directory.socket.unlink(missing_ok=True)
        self._process_id.unlink(missing_ok=True)
        first_words = self._directory.logs / "supervisor.start.log"
        with first_words.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._configuration)],
                env={**environment, RUN_MARKER: str(self._directory.path)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        give_up_at = time.monotonic() + 20
        while not self.answers():
            if process.poll() is not None or time.monotonic() > give_up_at:
                raise LocalRunError(f"The process supervisor did not start:\n{first_words.read_text().strip()}")
            time.sleep(0.03)

    def _remote(self) -> Any:
        transport = SupervisorTransport(None, None, serverurl=f"unix://{self._directory.socket}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def answers(self) -> bool:
        """True when this directory's supervisor runs and listens."""
        try:
            return bool(self._remote().getState()["statename"])
        except (OSError, xmlrpc.client.Error, ValueError):
            return False

    def start(self, group: str) -> None:
        """Starts one group without waiting for it."""
        self._remote().startProcessGroup(group, False)

    def states(self) -> list[ProcessState]:
        """Every program; empty when the supervisor does not answer."""
        try:
            found = self._remote().getAllProcessInfo()
        except (OSError, xmlrpc.client.Error):
            return []
        return [ProcessState(one["name"], one["statename"], one["pid"], one["description"]) for one in found]

    def process(self) -> psutil.Process | None:
        """The supervisor's own process, verified to be this directory's."""
        try:
            process = psutil.Process(int(self._process_id.read_text()))
            return process if is_alive(process) and str(self._configuration) in process.cmdline() else None
        except (OSError, ValueError, psutil.Error):
            return None

    def shut_down(self, *, within_seconds: float = 90.0) -> bool:
        """Stops everything in order, services first; False when nothing ran."""
        process = self.process()
        if process is None:
            return False
        with suppress(psutil.NoSuchProcess):
            process.terminate()
        kill(wait_until_ended([process], within_seconds=within_seconds))
        return True


def _escaped(value: object) -> str:
    return str(value).replace("%", "%%")


def _quoted(word: str) -> str:
    """A word as supervisor's own parser reads it back."""
    escaped = _escaped(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if not escaped or any(letter in escaped for letter in " \t\"'#;\\") else escaped
