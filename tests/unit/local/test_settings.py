"""The environment comes first, then what the embedded run has written."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.cli.configuration import HIDDEN, command_line, redacted_url
from shared.cli.local.credentials import ensure_credentials
from shared.cli.local.run_directory import LONGEST_SOCKET_PATH, RunDirectory
from shared.cli.settings import NothingKnown, cli_settings, environment_value, servers

VARIABLES = (
    *("LEADFLOW_CAPTURE_KEY", "LEADFLOW_API_TOKEN", "LEADFLOW_IDENTITY_SECRET", "LEADFLOW_DATABASE_URL"),
    *("LEADFLOW_KAFKA_BOOTSTRAP", "CAPTURE_PORT", "SCORING_PORT", "PIPELINE_PORT", "METRICS_PORT"),
    *(f"LEADFLOW_{name}_URL" for name in ("CAPTURE", "SCORING", "PIPELINE", "METRICS")),
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LEADFLOW_HOME", str(tmp_path / "home"))
    directory = RunDirectory(tmp_path / "home")
    directory.create()
    return directory


def test_before_the_first_start_the_addresses_are_the_default_ones(home: RunDirectory) -> None:
    settings = cli_settings()
    assert [settings.url(name)[-4:] for name in ("capture", "scoring", "pipeline", "metrics")] == [
        "8001",
        "8002",
        "8003",
        "8004",
    ]
    assert settings.capture_key == settings.api_token == ""


def test_the_ports_and_credentials_of_the_running_system_are_found(home: RunDirectory) -> None:
    credentials = ensure_credentials(home.credentials)
    home.remember_ports({"capture": 9001, "postgres": 20001, "kafka": 20002})
    assert cli_settings().capture_url == "http://127.0.0.1:9001"
    assert cli_settings().api_token == credentials["LEADFLOW_API_TOKEN"]
    assert servers().database_url.endswith("@127.0.0.1:20001/leadflow")
    assert servers().kafka_bootstrap == "127.0.0.1:20002"


def test_the_environment_wins_over_the_file(home: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_credentials(home.credentials)
    monkeypatch.setenv("LEADFLOW_API_TOKEN", "from-the-environment")
    monkeypatch.setenv("LEADFLOW_METRICS_URL", "https://metrics.example.com/")
    assert cli_settings().api_token == "from-the-environment"
    assert cli_settings().metrics_url == "https://metrics.example.com"


def test_a_secret_may_come_from_a_file_of_its_own(
    home: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("mounted\n")
    monkeypatch.setenv("LEADFLOW_API_TOKEN_FILE", str(tmp_path / "token"))
    assert environment_value("LEADFLOW_API_TOKEN") == "mounted"


def test_without_servers_the_message_says_how_to_get_some(home: RunDirectory) -> None:
    with pytest.raises(NothingKnown, match="make up"):
        servers()


def test_secrets_are_never_printed(home: RunDirectory) -> None:
    credentials = ensure_credentials(home.credentials)
    shown = str(command_line(cli_settings())) + repr(cli_settings())
    assert HIDDEN in shown
    assert not any(value in shown for value in credentials.values())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgresql://leadflow:secret@db:5432/leadflow", f"postgresql://leadflow:{HIDDEN}@db:5432/leadflow"),
        ("127.0.0.1:9092", "127.0.0.1:9092"),
    ],
)
def test_a_password_inside_a_url_is_hidden(value: str, shown: str) -> None:
    assert redacted_url(value) == shown


def test_a_socket_stays_short_however_deep_the_clone_is(tmp_path: Path) -> None:
    deep = RunDirectory(tmp_path / ("x" * 90) / ".leadflow")
    assert len(str(deep.socket)) <= LONGEST_SOCKET_PATH
    assert deep.socket != RunDirectory(tmp_path / ("y" * 90) / ".leadflow").socket
