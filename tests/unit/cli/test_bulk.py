"""What `leadflow bulk` reads of whom it is to mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.cli.bulk import pairs, read
from shared.cli.http import CommandFailed


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("lead_id\n1\n2\n", {"lead_ids": ["1", "2"]}),
        ("\ufeffname,External_ID\nAnn,17\nBo,\n\nCy,18\n", {"external_ids": ["17", "18"]}),
        ("1\n\n2", {"lead_ids": ["1", "2"]}),
    ],
)
def test_ids_are_read_from_their_column_or_a_line_each(tmp_path: Path, text: str, ids: dict[str, list[str]]) -> None:
    file = tmp_path / "ids.csv"
    file.write_text(text, encoding="utf-8")
    assert read(file) == ids


@pytest.mark.parametrize("text", ["", "\n", "name,company\nAnn,Acme\n"])
def test_a_file_without_ids_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ids.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CommandFailed):
        read(file)


def test_what_is_said_is_said_in_pairs() -> None:
    assert pairs(["owner=kim", "team = north"], "--say") == {"owner": "kim", "team": "north"}
    with pytest.raises(CommandFailed, match="is no name=value"):
        pairs(["owner"], "--say")
