"""Findings as people read them."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from shared.cli.findings import print_findings, sentence


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
    assert "stage_drop_off rose default, offer; 2026-02-01 to 2026-03-01 10.0% 25.0% 120 120 0.01" in shown(finding())


def test_that_there_is_none_is_said_with_how_many_tests_it_took() -> None:
    assert shown() == "Nothing changed that is no chance: 12 tests as of 2026-03-01T00:00:00Z."


def test_what_is_told_of_stays_and_targets_is_in_words() -> None:
    dwell = finding(kind="dwell", kpi="time_in_stage", direction="up", effect=0.5)
    assert sentence(dwell) == "time_in_stage is longer, 0.5 times as many leave at any age"
    assert sentence(finding(kind="pace", kpi="sales_volume", effect=0.62)) == "sales_volume is at 62% of its pace"
