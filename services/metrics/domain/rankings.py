"""How well scores told, when leads came in, which of them would become opportunities."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from services.metrics.domain.answers import TOTAL, Group, Values
from services.metrics.domain.questions import Question
from shared.contracts.ranking import Ended, auc, lift

DECILES = 10
PERMILLE = 1000


@dataclass(frozen=True, slots=True)
class RankedCell:
    """Leads of one group that were told the same score, and about the same probability: in thousandths, None where no model
    spoke. Where scores and probabilities are known apart, a cell without a score tells of probabilities only. `leads` are those old enough, `followed` those of them that got the outcome, `young` the others."""

    group: Group | None
    score: int | None
    permille: int | None = None
    leads: int = 0
    followed: int = 0
    young: int = 0
    probabilities: float = 0.0
    squares: float = 0.0
    of_followed: float = 0.0


def from_ranked(question: Question, cells: Iterable[RankedCell]) -> dict[Group | None, Values]:
    """The values of every group."""
    by_group: dict[Group | None, list[RankedCell]] = defaultdict(list)
    by_group[TOTAL] = []
    for cell in cells:
        by_group[cell.group].append(cell)
    return {group: _values(question, found) for group, found in by_group.items()}


def _values(question: Question, cells: Sequence[RankedCell]) -> Values:
    scores: dict[float, Ended] = {}
    scored = [cell for cell in cells if cell.score is not None]
    for cell in scored:
        _count(scores, cell.score or 0, cell)
    leads, followed = _sums(scored)
    everybody = leads + sum(cell.young for cell in scored)
    return {
        "value": auc(scores),
        "numerator": followed,
        "denominator": leads,
        "n": leads,
        "lift": lift(scores),
        "probability": _probability([cell for cell in cells if cell.permille is not None and cell.leads]),
        "maturity": leads / everybody if everybody else None,
        "horizon_days": question.horizon_days,
    }


def _probability(cells: Sequence[RankedCell]) -> dict[str, Any] | None:
    if not cells:
        return None
    ended: dict[float, Ended] = {}
    for cell in cells:
        _count(ended, (cell.permille or 0) / PERMILLE, cell)
    leads, followed = _sums(cells)
    distance = sum(cell.squares - 2 * cell.of_followed + cell.followed for cell in cells)
    return {
        "n": leads,
        "numerator": followed,
        "auc": auc(ended),
        "lift": lift(ended),
        "brier": distance / leads,
        "deciles": _deciles(cells, leads),
    }


def _deciles(cells: Sequence[RankedCell], leads: int) -> list[dict[str, float]]:
    """Tenths of the leads, those told the highest probabilities first: what was expected on average, and what came. Those who
    were told the same are shared out evenly between the tenths they fall into."""
    sums: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for cell in cells:
        for place, number in enumerate((cell.leads, cell.probabilities, cell.followed)):
            sums[cell.permille or 0][place] += number
    size = leads / DECILES
    deciles = [[0.0, 0.0] for _ in range(DECILES)]
    at, room = 0, size
    for permille in sorted(sums, reverse=True):
        left, expected, followed = sums[permille]
        mean, rate = expected / left, followed / left
        while left > 1e-9 and at < DECILES:
            taken = min(left, room)
            deciles[at][0] += taken * mean
            deciles[at][1] += taken * rate
            left -= taken
            room -= taken
            if room <= 1e-9:
                at, room = at + 1, size
    return [{"leads": size, "expected": expected / size, "observed": came / size} for expected, came in deciles]


def _count(ended: dict[float, Ended], number: float, cell: RankedCell) -> None:
    before = ended.get(number, Ended(0, 0))
    if cell.leads:
        ended[number] = Ended(before.leads + cell.leads, before.followed + cell.followed)


def _sums(cells: Sequence[RankedCell]) -> tuple[int, int]:
    return sum(cell.leads for cell in cells), sum(cell.followed for cell in cells)
