"""The data of a run directory keeps the broker it was made with: positions in one log mean nothing in another."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.cli.local.broker_choice import BrokerKind, choose_broker, remember_broker, remembered_broker
from shared.cli.local.embedded import remembered_installation
from shared.cli.local.errors import LocalRunError
from shared.cli.local.run_directory import SERVICES, RunDirectory


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


def test_the_first_start_uses_the_embedded_broker_unless_told_otherwise(directory: RunDirectory) -> None:
    assert choose_broker(directory, None) is BrokerKind.EMBEDDED
    assert choose_broker(directory, BrokerKind.APACHE) is BrokerKind.APACHE


@pytest.mark.parametrize("kind", BrokerKind)
def test_a_later_start_uses_the_same_broker_without_being_told(directory: RunDirectory, kind: BrokerKind) -> None:
    remember_broker(directory, kind)
    assert choose_broker(directory, None) is kind
    assert choose_broker(directory, kind) is kind


@pytest.mark.parametrize("kind", BrokerKind)
def test_another_broker_on_the_same_data_is_refused_with_what_to_do(directory: RunDirectory, kind: BrokerKind) -> None:
    remember_broker(directory, kind)
    other = next(one for one in BrokerKind if one is not kind)
    with pytest.raises(LocalRunError, match=rf"up --broker {kind}`.*make reset.*LEADFLOW_HOME=DIRECTORY") as refused:
        choose_broker(directory, other)
    assert str(directory.path) in str(refused.value)


def test_data_from_before_there_was_a_choice_belongs_to_the_embedded_broker(directory: RunDirectory) -> None:
    directory.kafka.mkdir()
    assert remembered_broker(directory) is BrokerKind.EMBEDDED
    with pytest.raises(LocalRunError, match="make reset"):
        choose_broker(directory, BrokerKind.APACHE)


def test_a_note_that_names_no_broker_is_not_guessed_at(directory: RunDirectory) -> None:
    directory.broker.write_text("rabbit\n")
    with pytest.raises(LocalRunError, match="must say apache or embedded"):
        choose_broker(directory, None)


@pytest.mark.parametrize(("kind", "pauses"), [(BrokerKind.APACHE, False), (BrokerKind.EMBEDDED, True)])
def test_services_pause_between_empty_answers_of_the_embedded_broker_only(
    directory: RunDirectory, kind: BrokerKind, pauses: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in SERVICES:
        monkeypatch.delenv(f"{service.upper()}_IDLE_FETCH_PAUSE_SECONDS", raising=False)
    directory.remember_ports({"postgres": 20001, "kafka": 20002, **dict.fromkeys(SERVICES, 20003)})
    directory.credentials.write_text(
        "LEADFLOW_CAPTURE_KEY=k\nLEADFLOW_API_TOKEN=t\nLEADFLOW_IDENTITY_SECRET=s\nLEADFLOW_DATABASE_PASSWORD=p\n"
    )
    remember_broker(directory, kind)
    environment = remembered_installation(directory).environment()
    assert environment["LEADFLOW_KAFKA_BOOTSTRAP"] == "127.0.0.1:20002"
    assert all((f"{service.upper()}_IDLE_FETCH_PAUSE_SECONDS" in environment) is pauses for service in SERVICES)
