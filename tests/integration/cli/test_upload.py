"""`leadflow upload` and `leadflow uploads`, each as a process against capture."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.services import RunningServices, services_for
from tests.support.topics import create_topics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MAPPING = "- name: Who\n  email: Mail\n  channel: {constant: fair}\n"


@pytest.fixture
def capture(tmp_path: Path, migrated_database: Callable[..., str], fresh_kafka: str) -> Iterator[RunningServices]:
    asyncio.run(create_topics(fresh_kafka))
    environment = {"CAPTURE_UPLOAD_DIR": str(tmp_path / "uploads"), "CAPTURE_UPLOAD_MAX_BYTES": "100000"}
    services = services_for(migrated_database("capture"), fresh_kafka, tmp_path, environment=environment)
    services.start("capture")
    try:
        services.wait_until_ready("capture")
        yield services
    finally:
        services.end()


def ran(capture: RunningServices, *arguments: str, code: int = 0) -> str:
    """What a command printed."""
    done = capture.cli(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr if code == 2 else done.stdout


def test_a_file_is_uploaded_followed_and_told_of(capture: RunningServices, tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("Who;Mail\nسارا;sara@example.com\nBob;bob@example.com\n" + f"{'x' * 400};c@example.com\n")
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(MAPPING)

    shown = ran(capture, "upload", str(file), "--mapping", str(mapping), "--dry-run")
    assert "line 2" in shown
    assert "sara@example.com" in shown
    assert "rejected: name" in shown
    assert ran(capture, "uploads", "list") == "No uploads.\n"

    printed = ran(capture, "upload", str(file), "--mapping", str(mapping), "--wait", code=3)
    upload_id = printed.splitlines()[0]
    assert "leads.csv is done: 3 of 3 rows read, 2 leads taken, 1 rejected." in printed
    report: list[Any] = list(csv.reader(io.StringIO(ran(capture, "uploads", "report", upload_id))))
    assert [row[:2] for row in report] == [["row", "field"], ["4", "name"]]
    assert "3 of 3" in ran(capture, "uploads", "show", upload_id, code=3)
    assert "leads.csv" in ran(capture, "uploads", "list")
    assert "development" in ran(capture, "uploads", "list", "--all", "--status", "done")
    again = ran(capture, "upload", str(file), "--mapping", str(mapping))
    assert again.splitlines()[0] == upload_id

    assert "it is done" in ran(capture, "uploads", "cancel", upload_id, code=2)
    unknown = ran(capture, "upload", str(file), "--mapping", "crm", code=2)
    assert "mapping is no mapping of the policy" in unknown
    assert "cannot be read" in ran(capture, "upload", str(tmp_path / "none.csv"), code=2)
    large = tmp_path / "large.csv"
    large.write_bytes(b"name\n" + b"Ada\n" * 1_000_000)
    told = ran(capture, "upload", str(large), code=2)
    assert "over the limit of" in told or "CAPTURE_UPLOAD_MAX_BYTES" in told


def test_an_upload_is_cancelled_and_resumed(capture: RunningServices, tmp_path: Path) -> None:
    capture.stop("capture")
    capture.start("capture", CAPTURE_UPLOAD_ROWS_PER_SECOND="1")
    capture.wait_until_ready("capture")
    file = tmp_path / "leads.csv"
    file.write_text("name,email\n" + "".join(f"Lead {n},l{n}@example.com\n" for n in range(120)))
    upload_id = ran(capture, "upload", str(file)).splitlines()[0]
    assert "is cancelled" in ran(capture, "uploads", "cancel", upload_id)
    assert "is cancelled" in ran(capture, "uploads", "show", upload_id, code=2)
    capture.stop("capture")
    capture.start("capture")
    capture.wait_until_ready("capture")
    assert "is waiting" in ran(capture, "uploads", "resume", upload_id)
    assert "120 of 120 rows read, 120 leads taken" in ran(capture, "uploads", "show", upload_id, "--wait")
