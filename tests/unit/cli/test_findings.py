"""Findings as people read them."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from shared.cli.findings import print_findings, sentence
from shared.cli.http import CommandFailed
from shared.cli.noticed import named, print_noticed
from tests.unit.cli.fake_service import FakeService


def finding(**more: Any) -> dict[str, Any]:
    side = {"from": "2026-02-01", "to": "2026-03-01", "value": 0.25, "n": 120}
    return {
        "kind": "drop_off", "kpi": "stage_drop_off", "business_unit": "default", "cut": {"stage": "offer"}, "direction": "up",
        "before": {**side, "value": 0.1}, "after": side, "effect": 2.5, "p": 0.001, "q": 0.01, **more,
    }  # fmt: skip


def shown(*findings: dict[str, Any]) -> str:
    out = StringIO()
    document = {
        "as_of": "2026-03-01T00:00:00Z",
        "tests": 12,
        "false_share": 0.05,
        "not_tested": [],
        "findings": findings,
    }
    print_findings(Console(file=out, width=180), document)
    return " ".join(out.getvalue().split())


def test_a_finding_is_a_line_with_its_numbers() -> None:
    assert "– stage_drop_off rose default, offer; 2026-02-01 to 2026-03-01 10.0% 25.0% 120 120 0.01" in shown(finding())


def test_that_there_is_none_is_said_with_how_many_tests_it_took() -> None:
    assert shown() == "Nothing changed that is no chance: 12 tests as of 2026-03-01T00:00:00Z."


def test_what_is_told_of_stays_and_targets_is_in_words() -> None:
    dwell = finding(kind="dwell", kpi="time_in_stage", direction="up", effect=0.5)
    assert sentence(dwell) == "time_in_stage is longer, 0.5 times as many leave at any age"
    assert sentence(finding(kind="pace", kpi="sales_volume", effect=0.62)) == "sales_volume is at 62% of its pace"
    assert sentence(finding(kind="pace", kpi="source_roi", effect=None)) == "source_roi is off its pace"


NOTICED = {
    "id": "cddc2e7d-f4aa-5000-8000-000000000001", "since": "2026-03-01T00:00:00Z", "seen": "2026-03-04T00:00:00Z",
    "severity": "serious", "state": "acknowledged", "by": "kim", "why": "a trade fair", "until": None,
}  # fmt: skip


def test_where_a_finding_stands_is_said_with_who_and_why() -> None:
    line = shown(finding(severity="serious", noticed=NOTICED))
    assert "cddc2e7d" in line
    assert "acknowledged by kim: a trade fair" in line
    out = StringIO()
    print_noticed(Console(file=out, width=180), [{**NOTICED, "finding": finding()}])
    assert "2026-03-01 2026-03-04 acknowledged by kim: a trade fair" in " ".join(out.getvalue().split())


@pytest.mark.parametrize(
    ("which", "found"), [("cddc", NOTICED["id"]), ("CDDC2E", NOTICED["id"]), ("b", None), ("", None)]
)
async def test_a_finding_is_named_by_how_its_id_begins(which: str, found: str | None) -> None:
    items = [NOTICED, {**NOTICED, "id": "dd000000-f4aa-5000-8000-000000000001"}]
    service = FakeService((200, {"items": items, "next": None}))
    async with service.client("metrics") as client:
        if found is not None:
            assert await named(client, which) == found
        else:
            with pytest.raises(CommandFailed, match="an id that begins with"):
                await named(client, which)
