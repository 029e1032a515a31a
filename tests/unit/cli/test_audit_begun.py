"""An audit that was stopped goes on, where it is one of this system and of this day, and where no other one is at it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer

from shared.cli.audit import command
from shared.cli.audit.begun import alone, begun
from shared.cli.audit.ledger import Day, LogCount
from shared.cli.audit.report import Audited
from shared.cli.audit.steps import ScoreCheck, Step
from shared.cli.http import CommandFailed
from shared.cli.why import Format
from tests.unit.cli.fake_service import FakeService

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
HERE = {"log": "here:9092", "metrics": "http://here:8004"}
THERE = {**HERE, "log": "there:9092"}


def kept_in(folder: Path) -> Path:
    """Something that an audit found out."""
    place = folder / "captured"
    place.write_text("much")
    return place


def test_one_of_the_same_system_goes_on_with_what_it_knows(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    first, said = begun(folder, HERE, NOW)
    assert said is None
    known = kept_in(folder)
    again, said = begun(folder, HERE, NOW + timedelta(hours=3))
    assert again == first
    assert said == "Going on with the audit that began 2026-03-31 12:00 UTC."
    assert known.exists()


@pytest.mark.parametrize(
    ("system", "later", "why"),
    [
        (THERE, timedelta(hours=1), "is of another system"),
        (HERE, timedelta(days=21), "began 2026-03-31 12:00 UTC, which is too long ago"),
        (HERE, timedelta(days=-1), "too long ago"),
    ],
)
def test_one_of_another_system_or_of_long_ago_begins_anew_and_says_so(
    tmp_path: Path, system: dict[str, str], later: timedelta, why: str
) -> None:
    folder = tmp_path / "audit"
    first, _ = begun(folder, HERE, NOW)
    known = kept_in(folder)
    again, said = begun(folder, system, NOW + later)
    assert said is not None
    assert why in said
    assert again.audit_id != first.audit_id
    assert (again.began, again.system) == (NOW + later, system)
    assert not known.exists()


@pytest.mark.parametrize("left", ["", "[]", '{"audit_id": "7"}', '{"audit_id": "7", "began": "soon", "system": {}}'])
def test_what_nobody_can_read_is_begun_anew(tmp_path: Path, left: str) -> None:
    folder = tmp_path / "audit"
    folder.mkdir()
    (folder / "begun.json").write_text(left)
    known = kept_in(folder)
    assert begun(folder, HERE, NOW)[0].began == NOW
    assert not known.exists()


def test_a_second_one_beside_it_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    with alone(folder), pytest.raises(CommandFailed, match="Another audit is at work"), alone(folder):
        pass
    with alone(folder):
        pass


@pytest.fixture
def audited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Runs the command where looking finds this; its exit code."""
    monkeypatch.setenv("LEADFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("LEADFLOW_KAFKA_BOOTSTRAP", "here:9092")

    def run(found: Audited | None = None, metrics: int = 204, shown: Format = Format.TABLE) -> int:
        async def look(*_: Any) -> Audited:
            assert found is not None
            return found

        if found is not None:
            monkeypatch.setattr(command, "_audit", look)
        monkeypatch.setattr(command, "_client", lambda _, name: FakeService((metrics, None)).client(name))
        try:
            command.audit(wait_seconds=0, fresh=False, by_day=False, format=shown)
        except typer.Exit as ended:
            return ended.exit_code
        return 0

    return run


def found(missing: int) -> Audited:
    step = Step("lifecycle → metrics", LogCount(9, 9, 0), facts=9 - missing, missing=missing)
    days = [Day("lifecycle", 2, "2026-03-01", 9, 0, {step.name: missing} if missing else {})]
    return Audited([step], [], ScoreCheck(0, 0, 0, 0, ()), days)


def test_programs_are_told_each_partition_and_day(
    audited: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert audited(found(missing=2), shown=Format.JSON) == 1
    told = orjson.loads(capsys.readouterr().out)
    assert told["clean"] is False
    assert [(step["name"], step["distinct"], step["facts"], step["missing"]) for step in told["steps"]] == [
        ("lifecycle → metrics", 9, 7, 2)
    ]
    assert told["days"] == [
        {
            "topic": "lifecycle", "partition": 2, "day": "2026-03-01", "events": 9, "unreadable": 0,
            "missing": {"lifecycle → metrics": 2},
        }
    ]  # fmt: skip


def test_a_day_that_differs_is_on_the_screen_without_being_asked_for(
    audited: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    audited(found(missing=0))
    assert "2026-03-01" not in capsys.readouterr().out
    audited(found(missing=2))
    assert "2026-03-01" in capsys.readouterr().out


def test_what_differs_is_shown_though_metrics_hears_nothing_of_it(
    audited: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert audited(found(missing=2), metrics=503) == 1
    told = capsys.readouterr()
    assert "There are differences" in told.out
    assert "cannot serve now" in told.err
    assert (tmp_path / "audit").exists()


def test_a_clean_one_says_of_when_the_log_is_and_leaves_nothing(
    audited: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert audited(found(missing=0)) == 0
    assert "The log as of 20" in capsys.readouterr().out
    assert not (tmp_path / "audit").exists()


def test_a_state_that_a_loss_of_power_broke_is_said_with_what_to_do(
    audited: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = begun

    def broken(folder: Path, *asked: Any) -> Any:
        begun_now = seen(folder, *asked)
        (folder / "captured").write_bytes(b"no database at all" * 400)
        return begun_now

    monkeypatch.setattr(command, "begun", broken)
    assert audited() == 2
    assert "--fresh" in capsys.readouterr().err
