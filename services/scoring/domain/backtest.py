"""What another policy would make of a lead, beside what the present one makes of it, both as of the same moment."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from services.scoring.domain.judging import Judge
from services.scoring.domain.passing import Person
from services.scoring.domain.scores import Score
from services.scoring.domain.touches import known_at
from shared.contracts.policy import Policy


class Replay(NamedTuple):
    """One lead by two policies."""

    before: Score
    after: Score
    qualified_before: bool
    qualified_after: bool


def replay(person: Person, present: Judge, other: Judge, as_of: datetime) -> Replay | None:
    """None for a lead that was not captured by then, or only under a mark."""
    touches = known_at(person.counting, as_of)
    if not any(touch.kind is None for touch in touches):
        return None
    unit = person.root.business_unit
    before, after = (judge.rulebook(unit).score(touches, as_of) for judge in (present, other))
    return Replay(
        before,
        after,
        _qualifies(present.policy, unit, before),
        _qualifies(other.policy, unit, after),
    )


def _qualifies(policy: Policy, business_unit: str, score: Score) -> bool:
    rule = policy.unit(business_unit).qualification
    return score.score >= rule.min_score and (not rule.grades or score.grade in rule.grades)
