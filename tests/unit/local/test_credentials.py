"""Development credentials are made once, kept private, and never shown."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from services.capture.domain.keys import SCOPES
from services.capture.settings import parse_keys
from shared.cli.local.credentials import (
    API_TOKEN,
    CAPTURE_KEY,
    DATABASE_PASSWORD,
    IDENTITY_SECRET,
    capture_keys,
    ensure_credentials,
    read_credentials,
)


def test_the_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    ensure_credentials(tmp_path / "credentials.env")
    assert stat.S_IMODE((tmp_path / "credentials.env").stat().st_mode) == 0o600


def test_a_second_start_keeps_what_the_first_has_made(tmp_path: Path) -> None:
    first = ensure_credentials(tmp_path / "credentials.env")
    assert set(first) == {CAPTURE_KEY, API_TOKEN, IDENTITY_SECRET, DATABASE_PASSWORD}
    assert ensure_credentials(tmp_path / "credentials.env") == first == read_credentials(tmp_path / "credentials.env")


def test_what_an_operator_has_removed_is_made_anew_and_the_rest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "credentials.env"
    first = ensure_credentials(path)
    path.write_text("".join(f"{name}={value}\n" for name, value in first.items() if name != "LEADFLOW_API_TOKEN"))
    second = ensure_credentials(path)
    assert second["LEADFLOW_API_TOKEN"] != first["LEADFLOW_API_TOKEN"]
    assert {**second, "LEADFLOW_API_TOKEN": ""} == {**first, "LEADFLOW_API_TOKEN": ""}


def test_a_file_that_others_could_read_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "credentials.env"
    ensure_credentials(path)
    path.chmod(0o644)
    ensure_credentials(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_there_are_no_credentials_before_the_first_start(tmp_path: Path) -> None:
    assert read_credentials(tmp_path / "credentials.env") == {}


def test_capture_understands_the_development_key_and_gives_it_every_scope(tmp_path: Path) -> None:
    credentials = ensure_credentials(tmp_path / "credentials.env")
    (key,) = parse_keys(capture_keys(credentials)).values()
    assert key.sender == "development"
    assert key.digest == hashlib.sha256(credentials["LEADFLOW_CAPTURE_KEY"].encode()).hexdigest()
    assert key.scopes == set(SCOPES)
