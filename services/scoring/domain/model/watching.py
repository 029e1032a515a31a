"""Whether a model still fits those it speaks of: do leads look as those did that it was learned from, and does what it
foretells come?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.scoring.domain.assessment import Case
from services.scoring.domain.model.artefact import OPPORTUNITY
from services.scoring.domain.model.assessor import Expert
from services.scoring.domain.model.examples import examples
from services.scoring.domain.model.history import History
from services.scoring.domain.model.measures import Quality, quality, stability

RECENT = timedelta(days=30)
"""Leads of so many days are compared with those that the model was learned from."""

PROBABILITY_RANGES = 10


@dataclass(slots=True)
class Watch:
    """What was seen of one model: how recent leads look to it, each at the moments at which those looked that it was learned
    from; and what it says of leads that came after those and whose horizon is over, beside what came of them."""

    expert: Expert
    horizon: timedelta
    learned_until: datetime
    now: datetime
    looks: list[Counter[int]] = field(init=False)
    ranges: Counter[int] = field(default_factory=Counter)
    recent: int = 0
    probabilities: list[float] = field(default_factory=list)
    followed: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.looks = [Counter() for _ in self.expert.model.tables]

    def see(self, histories: Iterable[History]) -> None:
        """More people."""
        for history in histories:
            for one in examples(history, OPPORTUNITY, timedelta(0), self.now, read=_nothing):
                if one.moment > self.now - RECENT and (cells := self._cells(history, one.moment)) is not None:
                    self.recent += 1
                    for counts, cell in zip(self.looks, cells, strict=True):
                        counts[cell] += 1
                    told = self.expert.model.verdict(cells).probability
                    self.ranges[min(int(told * PROBABILITY_RANGES), PROBABILITY_RANGES - 1)] += 1
            for one in examples(history, OPPORTUNITY, self.horizon, self.now, read=_nothing):
                if one.moment > self.learned_until and (cells := self._cells(history, one.moment)) is not None:
                    self.probabilities.append(self.expert.model.verdict(cells).probability)
                    self.followed.append(one.followed)

    def drift(self, profile: Mapping[str, Any]) -> dict[str, float]:
        """How far recent leads are from those the model was learned from, for each feature and for `probability`: the
        population stability index."""
        if not self.recent or not profile:
            return {}
        names = [table.name for table in self.expert.model.tables]
        now: dict[str, Counter[int]] = dict(zip(names, self.looks, strict=True))
        before: Mapping[str, Mapping[str, float]] = profile.get("features", {})
        found = {name: stability(before[name], _named(now[name])) for name in names if name in before}
        if profile.get("probability"):
            found["probability"] = stability(profile["probability"], _named(self.ranges))
        return found

    @property
    def quality(self) -> Quality | None:
        """What was foretold against what came; None while no horizon is over."""
        return quality(self.probabilities, self.followed)

    def _cells(self, history: History, moment: datetime) -> tuple[int, ...] | None:
        return self.expert.cells(Case(history.business_unit, history.known_by(moment), moment))


def _nothing(_: History, __: datetime) -> Mapping[str, Any]:
    return {}


def _named(counts: Mapping[int, int]) -> dict[str, float]:
    return {str(cell): float(count) for cell, count in counts.items()}
