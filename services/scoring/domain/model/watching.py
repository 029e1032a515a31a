"""Whether a model still fits those it speaks of: do leads look as those did that it was learned from, and does what it
foretells come?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.scoring.domain.assessment import Case
from services.scoring.domain.model.additive import AdditiveModel, Table
from services.scoring.domain.model.assessor import Expert
from services.scoring.domain.model.examples import MOMENTS_DAYS, examples
from services.scoring.domain.model.history import History
from services.scoring.domain.model.measures import Quality, drift, quality, range_of

RECENT = timedelta(days=30)
"""Leads of so many days are compared with those that the model was learned from."""

MOST_COMPARED = 10
"""So many parts of a feature are compared at most: the more there are, the farther apart they are by chance."""


@dataclass(slots=True)
class Watch:
    """What was seen of one model: how recent leads look to it, each at the moments at which those looked that it was learned
    from; and what it says of leads that came after those and whose horizon is over, beside what came of them."""

    expert: Expert
    outcome: str
    horizon: timedelta
    learned_until: datetime
    now: datetime
    looks: list[Counter[int]] = field(init=False)
    ranges: Counter[int] = field(default_factory=Counter)
    recent: int = 0
    recent_people: int = 0
    probabilities: list[float] = field(default_factory=list)
    followed: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.looks = [Counter() for _ in self.expert.model.tables]

    def see(self, histories: Iterable[History]) -> None:
        """More people."""
        for history in histories:
            looks = self.recent
            for one in examples(history, self.outcome, timedelta(0), self.now, read=_nothing):
                if one.moment > self.now - RECENT and (cells := self._cells(history, one.moment)) is not None:
                    self.recent += 1
                    for counts, cell in zip(self.looks, cells, strict=True):
                        counts[cell] += 1
                    self.ranges[range_of(self.expert.model.verdict(cells).probability)] += 1
            self.recent_people += self.recent > looks
            for one in examples(history, self.outcome, self.horizon, self.now, read=_nothing):
                if one.moment > self.learned_until and (cells := self._cells(history, one.moment)) is not None:
                    self.probabilities.append(self.expert.model.verdict(cells).probability)
                    self.followed.append(one.followed)

    def drift(self, profile: Mapping[str, Any]) -> dict[str, float]:
        """How far recent leads are from those the model was learned from, for each feature and for `probability`: the
        population stability index of at most ten parts, less what chance makes of it on so few people."""
        if not self.recent or not profile:
            return {}
        looks = {table.name: _named(cells) for table, cells in zip(self.expert.model.tables, self.looks, strict=True)}
        now = {"features": looks, "probability": _named(self.ranges), "people": self.recent_people}
        return drift_between(self.expert.model, profile, now)

    @property
    def quality(self) -> Quality | None:
        """What was foretold against what came; None while no horizon is over."""
        return quality(self.probabilities, self.followed)

    def _cells(self, history: History, moment: datetime) -> tuple[int, ...] | None:
        return self.expert.cells(Case(history.business_unit, history.known_by(moment), moment))


def drift_between(model: AdditiveModel, before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, float]:
    """How far some leads are from others, each as how many fell into each cell (`features`), into each range of what the model
    says (`probability`), and how many `people` they are."""
    found = {}
    features: Mapping[str, Mapping[str, float]] = before.get("features", {})
    for table in model.tables:
        if table.name in features:
            was, is_now = features[table.name], now["features"].get(table.name, {})
            parts = parts_of(table, was)
            found[table.name] = _drift(before, _together(was, parts), _together(is_now, parts), now["people"])
    if before.get("probability"):
        found["probability"] = _drift(before, before["probability"], now["probability"], now["people"])
    return found


def _drift(profile: Mapping[str, Any], before: Mapping[str, float], now: Mapping[str, float], people: int) -> float:
    at_least = round(sum(before.values()) / len(MOMENTS_DAYS))
    return drift(before, now, profile.get("people", at_least), people)


def _nothing(_: History, __: datetime) -> Mapping[str, Any]:
    return {}


def _named(counts: Mapping[int, int]) -> dict[str, float]:
    return {str(cell): float(count) for cell, count in counts.items()}


def parts_of(table: Table, before: Mapping[str, float]) -> dict[str, str]:
    """Which cells of a feature are compared as one: neighbours on a scale, so that about as many leads were in each part;
    of levels the rarest. The cell of the unknown stays alone."""
    unknown = str(table.unknown)
    cells = [str(cell) for cell in range(table.unknown)]
    if table.levels is not None:
        frequent = sorted(cells, key=lambda cell: -before.get(cell, 0.0))
        return {cell: cell if place < MOST_COMPARED - 2 else "others" for place, cell in enumerate(frequent)} | {
            unknown: unknown
        }
    share = sum(before.get(cell, 0.0) for cell in cells) / (MOST_COMPARED - 1)
    parts, below = {unknown: unknown}, 0.0
    for cell in cells:
        parts[cell] = f"part {min(int(below / share) if share else 0, MOST_COMPARED - 2)}"
        below += before.get(cell, 0.0)
    return parts


def _together(counts: Mapping[str, float], parts: Mapping[str, str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for cell, count in counts.items():
        part = parts.get(cell, cell)
        found[part] = found.get(part, 0.0) + count
    return found
