"""A policy is checked without asking anybody, and a dry run is told as a person reads it."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from shared.cli.main import command_line
from shared.cli.policies import shown

COUNTS = {
    "leads": 10, "before": 4, "after": 5, "newly": 2, "no_longer": 1, "confirm_before": 0, "confirm_after": 3,
    "converted": 3, "converted_before": 2, "converted_after": 1, "won": 1, "won_before": 1, "won_after": 0,
}  # fmt: skip


def test_a_policy_is_checked_with_the_line_of_each_fault(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text('version: "8"\ndefaults:\n  qualification: {when: scor > 3}\nbusiness_units: {north: {}}\n')
    refused = CliRunner().invoke(command_line("policy"), ["policy", "check", str(path)])
    assert refused.exit_code == 1
    assert f"{path}:3: defaults.qualification.when: " in refused.output.replace("\n", "")
    assert "did you mean score?" in refused.output.replace("\n", "")
    path.write_text('version: "8"\nbusiness_units: {north: {}}\n')
    fine = CliRunner().invoke(command_line("policy"), ["policy", "check", str(path)])
    assert (fine.exit_code, "version 8 with north" in fine.output) == (0, True)


def test_a_dry_run_says_who_changes_and_what_became_of_them() -> None:
    met = {"at": "2026-03-02T09:00:00+00:00", "reason": "score 90", "confirm": True}
    result = {
        "total": COUNTS,
        **{f"by_{name}": {"a": COUNTS} for name in ("unit", "product", "grade")},
        "changes": [{"lead_id": "x", "before": None, "after": met}],
    }
    told = list(shown({"version": "9", "result": result}))
    assert "4 qualify now, 5 then; 2 newly, 1 no longer. Somebody is asked about 0 now, 3 then." in str(told[0])
    assert "50.0% of those that qualify now, 20.0% of those that would then" in str(told[1])
    assert told[2] == "x: no → to be confirmed (score 90)"
