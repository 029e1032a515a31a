"""An additive model: each feature has a table of log-odds, some pairs of features have one together, and their sum is the
log-odds of the outcome.

Log-odds are whole numbers of a ten-thousandth, so that sums are exact and the same on every machine and in every order.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.scoring.domain.model.values import Cell, as_known_number, as_level

UNITS_PER_LOG_ODD = 10_000

PROBABILITY_DIGITS = 6

FARTHEST = 30 * UNITS_PER_LOG_ODD
"""Beyond it a probability is 0 or 1 in every digit that is told."""


@dataclass(frozen=True, slots=True)
class Table:
    """One feature: which cell of its table a value falls into, and what each cell adds.

    A number falls between two `edges`, a category into the cell of its level, or into that of the levels too rare to have
    one. The last cell is that of what is not known.
    """

    name: str
    units: tuple[int, ...]
    edges: tuple[float, ...] = ()
    levels: Mapping[str, int] | None = None

    @property
    def unknown(self) -> int:
        """The cell of a value that is not known."""
        return len(self.units) - 1

    def cell(self, value: Cell, placeholders: frozenset[str]) -> int:
        """The cell that a value falls into."""
        if value is None:
            return len(self.units) - 1
        if self.levels is None:
            number = as_known_number(value, placeholders)
            return len(self.units) - 1 if number is None else bisect_right(self.edges, number)
        level = as_level(value, placeholders)
        return len(self.units) - 1 if level is None else self.levels.get(level, len(self.units) - 2)


class Pair(NamedTuple):
    """What two features add together, beyond what each adds alone. `units` has a row for each cell of the first."""

    first: int
    second: int
    units: tuple[tuple[int, ...], ...]


class Verdict(NamedTuple):
    """What the model says of one lead. `units` of the features, with those of the model's base, sum to `total`."""

    probability: float
    total: int
    cells: tuple[int, ...]
    units: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AdditiveModel:
    """The tables together. `base` is what they start from: the log-odds of the average lead."""

    base: int
    tables: tuple[Table, ...]
    pairs: tuple[Pair, ...] = ()
    placeholders: frozenset[str] = frozenset()

    def judge(self, lead: Mapping[str, Cell]) -> Verdict:
        """How likely the outcome is for a lead with these values, and what each feature has to do with it. What two
        features add together is shared out between them, half to each."""
        placeholders = self.placeholders
        get = lead.get
        return self.verdict([table.cell(get(table.name), placeholders) for table in self.tables])

    def verdict(self, cells: Sequence[int]) -> Verdict:
        """The same of the cells that a lead's values fall into."""
        units = [table.units[cell] for table, cell in zip(self.tables, cells, strict=True)]
        for first, second, rows in self.pairs:
            together = rows[cells[first]][cells[second]]
            half = together >> 1
            units[first] += half
            units[second] += together - half
        total = self.base + sum(units)
        return Verdict(probability(total), total, tuple(cells), tuple(units))


def probability(units: int) -> float:
    """The probability that has these log-odds."""
    held = max(-FARTHEST, min(FARTHEST, units))
    return round(1.0 / (1.0 + math.exp(-held / UNITS_PER_LOG_ODD)), PROBABILITY_DIGITS)
