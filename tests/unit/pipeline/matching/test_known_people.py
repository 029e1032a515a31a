"""Measured on sets of which it is known who is who: what docs/matching.md quotes."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.pipeline.matching.evaluation import evaluate, joined, read_people, together

SETS = Path(__file__).parents[4].parent / "shared" / "data" / "febrl_dedupe"


@pytest.mark.parametrize("name", ["dataset1.csv", "dataset2.csv"])
@pytest.mark.timeout(60)
def test_pairs_are_found_with_precision_of_99_and_recall_of_95_in_a_hundred(name: str) -> None:
    if not (SETS / name).is_file():
        pytest.skip(f"needs {name} of febrl_dedupe beside the project, in ../shared/data")
    found = evaluate(*read_people(SETS / name))
    for one in (found.review, found.joined):
        assert one.precision >= 0.99
        assert one.recall >= 0.95
    assert found.merged.precision >= 0.999
    assert found.reduction > 0.99
    assert found.seconds < 30


def test_joining_is_what_pairs_come_to() -> None:
    assert joined(5, [(0, 1), (1, 2)]) == {(0, 1), (0, 2), (1, 2)}
    assert together("abab") == {(0, 2), (1, 3)}


def test_a_file_says_who_is_who_by_a_column(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        "who,name,email\n1,Jane Doering,jane.doering@a.example\n1,J. Doering,janedoering@b.example\n2,Li Wu,\n"
    )
    found = evaluate(*read_people(file, "who"), review_from=0.1)
    assert (found.records, found.true_pairs, found.review.pairs) == (3, 1, 1)


def test_a_file_without_it_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("name\nJane\n")
    with pytest.raises(ValueError, match="name the one that says who is who with --entity"):
        read_people(file)
    file.write_text("rec_id\nrec-1\n")
    with pytest.raises(ValueError, match="name a column with --entity"):
        read_people(file)
