"""An order whose lines stand on several rows of a file is one order, with a line of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tabular import together as one_thing
from shared.tabular.converting import converter
from shared.tabular.errors import Unreadable
from shared.tabular.mapping import MappedEvent
from shared.tabular.mapping_file import parse_mapping
from shared.tabular.plain import Shape
from shared.tabular.source import Position, Row, SourceFile
from shared.tabular.together import together

MAPPING = """
together: invoice
events:
  - when: {customer: {present: true}}
    event: order_placed
    external_id: customer
    order_id: invoice
    occurred_at: day
    lines: {product: article, quantity: {column: quantity, default: "1"}, unit_price: {column: price, decimal: ","}}
"""
FILE = """invoice;customer;day;article;quantity;price
1;ada;2026-01-01;lamp;2;1.000,50
1;ada;2026-01-01;bulb;;0,85
2;;2026-01-02;lamp;1;9,00
3;bob;2026-01-03;lamp;1;9,00
1;ada;2026-01-01;late;1;1,00
;eve;2026-01-04;lamp;1;7,00
;eve;2026-01-04;lamp;1;8,00
"""


def made(folder: Path, text: str = FILE) -> list[tuple[Row, list[MappedEvent]]]:
    path = folder / "orders.csv"
    path.write_text(text)
    mapping = parse_mapping(MAPPING, "history", called="mapping")
    with SourceFile(path) as source:
        convert = converter(source, Shape("history"), mapping, called="mapping")
        return [(row, convert(row)) for row in together(source.rows(), "invoice")]


def lines(event: MappedEvent) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = event.document["lines"]
    return found


def test_rows_that_follow_each_other_are_one_order_with_a_line_of_each(tmp_path: Path) -> None:
    (first, (order,)), (_, without_customer), (_, (bob,)), (late, _), (eve, _), (again, _) = made(tmp_path)
    assert lines(order) == [
        {"product": "lamp", "quantity": "2", "unit_price": "1000.50"},
        {"product": "bulb", "quantity": "1", "unit_price": "0.85"},
    ]
    assert [row.line for row in first.all] == [2, 3]
    assert (without_customer, lines(bob)) == ([], [{"product": "lamp", "quantity": "1", "unit_price": "9.00"}])
    assert late.line == 6, "one that does not follow is an order of its own, which pipeline will refuse"
    assert (eve.more, again.more) == ((), ()), "what names no order is not one with its neighbour"


def test_what_is_wrong_with_a_line_is_wrong_with_its_order(tmp_path: Path) -> None:
    (_, (order,)), *_ = made(tmp_path, FILE.replace("0,85", "dear"))
    assert order.fault == "unit_price: is no number with ',' as its decimal sign"


@given(st.lists(st.sampled_from(["a", "b", ""]), max_size=30), st.integers(2, 6))
def test_every_row_is_in_one_of_them_and_each_ends_where_its_last_row_ends(cells: list[str], most: int) -> None:
    rows = [
        Row(number, {"id": cell} if cell else {}, Position(number * 10, number)) for number, cell in enumerate(cells)
    ]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(one_thing, "MOST", most)
        found = list(together(rows, "id"))
    assert [one.line for each in found for one in each.all] == [row.line for row in rows]
    assert all(each.after == each.all[-1].after for each in found)
    assert all(len({one.columns.get("id") for one in each.all}) == 1 and len(each.all) <= most for each in found)


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        ("leads", "together: a\nevents: [{email: b}]", "several rows are never one lead"),
        ("history", MAPPING.replace("product: article, ", ""), "`lines` has no product"),
        ("history", MAPPING.replace("unit_price", "prise"), "`prise` is not known in `lines`"),
        ("history", MAPPING.replace('decimal: ","', 'decimal: ";"'), "is no decimal sign"),
    ],
)
def test_a_mapping_that_makes_no_sense_of_lines_is_refused(kind: Any, text: str, problem: str) -> None:
    with pytest.raises(Unreadable, match=problem):
        parse_mapping(text, kind, called="mapping")
