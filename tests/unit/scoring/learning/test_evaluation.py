"""An evaluation judges rows that were not learned from, and says beside what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.scoring.domain.model import Cell
from services.scoring.learning import __main__ as command
from services.scoring.learning.boosting import Recipe
from services.scoring.learning.evaluation import NoOutcomes, Options, evaluate, learn, outcomes
from services.scoring.learning.files import UnreadableFile, read_rows
from services.scoring.learning.times import NoMoments, moments
from tests.unit.scoring.learning.worlds import world

QUICK = Recipe(rate=0.2, most_rounds=40, models=1)


def a_file(size: int, seed: int = 1) -> list[dict[str, Cell]]:
    rows, labels = world(size, seed)
    return [{**row, "won": "yes" if label else "no"} for row, label in zip(rows, labels, strict=True)]


def test_every_row_is_judged_once_a_seed_beside_naive_bayes() -> None:
    found = evaluate(a_file(500), "won", Options(folds=2, seeds=2, recipe=QUICK))
    assert [one.leads for one in found.model] == [500, 500] == [one.leads for one in found.naive_bayes]
    mean = found.mean("model", "auc")
    assert mean is not None
    assert 0.65 < mean < 0.9
    assert found.left_out == {"won": "asked for"}


def test_an_outcome_hidden_in_a_feature_is_not_found_in_rows_that_were_not_learned_from() -> None:
    rows = a_file(400)
    for index, row in enumerate(rows):
        row["partner"] = f"only {index // 2}"
    found = evaluate(
        rows, "won", Options(folds=4, seeds=1, leave_out=["channel", "visits", "budget", "decides"], recipe=QUICK)
    )
    assert 0.38 < (found.mean("model", "auc") or 0.0) < 0.62


def test_time_order_learns_from_earlier_rows_only() -> None:
    rows = a_file(500)
    for index, row in enumerate(rows):
        row["when"] = f"2026-01-{1 + index // 20:02d}"
    found = evaluate(rows, "won", Options(time="when", recipe=QUICK))
    assert found.how == "learned from the 340 earlier rows by when, judged on the 160 later"
    assert [one.leads for one in found.model] == [160]
    assert "when" not in found.features


def test_another_file_is_judged_and_not_learned_from() -> None:
    found = evaluate(a_file(500), "won", Options(recipe=QUICK), test=a_file(300, seed=2))
    assert [one.leads for one in found.model] == [300]


def test_a_model_is_learned_in_one_call() -> None:
    rows = a_file(500)
    model = learn(rows, "won", Options(recipe=QUICK))
    best: dict[str, Cell] = {"channel": "Referral", "visits": 11, "budget": True, "decides": True}
    worst: dict[str, Cell] = {"channel": "chat", "visits": 0, "budget": False, "decides": True}
    assert model.judge(best).probability > model.judge(worst).probability


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["1", "0", "maybe"], "'maybe'"),
        (["1", "1"], "the same in every row"),
        ([], "no column"),
    ],
)
def test_an_outcome_that_says_nothing_is_refused(values: list[str], why: str) -> None:
    with pytest.raises(NoOutcomes, match=why):
        outcomes([{"won": value} for value in values], "won")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["Feb", "Mar", "June", "Dec"], [1, 2, 5, 11]),
        (["2024", "2023.5"], [2024, 2023.5]),
        (["1970-01-01", "1970-01-01T00:01:00+00:00"], [0, 60]),
    ],
)
def test_moments_are_read_as_they_are_written(values: list[str], expected: list[float]) -> None:
    assert moments(values, "when") == expected


def test_what_says_no_moment_is_named() -> None:
    with pytest.raises(NoMoments, match="'when' does not say when"):
        moments(["2026-01-01", "yesterday"], "when")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("a,b\n", "no rows"),
        ("a,a\n1,2\n", "two columns named 'a'"),
        ("a,b\n1,2,3\n", "line 2: 3 values where the header names 2"),
        ("a,b\n1\n", "line 2: 1 values where the header names 2"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_line(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "leads.csv"
    path.write_text(text)
    with pytest.raises(UnreadableFile, match=why):
        read_rows(path)


def test_the_command_prints_what_the_function_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = a_file(250)
    path = tmp_path / "leads.csv"
    path.write_text(
        "\n".join(
            [";".join(rows[0]), *(";".join("" if cell is None else str(cell) for cell in row.values()) for row in rows)]
        )
    )
    asked = [
        "evaluate",
        str(path),
        "--outcome",
        "won",
        "--folds",
        "2",
        "--seeds",
        "1",
        "--leave-out",
        "noise",
        "--json",
    ]
    monkeypatch.setattr("sys.argv", ["learning", *asked])
    command.main()
    found = json.loads(capsys.readouterr().out)
    assert found["left_out"]["noise"] == "asked for"
    assert found["by_seed"]["model"][0]["leads"] == 250
    monkeypatch.setattr("sys.argv", ["learning", *asked[:-1]])
    command.main()
    assert "lift of the top decile" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["learning", "evaluate", str(path), "--outcome", "lost"])
    with pytest.raises(SystemExit, match="There is no column 'lost'"):
        command.main()


def _written(rows: list[dict[str, Cell]], path: Path) -> Path:
    lines = [",".join("" if cell is None else str(cell) for cell in row.values()) for row in rows]
    path.write_text("\n".join([",".join(rows[0]), *lines]))
    return path


def test_a_mapping_says_what_columns_are_and_rows_without_an_outcome_are_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.scoring.learning.evaluation.Recipe", lambda: QUICK)
    monkeypatch.setattr("services.scoring.learning.training.Recipe", lambda: QUICK)
    rows = a_file(300)
    others = [{name: value for name, value in row.items() if name != "won"} for row in a_file(20, seed=2)]
    mapping = tmp_path / "columns.yaml"
    mapping.write_text("outcome: won\nleave_out: [noise, not there]\n")
    scores = tmp_path / "scores.csv"
    file, test = _written(rows, tmp_path / "leads.csv"), _written(others, tmp_path / "others.csv")
    asked = ["learning", "evaluate", str(file), f"--mapping={mapping}", f"--test={test}", f"--scores={scores}"]
    monkeypatch.setattr("sys.argv", asked)
    command.main()
    header, *said = scores.read_text().splitlines()
    assert header == "row,probability"
    assert [line.split(",")[0] for line in said] == [str(number) for number in range(1, 21)]
    assert all(0 < float(line.split(",")[1]) < 1 for line in said)


def test_a_mapping_with_a_slip_is_refused_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mapping = tmp_path / "columns.yaml"
    mapping.write_text("outcome: won\nleaveout: [noise]\n")
    file = _written(a_file(30), tmp_path / "leads.csv")
    monkeypatch.setattr("sys.argv", ["learning", "evaluate", str(file), f"--mapping={mapping}"])
    with pytest.raises(SystemExit, match=r"columns.yaml:2: leaveout"):
        command.main()


def test_what_foretells_the_outcome_too_well_is_named() -> None:
    rows = [{**row, "tag": "hot" if row["won"] == "yes" else "cold"} for row in a_file(300)]
    found = evaluate(rows, "won", Options(folds=2, seeds=1, recipe=QUICK))
    assert list(found.suspicious) == ["tag"]
