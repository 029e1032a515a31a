"""A verdict: a number, what it is called, and the reasons that add up to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from shared.contracts.scoring_events import Reason

LOWEST, HIGHEST = 0, 100
STRONGEST = 5
"""How many reasons are told either way."""


class Score(NamedTuple):
    """A verdict. The points of `reasons` always sum to `score`. `rating` is a letter for fit and a number for
    engagement."""

    score: int
    grade: str
    fit: int
    engagement: int
    reasons: tuple[Reason, ...]
    rating: str | None = None
    temperature: str | None = None


class Judgement(NamedTuple):
    """A score as of a day, the segments the lead is in, and when time alone will change what is told of it: at the
    beginning of that day, in UTC, if nothing happens before."""

    score: Score
    segments: tuple[str, ...]
    changes_at: datetime | None


@lru_cache(maxsize=65536)
def reason(rule: str, points: int, group: Any) -> Reason:
    """One rule's contribution. There are few different ones, and each is made once."""
    return Reason(rule=rule, points=points, group=group)


def told(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """The strongest reasons either way and every bound, in the order of the policy; the points of all others together
    are one more reason."""
    if len(reasons) <= STRONGEST:
        return tuple(reasons)
    rules = [(place, one) for place, one in enumerate(reasons) if one.group != "range"]
    kept = {
        place
        for sign in (1, -1)
        for place, _ in sorted(
            ((place, one) for place, one in rules if one.points * sign > 0),
            key=lambda each: -abs(each[1].points),
        )[:STRONGEST]
    }
    others = [one.points for place, one in rules if place not in kept]
    chosen = [one for place, one in enumerate(reasons) if place in kept or one.group == "range"]
    if sum(others):
        chosen.append(
            reason(f"{len(others)} weaker reasons" if len(others) > 1 else "1 weaker reason", sum(others), "range")
        )
    return tuple(chosen)
