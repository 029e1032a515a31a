"""The table and the file of a measurement."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.load.__main__ import main
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


NOON, ONE, TWO = (datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (12, 13, 14))
ABOUT = {"machine": "two cores"}


def test_a_finished_part_is_kept_with_its_date_and_a_resumed_run_says_how_many_legs_it_has(tmp_path: Path) -> None:
    path = tmp_path / "made" / "bench.json"
    Findings(path, ABOUT, NOON).add("posts", [POSTS], ONE, 90)
    resumed = Findings.resumed(path, ABOUT, ONE)
    assert resumed.parts == {"posts": [POSTS]}
    assert resumed.about == {**ABOUT, "run": "2026-03-01 12:00 UTC", "took": "1.5 minutes"}
    resumed.add("waits", [WAITS], TWO, 60)
    assert "- run: 2026-03-01 12:00 UTC to 2026-03-01 13:00 UTC, in 2 legs\n- took: 2.5 minutes" in resumed.document()
    kept = json.loads(path.read_text())
    assert list(kept["parts"]) == ["posts", "waits"]
    assert [kept["measured"][part]["at"][:16] for part in kept["parts"]] == ["2026-03-01T13:00", "2026-03-01T14:00"]
    assert kept["parts"]["posts"][0]["ratio"] == 0.8
    assert kept["parts"]["waits"][0]["reached"] is False


def test_a_part_that_was_measured_later_still_stands_in_its_place(tmp_path: Path) -> None:
    findings = Findings(tmp_path / "bench.json", {}, NOON)
    findings.add("waits", [WAITS], ONE, 60)
    findings.add("posts", [POSTS], TWO, 60)
    findings.finish(["posts", "waits"])
    assert list(Findings.resumed(tmp_path / "bench.json", {}, TWO).parts) == ["posts", "waits"]
    assert findings.document().startswith("- run: 2026-03-01 12:00 UTC\n- took: 2.0 minutes")


def test_a_resumed_run_takes_nothing_from_another_machine_or_from_a_quick_look(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    Findings(path, {**ABOUT, "sizes": "quick"}, NOON).add("posts", [POSTS], ONE, 1)
    assert Findings.resumed(path, ABOUT, TWO).parts == {}
    assert Findings.resumed(path, {"machine": "four cores", "sizes": "quick"}, TWO).parts == {}
    assert Findings.resumed(path, {**ABOUT, "sizes": "quick"}, TWO).parts == {"posts": [POSTS]}


def test_without_a_file_a_resumed_run_begins_with_nothing(tmp_path: Path) -> None:
    assert Findings.resumed(tmp_path / "none.json", {}, NOON).parts == {}


@pytest.mark.parametrize("part_of_it", [["--quick"], ["--only", "streams"], ["--only", "streams", "--resume"]])
def test_the_page_is_not_written_from_a_part_or_a_look(
    part_of_it: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    monkeypatch.setattr("sys.argv", ["tests.load", *part_of_it, "--write", str(page)])
    monkeypatch.setattr("signal.signal", lambda *_: pytest.fail("it began"))
    assert main() == 2
    assert "goes without QUICK and ONLY" in capsys.readouterr().err
    assert not page.exists()


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
