"""What a model has to beat: naive Bayes over the values of each field, as common CRMs score leads, numbers in ten ranges."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from services.scoring.domain.model import Cell, as_level, as_number
from services.scoring.learning.sheet import Column, Row, Sheet

RANGES = 10
SMOOTHING = 0.1


class NaiveBayes:
    """Counts of each value among the won and among the lost, multiplied as if fields knew nothing of each other. That
    nothing is known is a value too, which makes it stronger; one that was never met says nothing."""

    def __init__(self, given: Sheet, labels: Sequence[bool]) -> None:
        self._placeholders = given.placeholders
        self._columns = {column.name: column for column in given.columns}
        self._cuts = {column.name: _cuts(column) for column in given.columns if column.numeric}
        self._won, self._lost = sum(labels), len(labels) - sum(labels)
        self._counts: dict[str, tuple[Counter[object], Counter[object]]] = {}
        for column in given.columns:
            won: Counter[object] = Counter()
            lost: Counter[object] = Counter()
            for cell, label in zip(column.cells, labels, strict=True):
                (won if label else lost)[self._part(column.name, cell)] += 1
            self._counts[column.name] = won, lost

    def probability(self, row: Row) -> float:
        """How likely the outcome is for a row."""
        log_odds = math.log((self._won + SMOOTHING) / (self._lost + SMOOTHING))
        for name, (won, lost) in self._counts.items():
            value = row.get(name)
            level = as_level(value, self._placeholders)
            cell = None if level is None else as_number(level) if self._columns[name].numeric else level
            part = self._part(name, cell)
            if won[part] or lost[part]:
                among_won = (won[part] + SMOOTHING) / (won.total() + SMOOTHING)
                among_lost = (lost[part] + SMOOTHING) / (lost.total() + SMOOTHING)
                log_odds += math.log(among_won / among_lost)
        return 1 / (1 + math.exp(-max(-500.0, min(500.0, log_odds))))

    def _part(self, name: str, cell: Cell) -> object:
        if cell is None or isinstance(cell, str):
            return cell
        return sum(cell >= cut for cut in self._cuts.get(name, ()))


def _cuts(column: Column) -> tuple[float, ...]:
    known = sorted(cell for cell in column.cells if isinstance(cell, float))
    places = (len(known) * part // RANGES for part in range(1, RANGES))
    return tuple(sorted({known[place] for place in places})) if known else ()
