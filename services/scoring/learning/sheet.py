"""What there is to learn from, as columns: which of them are features, and of what kind."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.scoring.domain.model import Cell, as_known_number, as_level

PLACEHOLDERS = frozenset({"select", "n/a", "na", "none", "null", "-", "--", "?", "not specified", "not provided"})
"""What forms and exports write where nothing was answered. A policy names its own."""

Row = Mapping[str, Cell]

NUMBERS_SHARE = 0.99
"""A column is one of numbers when at least so many of its known values are."""

SURELY_NO_IDENTIFIER = 30
"""Below so many rows it is no surprise that all values differ."""


@dataclass(frozen=True, slots=True)
class Column:
    """One feature of every row, in their order: numbers, or levels; None where it is not known."""

    name: str
    numeric: bool
    cells: Sequence[float | str | None]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The features of a set of rows. `left_out` says of each column that is none why it is none."""

    size: int
    columns: tuple[Column, ...]
    placeholders: frozenset[str] = PLACEHOLDERS
    left_out: Mapping[str, str] = field(default_factory=dict)


def sheet(
    rows: Sequence[Row],
    *,
    leave_out: Collection[str] = (),
    placeholders: Collection[str] = PLACEHOLDERS,
    keep: Collection[str] = (),
) -> Sheet:
    """The rows as columns. Left out are those asked for, what never varies, and what names a row instead of describing
    it, unless `keep` names it."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = ((name, [row.get(name) for row in rows]) for name in names)
    return sheet_of(columns, len(rows), leave_out=leave_out, placeholders=placeholders, keep=keep)


def sheet_of(
    given: Iterable[tuple[str, Sequence[Cell]]],
    size: int,
    *,
    leave_out: Collection[str] = (),
    placeholders: Collection[str] = PLACEHOLDERS,
    keep: Collection[str] = (),
) -> Sheet:
    """The same from columns that there are already."""
    empty = frozenset(level for level in (as_level(one) for one in placeholders) if level)
    columns: list[Column] = []
    left_out: dict[str, str] = {}
    for name, cells in given:
        if name in leave_out:
            left_out[name] = "asked for"
            continue
        column = _column(name, cells, empty)
        why = None if name in keep else _no_feature(column)
        if why is None:
            columns.append(column)
        else:
            left_out[name] = why
    return Sheet(size, tuple(columns), empty, left_out)


def _column(name: str, raw: Sequence[Cell], placeholders: frozenset[str]) -> Column:
    levels = [as_level(value, placeholders) for value in raw]
    known = [level for level in levels if level is not None]
    numbers = [as_known_number(value, placeholders) for value in raw]
    spelled = sum(number is not None for number in numbers)
    if known and spelled >= NUMBERS_SHARE * len(known):
        return Column(name, True, numbers)
    return Column(name, False, levels)


def _no_feature(column: Column) -> str | None:
    known = [cell for cell in column.cells if cell is not None]
    distinct = len(set(known))
    if not known:
        return "never known"
    if distinct == 1 and len(known) == len(column.cells):
        return "the same everywhere"
    whole = not column.numeric or all(isinstance(cell, float) and cell.is_integer() for cell in known)
    if distinct == len(known) and whole and len(known) > SURELY_NO_IDENTIFIER:
        return "an identifier: no value is there twice"
    return None
