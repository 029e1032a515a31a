"""A port that is taken is named, with who has it and what to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.cli.local.embedded import choose_ports
from shared.cli.local.errors import LocalRunError
from shared.cli.local.ports import free_port, is_free
from shared.cli.local.run_directory import SERVICES, RunDirectory


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    for service in SERVICES:
        monkeypatch.setenv(f"{service.upper()}_PORT", str(free_port()))
    return RunDirectory(tmp_path)


def test_a_taken_port_is_named_with_the_variable_that_changes_it(
    directory: RunDirectory, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_PORT", str(taken))
    with pytest.raises(LocalRunError, match=rf"Port {taken}, which pipeline needs, is taken.*PIPELINE_PORT="):
        choose_ports(directory)


def test_a_port_asked_for_twice_is_refused(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("SCORING_PORT", str(port))
    monkeypatch.setenv("METRICS_PORT", str(port))
    with pytest.raises(LocalRunError, match=f"Port {port} is asked for twice"):
        choose_ports(directory)


@pytest.mark.parametrize("text", ["eighty", "0", "65536", "-1"])
def test_what_is_not_a_port_is_refused(directory: RunDirectory, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTURE_PORT", text)
    with pytest.raises(LocalRunError, match="CAPTURE_PORT must be a port"):
        choose_ports(directory)


def test_the_servers_keep_their_ports_from_one_start_to_the_next(directory: RunDirectory) -> None:
    directory.create()
    first = choose_ports(directory)
    directory.remember_ports(first)
    assert choose_ports(directory) == first


def test_a_remembered_port_that_was_taken_meanwhile_is_given_up(directory: RunDirectory, taken: int) -> None:
    directory.create()
    directory.remember_ports({"postgres": taken})
    assert choose_ports(directory)["postgres"] != taken


def test_a_listening_port_is_not_free(taken: int) -> None:
    assert not is_free(taken)
    assert is_free(free_port())
