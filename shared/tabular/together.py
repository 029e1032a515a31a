"""Rows that are one thing together, such as the lines of an order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from shared.tabular.source import Row

MOST = 5_000
"""Rows of one thing: whoever has more of them in a row did not mean that."""


def together(rows: Iterable[Row], column: str) -> Iterator[Row]:
    """The rows with those that follow each other with the same cell in a column as one, `more` being all but the first."""
    held: list[Row] = []
    for row in rows:
        if held and not (_same(held[0], row, column) and len(held) < MOST):
            yield _one(held)
            held = []
        held.append(row)
    if held:
        yield _one(held)


def _same(first: Row, row: Row, column: str) -> bool:
    return first.fault is None and row.fault is None and first.columns.get(column, "") == row.columns.get(column) != ""


def _one(held: list[Row]) -> Row:
    return replace(held[0], more=tuple(held[1:]), after=held[-1].after)
