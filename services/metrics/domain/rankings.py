"""How well scores told, when leads came in, which of them would become opportunities."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.metrics.domain.answers import TOTAL, Group, Values
from services.metrics.domain.questions import Question
from services.metrics.domain.sketches import PERMILLE, SCORE
from shared.contracts.ranking import Ended, auc, lift

DECILES = 10

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RankedCell:
    """Leads of one group that were told the same score, and about the same probability: in thousandths, None where no model
    spoke. `leads` are those old enough, `followed` those of them that got the outcome, `young` the others."""

    group: Group | None
    score: int
    permille: int | None = None
    leads: int = 0
    followed: int = 0
    young: int = 0
    probabilities: float = 0.0
    squares: float = 0.0
    of_followed: float = 0.0


class Ends(NamedTuple):
    """Leads by the number they were told, from the lowest: how many of each are old enough, and so on as of a cell."""

    numbers: NDArray[np.int64]
    leads: Floats
    followed: Floats
    young: Floats
    probabilities: Floats
    squares: Floats
    of_followed: Floats

    @property
    def tally(self) -> dict[float, Ended]:
        """How those ended who are old enough."""
        told = zip(self.numbers.tolist(), self.leads.tolist(), self.followed.tolist(), strict=True)
        return {number: Ended(int(leads), int(followed)) for number, leads, followed in told if leads}


PARTS = Ends._fields[1:]


@dataclass(slots=True)
class Numbers:
    """Who was told which numbers, as it comes together from several places."""

    numbers: list[ArrayLike] = field(default_factory=list)
    parts: list[list[ArrayLike]] = field(default_factory=list)

    def add(self, numbers: NDArray[Any], **parts: NDArray[Any]) -> None:
        """Some who were told these numbers: the parts of `Ends` that are known of them."""
        nothing = np.zeros(len(numbers))
        self.numbers.append(numbers)
        self.parts.append([parts.get(name, nothing) for name in PARTS])

    def ends(self) -> Ends:
        """All together."""
        empty: list[ArrayLike] = [np.zeros(0, np.int64)]
        numbers, place = np.unique(np.concatenate(self.numbers or empty), return_inverse=True)
        columns = zip(*self.parts, strict=True) if self.parts else [empty] * len(PARTS)
        sums = (np.bincount(place, np.concatenate(list(one)), len(numbers)).astype(np.float64) for one in columns)
        return Ends(numbers, *sums)


@dataclass(slots=True)
class Told:
    """What those of a group were told: scores, and probabilities in thousandths."""

    scores: Numbers = field(default_factory=Numbers)
    probabilities: Numbers = field(default_factory=Numbers)

    def of(self, kind: str) -> Numbers:
        """Those of a scale."""
        return self.scores if kind == SCORE else self.probabilities


def from_entries(cells: Iterable[RankedCell]) -> dict[Group | None, Told]:
    """What each group was told, from leads that were looked at."""
    by_group: dict[Group | None, list[RankedCell]] = defaultdict(list)
    for cell in cells:
        by_group[cell.group].append(cell)
    found: dict[Group | None, Told] = {TOTAL: Told()}
    for group, of_group in by_group.items():
        found[group] = Told()
        spoken = [cell for cell in of_group if cell.permille is not None]
        for own, some, numbers in (
            (found[group].scores, of_group, [cell.score for cell in of_group]),
            (found[group].probabilities, spoken, [cell.permille for cell in spoken]),
        ):
            own.add(
                np.array(numbers, np.int64),
                **{name: np.array([getattr(cell, name) for cell in some], np.float64) for name in PARTS},
            )
    return found


def from_ranked(question: Question, told: Mapping[Group | None, Told]) -> dict[Group | None, Values]:
    """The values of every group."""
    return {group: _values(question, of_group) for group, of_group in told.items()}


def _values(question: Question, told: Told) -> Values:
    scores = told.scores.ends()
    leads, followed, young = (int(one.sum()) for one in (scores.leads, scores.followed, scores.young))
    tally = scores.tally
    return {
        "value": auc(tally),
        "numerator": followed,
        "denominator": leads,
        "n": leads,
        "lift": lift(tally),
        "probability": _probability(told.probabilities.ends()),
        "maturity": leads / (leads + young) if leads + young else None,
        "horizon_days": question.horizon_days,
    }


def _probability(ends: Ends) -> dict[str, Any] | None:
    leads = int(ends.leads.sum())
    if not leads:
        return None
    tally = {number / PERMILLE: ended for number, ended in ends.tally.items()}
    return {
        "n": leads,
        "numerator": int(ends.followed.sum()),
        "auc": auc(tally),
        "lift": lift(tally),
        "brier": float((ends.squares - 2 * ends.of_followed + ends.followed).sum()) / leads,
        "deciles": _deciles(ends, leads),
    }


def _deciles(ends: Ends, leads: int) -> list[dict[str, float]]:
    """Tenths of the leads, those told the highest probabilities first: what was expected on average, and what came. Those who
    were told the same are shared out evenly between the tenths they fall into."""
    size = leads / DECILES
    edges = size * np.arange(DECILES + 1)
    so_far, *sums = (
        np.concatenate([[0.0], np.cumsum(one[::-1])]) for one in (ends.leads, ends.probabilities, ends.followed)
    )
    expected, observed = ((np.diff(np.interp(edges, so_far, one)) / size).tolist() for one in sums)
    return [{"leads": size, "expected": told, "observed": came} for told, came in zip(expected, observed, strict=True)]
