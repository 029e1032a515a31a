"""Targets and frozen numbers from the command line, against the services."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.services import RunningServices

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def said(leadflow: RunningServices, *arguments: str, code: int = 0) -> str:
    done = leadflow.cli(*arguments)
    assert done.returncode == code, (arguments, done.stdout, done.stderr)
    return done.stdout if code == 0 else done.stderr


def test_a_target_is_said_moved_listed_held_against_what_is_and_withdrawn(
    leadflow: RunningServices, tmp_path: Path
) -> None:
    first = said(leadflow, "targets", "set", "sales_volume", "250000", "--from", "2020-01-01", "--to", "2040-01-01",
                 "--where", "team=north", "--by", "kim", "--currency", "KWD")  # fmt: skip
    target = first.split(":")[0]
    assert "sales_volume of everybody, north, 2020-01-01 to 2040-01-01: 250,000.000 KWD" in first
    moved = said(leadflow, "targets", "set", "sales_volume", "300000", "--from", "2020-01-01", "--to", "2040-01-01",
                 "--where", "team=north", "--currency", "KWD")  # fmt: skip
    assert moved.startswith(target)
    assert "changed 1 times" in moved
    history = json.loads(said(leadflow, "targets", "show", target))["history"]
    assert [one["value"] for one in history] == ["250000", "300000"]
    assert history[0]["set_by"] == "kim"
    file = tmp_path / "targets.csv"
    file.write_text("kpi,value,period,owner\nleads_created,40,2031-Q1,ali\n", encoding="utf-8")
    assert "1 targets, of which 1 are new" in said(leadflow, "targets", "import", str(file))
    listed = json.loads(said(leadflow, "targets", "list", "--format", "json"))
    assert {(one["kpi"], one["cut"].get("owner")) for one in listed} >= {
        ("leads_created", "ali"),
        ("sales_volume", None),
    }
    assert "300,000.000 KWD" in re.sub(r"\s+", " ", said(leadflow, "targets", "standing"))
    assert "no targets of this day" in said(leadflow, "targets", "standing", "--on", "1999-01-01")
    refused = said(leadflow, "targets", "set", "sales_volume", "1", "--period", "soon", code=2)
    assert "no period of this name" in refused
    assert "1 withdrawn, 0 refused" in said(leadflow, "targets", "withdraw", target)
    assert "no target of this id" in leadflow.cli("targets", "withdraw", "0" * 32).stdout


def test_what_is_known_now_is_frozen_listed_and_shown(leadflow: RunningServices) -> None:
    taken = said(leadflow, "frozen", "take", "--by", "kim")
    frozen = taken.split(":")[0]
    assert "forecast of everybody as of 20" in taken
    listed = json.loads(said(leadflow, "frozen", "list", "--name", "forecast", "--format", "json"))
    assert [(one["frozen_id"], one["taken_by"], one["status"]) for one in listed] == [(frozen, "kim", "taken")]
    assert json.loads(said(leadflow, "frozen", "show", frozen))["content"]["forecasts"]
    assert "Nothing was missed" in said(leadflow, "frozen", "list", "--missed")
    assert "Nothing of this name is frozen" in said(leadflow, "frozen", "take", "weather", code=2)
