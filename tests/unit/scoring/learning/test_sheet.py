"""What is a feature, of which kind, and what is none."""

from __future__ import annotations

from services.scoring.domain.model import Cell
from services.scoring.learning.sheet import sheet


def rows(**columns: list[Cell]) -> list[dict[str, Cell]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def test_numbers_are_numbers_also_where_they_are_written_as_text_and_partly_missing() -> None:
    found = sheet(rows(visits=["3", "", "7.5", "Select"], source=["Google", "google ", "Bing", ""]))
    visits, source = found.columns
    assert (visits.numeric, list(visits.cells)) == (True, [3.0, None, 7.5, None])
    assert (source.numeric, list(source.cells)) == (False, ["google", "google", "bing", None])


def test_identifiers_constants_and_what_nobody_filled_in_are_no_features() -> None:
    count = 40
    found = sheet(
        rows(
            number=[str(660_000 + index) for index in range(count)],
            uuid=[f"lead-{index}" for index in range(count)],
            weight=[index / 7 for index in range(count)],
            agreed=["No"] * count,
            empty=["n/a"] * count,
            known_or_not=[None, "yes"] * (count // 2),
            channel=["web", "phone"] * (count // 2),
        )
    )
    assert [column.name for column in found.columns] == ["weight", "known_or_not", "channel"]
    assert found.left_out == {
        "number": "an identifier: no value is there twice",
        "uuid": "an identifier: no value is there twice",
        "agreed": "the same everywhere",
        "empty": "never known",
    }


def test_what_a_person_names_is_kept_or_left_out_all_the_same() -> None:
    given = rows(number=[str(index) for index in range(40)], channel=["web", "phone"] * 20)
    found = sheet(given, keep=["number"], leave_out=["channel"])
    assert [column.name for column in found.columns] == ["number"]
    assert found.left_out == {"channel": "asked for"}


def test_a_policys_own_placeholders_take_the_place_of_the_usual_ones() -> None:
    [answer] = sheet(rows(answer=["Kies", "n/a", "ja", "ja"]), placeholders=["kies"]).columns
    assert list(answer.cells) == [None, "n/a", "ja", "ja"]
