"""What stands in another file is looked up there, by the column that the two have in common."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

from shared.tabular.errors import Unreadable
from shared.tabular.mapping import MappedEvent
from shared.tabular.mapping_file import parse_mapping, read_mapping
from shared.tabular.plain import Shape

MAPPING = """
- event: won
  external_id: id
  occurred_at: at
  owner: {column: rep, table: {file: owners.csv, key: owner id, value: name}, default: keep}
"""


def won_by(folder: Path, rep: str, mapping: str = MAPPING) -> MappedEvent:
    (folder / "map.yaml").write_text(mapping)
    rules = read_mapping(folder / "map.yaml", "history")
    (made,) = rules.events({"id": "1", "at": "2026-01-01", "rep": rep}, Shape("history"), rules.columns)
    return made


def test_a_cell_means_what_the_other_file_says_of_it(tmp_path: Path) -> None:
    text = "owner id;team;name\n7;North;דנה כהן\n8;;\n7;South;דנה כהן\n"
    (tmp_path / "owners.csv").write_bytes(text.encode("utf-16"))
    assert won_by(tmp_path, "7").document["owner"] == "דנה כהן"
    assert won_by(tmp_path, "8").document["owner"] == "8", "it says nothing of that one"
    assert "is not in the mapping's values" in str(won_by(tmp_path, "8", MAPPING.replace(", default: keep", "")).fault)
    write_table(pa.table({"id": [7], "name": ["Dana"]}), tmp_path / "owners.parquet")
    elsewhere = MAPPING.replace("owners.csv, key: owner id", "owners.parquet, key: id")
    assert won_by(tmp_path, "7", elsewhere).document["owner"] == "Dana"


@pytest.mark.parametrize(
    ("owners", "mapping", "problem"),
    [
        ("id,name\n7,a\n", MAPPING, "line 5: owners.csv has no column 'owner id'"),
        ("owner id,name\n7,a\n7,b\n", MAPPING, "owners.csv, line 3 says another 'name'"),
        ("owner id,name\n7,a,b\n", MAPPING, "owners.csv, line 2: the line has 3 fields"),
        (None, MAPPING, "owners.csv cannot be read"),
        ("owner id,name\n", MAPPING.replace(", value: name", ""), "`table` has no value"),
        ("owner id,name\n", MAPPING.replace("default: keep", "values: {1: a}"), "both values and a table"),
    ],
)
def test_a_table_that_says_nothing_certain_is_named_with_its_line(
    tmp_path: Path, owners: str | None, mapping: str, problem: str
) -> None:
    if owners is not None:
        (tmp_path / "owners.csv").write_text(owners)
    with pytest.raises(Unreadable) as raised:
        won_by(tmp_path, "7", mapping)
    assert problem in raised.value.detail
    assert raised.value.fix


def test_a_mapping_that_is_sent_opens_no_file_of_whoever_takes_it() -> None:
    with pytest.raises(Unreadable, match="reads no files"):
        parse_mapping("- {name: {column: a, table: {file: /etc/passwd, key: a, value: b}}}", "leads", called="mapping")
