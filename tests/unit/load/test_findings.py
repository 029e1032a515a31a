"""The table and the file of a measurement."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.load.findings import Finding, Findings, number, table, written_into

POSTS = Finding("posts", "one lead", 400.0, "requests/s", 500.0, "bare", target=0.8)
WAITS = Finding("waits", "visible", 1.5, "s", target=1.0, of_ratio=False, less_is_better=True, detail={"probes": 120})


def test_a_target_is_of_the_ratio_or_of_the_value_itself() -> None:
    assert POSTS.ratio == 0.8
    assert POSTS.reached is True
    assert WAITS.ratio is None
    assert WAITS.reached is False
    assert Finding("p", "w", 1.0, "s").reached is None


def test_less_can_be_better_than_a_reference_too() -> None:
    slower = Finding("kpis", "p95", 30.0, "ms", 20.0, "small", target=1.5, less_is_better=True)
    assert slower.reached is True
    assert Finding("kpis", "p95", 31.0, "ms", 20.0, "small", target=1.5, less_is_better=True).reached is False


def test_the_table_has_ratios_first_and_says_what_was_not_reached() -> None:
    head, rule, first, second = table([POSTS, WAITS])
    assert head.startswith("| ratio")
    assert set(rule) <= set("|- ")
    assert [cell.strip() for cell in first.strip("|").split("|")][:6] == [
        "0.80 ×", "one lead", "400 requests/s", "500 bare", "≥ 0.80 ×", "yes",
    ]  # fmt: skip
    assert "**no**" in second
    assert "≤ 1 s" in second
    assert "probes 120" in second
    assert len({line.count("|") for line in (head, rule, first, second)}) == 1


@pytest.mark.parametrize(
    ("value", "shown"), [(12345.6, "12,346"), (3.0, "3"), (12.34, "12.3"), (0.123, "0.12"), (-250.5, "-250")]
)
def test_numbers_have_as_many_digits_as_they_are_worth(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_finished_part_is_kept_and_a_resumed_run_has_it(tmp_path: Path) -> None:
    path = tmp_path / "made" / "bench.json"
    Findings(path, {"machine": "two cores", "run": "first"}).add("posts", [POSTS])
    resumed = Findings.resumed(path, {"run": "second"})
    assert resumed.parts == {"posts": [POSTS]}
    assert resumed.about == {"machine": "two cores", "run": "second"}
    resumed.add("waits", [WAITS])
    kept = json.loads(path.read_text())
    assert list(kept["parts"]) == ["posts", "waits"]
    assert kept["parts"]["posts"][0]["ratio"] == 0.8
    assert kept["parts"]["waits"][0]["reached"] is False


def test_a_part_that_was_measured_later_still_stands_in_its_place(tmp_path: Path) -> None:
    findings = Findings(tmp_path / "bench.json", {})
    findings.add("waits", [WAITS])
    findings.add("posts", [POSTS])
    findings.finish(["posts", "waits"], "2 minutes")
    assert list(Findings.resumed(tmp_path / "bench.json", {}).parts) == ["posts", "waits"]
    assert findings.document().startswith("- took: 2 minutes")


def test_without_a_file_a_resumed_run_begins_with_nothing(tmp_path: Path) -> None:
    assert Findings.resumed(tmp_path / "none.json", {}).parts == {}


def test_only_what_stands_between_the_markers_is_written_anew() -> None:
    document = "before\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nafter\n"
    assert written_into(document, "new") == document.replace("old", "new")
    with pytest.raises(ValueError, match="the document has no lines"):
        written_into("no markers", "new")
    with pytest.raises(ValueError, match="profile"):
        written_into(document, "new", "profile")


def test_the_page_on_performance_has_both_places() -> None:
    page = Path("docs/performance.md").read_text(encoding="utf-8")
    assert "measured" in written_into(page, "measured", "bench")
    assert "measured" in written_into(page, "measured", "profile")
