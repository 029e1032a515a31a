"""Parquet files are read like any other: a row a line, times and amounts as text, lists as lists."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

from shared.tabular.errors import Unreadable
from shared.tabular.looking import beginning_of
from shared.tabular.preparing import needs_preparing, prepare


def table(path: Path, **columns: object) -> Path:
    write_table(pa.table(columns), path)
    return path


def test_a_rows_number_is_its_line_and_its_cells_keep_their_kinds(tmp_path: Path) -> None:
    path = table(
        tmp_path / "leads.parquet",
        id=["a", "b"],
        employees=pa.array([250, None]),
        score=[0.5, float("nan")],
        at=pa.array([1_700_000_000_123_456_789, None], pa.timestamp("ns", "Europe/Amsterdam")),
        local=pa.array([1_700_000_000_000, None], pa.timestamp("ms")),
        day=[date(2024, 2, 29), None],
        amount=[Decimal("12.50"), None],
        lines=[[{"product": "x", "unit_price": Decimal("1.25")}], None],
        country=pa.array(["NL", None]).dictionary_encode(),
        vip=[True, None],
    )
    assert needs_preparing(path)
    with prepare(path, tmp_path / "rows").open() as source:
        assert source.columns[:3] == ("id", "employees", "score")
        first, second = source.rows()
    assert (first.line, second.line, second.columns) == (1, 2, {"id": "b"})
    assert first.columns == {
        "id": "a", "employees": 250, "score": 0.5, "at": "2023-11-14T23:13:20.123456+01:00", "local": "2023-11-14T22:13:20",
        "day": "2024-02-29T00:00:00", "amount": "12.50", "lines": [{"product": "x", "unit_price": "1.25"}], "country": "NL",
        "vip": True,
    }  # fmt: skip


def test_many_rows_keep_their_order(tmp_path: Path) -> None:
    path = table(tmp_path / "many.parquet", number=list(range(2_500)))
    with prepare(path, tmp_path / "rows").open() as source:
        assert [row.columns["number"] for row in source.rows()] == list(range(2_500))


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    path = table(tmp_path / "whole.parquet", name=["Ada"] * 9)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(path.read_bytes()[:-9])
    empty = table(tmp_path / "empty.parquet", name=pa.array([], pa.string()))
    for file, sheet, problem in ((cut, None, "no Parquet file"), (empty, None, "no row"), (path, "x", "no sheets")):
        with pytest.raises(Unreadable, match=problem) as raised:
            prepare(file, tmp_path / "rows", sheet=sheet)
        assert raised.value.fix
    assert beginning_of(path, tmp_path / "beginning") is None
