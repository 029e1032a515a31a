"""From columns to cells: where numbers are cut, which levels stand for themselves, how a source's history is shrunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.scoring.learning.sheet import Column

Codes = NDArray[np.int64]
Labels = NDArray[np.float64]

MOST_CUTS = 63
LEAST_IN_A_CUT = 10
LEAST_OF_A_LEVEL = 5
"""A level of fewer people has no cell of its own: too little to learn from, and perhaps somebody's own words."""

MOST_LEVELS = 40
"""A column of more levels than this is read by its history: how often the outcome followed, shrunk towards the average."""

HISTORY_CELLS = 24
HISTORY_WEIGHT = 20.0
"""The average counts as much as so many rows of a level's own."""

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Grid:
    """How one column becomes cells. The last cell is that of the unknown; for levels the one before is that of the rest.
    `ordered` cells are cut from a scale, so neighbours resemble each other. On the scale of a history the rest stands
    where the average does, at `average`."""

    name: str
    cells: int
    ordered: bool
    edges: tuple[float, ...] = ()
    levels: Mapping[str, int] | None = None
    average: int | None = None

    @property
    def places(self) -> NDArray[np.float64]:
        """Where each cell stands for the learner: its place on the scale or its own number, the unknown nowhere."""
        places = np.arange(self.cells, dtype=np.float64)
        places[-1] = np.nan
        if self.average is not None:
            places[-2] = self.average
        return places

    def codes(self, column: Column) -> Codes:
        """The cell of each value of a column."""
        unknown = self.cells - 1
        if self.levels is None:
            numbers = np.array([np.nan if cell is None else cell for cell in column.cells], dtype=np.float64)
            found = np.searchsorted(np.array(self.edges, dtype=np.float64), numbers, side="right")
            return np.where(np.isnan(numbers), unknown, found).astype(np.int64)
        get, rest = self.levels.get, self.cells - 2
        return np.array([unknown if cell is None else get(str(cell), rest) for cell in column.cells], dtype=np.int64)


def grid(column: Column, labels: Labels, groups: Sequence[int] | None = None) -> Grid:
    """The cells of a column, from the rows to learn from. Rows of one group are about one person."""
    if column.numeric:
        edges = _edges([cell for cell in column.cells if isinstance(cell, float)])
        return Grid(column.name, len(edges) + 2, True, edges)
    persons = range(len(column.cells)) if groups is None else groups
    said = {(str(cell), person) for cell, person in zip(column.cells, persons, strict=True) if cell is not None}
    counts = Counter(level for level, _ in said)
    frequent = sorted(level for level, count in counts.items() if count >= LEAST_OF_A_LEVEL)
    if len(frequent) <= MOST_LEVELS:
        return Grid(column.name, len(frequent) + 2, False, levels={level: cell for cell, level in enumerate(frequent)})
    return _by_history(column, labels, frequent)


def learning_codes(column: Column, labels: Labels, cut: Grid, fold: Codes) -> Codes:
    """The cells to learn from. A level that is read by its history must not know its own rows' outcome: each fold's cells
    come from the history in the other folds."""
    if cut.levels is None or not cut.ordered:
        return cut.codes(column)
    codes = np.empty(len(column.cells), dtype=np.int64)
    rates = history(column, labels)
    cuts = _edges(list(rates.values()), HISTORY_CELLS - 1, least=1)
    for number in range(FOLDS):
        inside = fold == number
        others = Column(column.name, False, [cell for cell, own in zip(column.cells, inside, strict=True) if not own])
        seen = history(others, labels[~inside])
        placed = {level: int(np.searchsorted(cuts, rate, side="right")) for level, rate in seen.items()}
        placed = {level: cell for level, cell in placed.items() if level in cut.levels}
        mine = Column(column.name, False, [cell for cell, own in zip(column.cells, inside, strict=True) if own])
        codes[inside] = Grid(column.name, cut.cells, True, levels=placed).codes(mine)
    return codes


def history(column: Column, labels: Labels) -> dict[str, float]:
    """How often the outcome followed each level, shrunk towards the average the more the less is known of it."""
    average = float(labels.mean()) if len(labels) else 0.0
    count: Counter[str] = Counter()
    won: dict[str, float] = {}
    for cell, label in zip(column.cells, labels, strict=True):
        if cell is not None:
            count[str(cell)] += 1
            won[str(cell)] = won.get(str(cell), 0.0) + float(label)
    return {level: (won[level] + HISTORY_WEIGHT * average) / (seen + HISTORY_WEIGHT) for level, seen in count.items()}


def _by_history(column: Column, labels: Labels, frequent: Sequence[str]) -> Grid:
    rates = history(column, labels)
    cuts = _edges(list(rates.values()), HISTORY_CELLS - 1, least=1)
    levels = {level: int(np.searchsorted(cuts, rates[level], side="right")) for level in frequent}
    average = int(np.searchsorted(cuts, float(labels.mean()), side="right"))
    return Grid(column.name, len(cuts) + 3, True, levels=levels, average=average)


def _edges(numbers: Sequence[float], most: int = MOST_CUTS, least: int = LEAST_IN_A_CUT) -> tuple[float, ...]:
    """Cuts between neighbouring values, so that about as many rows lie between any two."""
    if not numbers:
        return ()
    values, counts = np.unique(np.array(numbers, dtype=np.float64), return_counts=True)
    wanted = max(len(numbers) / (most + 1), float(least))
    edges: list[float] = []
    filled = 0.0
    left = float(len(numbers))
    for low, high, count in zip(values[:-1], values[1:], counts[:-1], strict=True):
        filled += count
        left -= count
        if filled >= wanted and left >= least:
            middle = float(low + (high - low) / 2)
            edges.append(middle if low < middle < high else float(high))
            filled = 0.0
    return tuple(edges)
