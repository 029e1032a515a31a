"""What another policy would make of a lead, beside what the present one makes of it, both as of the same moment; and how
well each would have told, soon after leads came in, which of them become opportunities."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

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


class Trial(NamedTuple):
    """One lead by two policies, some days after it came in. `week` is the Monday of the week it came in, in the time zone of
    its unit. `followed` is whether it became an opportunity after that moment and within the horizon; None where it was one
    already, or the horizon is not over."""

    week: date
    replay: Replay
    followed: bool | None


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


def try_out(
    person: Person, opened_at: datetime | None, present: Judge, other: Judge, as_of: datetime, *, after: timedelta
) -> Trial | None:
    """A lead as it was a while `after` it came in. `opened_at` is when its first opportunity opened. None for a lead that
    came in later than that before `as_of`."""
    came_in = min((one.occurred_at for one in person.counting if one.kind is None), default=None)
    if came_in is None or came_in + after > as_of:
        return None
    found = replay(person, present, other, came_in + after)
    if found is None:
        return None
    unit = present.policy.unit(person.root.business_unit)
    ends_at = came_in + timedelta(days=unit.horizon_days)
    day = came_in.astimezone(unit.zone).date()
    followed: bool | None = None
    if ends_at <= as_of and (opened_at is None or opened_at > came_in + after):
        followed = opened_at is not None and opened_at <= ends_at
    return Trial(day - timedelta(days=day.weekday()), found, followed)


def _qualifies(policy: Policy, business_unit: str, score: Score) -> bool:
    rule = policy.unit(business_unit).qualification
    return score.score >= rule.min_score and (not rule.grades or score.grade in rule.grades)


@dataclass(slots=True)
class Week:
    """The leads that came in in a week, by the grade each policy gave them, and how many would qualify."""

    leads: int = 0
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    qualify_before: int = 0
    qualify_after: int = 0


@dataclass(slots=True)
class Ends:
    """How leads ended, by the score and by the grade that a policy gave them."""

    scores: dict[int, list[int]] = field(default_factory=dict)
    grades: dict[str, list[int]] = field(default_factory=dict)

    def add(self, score: Score, *, followed: bool) -> None:
        """One lead more."""
        for found in (self.scores.setdefault(score.score, [0, 0]), self.grades.setdefault(score.grade, [0, 0])):
            found[0] += 1
            found[1] += followed


@dataclass(slots=True)
class Totals:
    """Many leads by two policies, added up."""

    counts: Counter[str] = field(default_factory=Counter)
    grades: Counter[str] = field(default_factory=Counter)
    scores_before: Counter[int] = field(default_factory=Counter)
    scores_after: Counter[int] = field(default_factory=Counter)
    movers: list[tuple[UUID, int, int]] = field(default_factory=list)
    weeks: dict[date, Week] = field(default_factory=dict)
    ended_before: Ends = field(default_factory=Ends)
    ended_after: Ends = field(default_factory=Ends)

    def add(self, lead_id: UUID, found: Replay) -> None:
        """A lead as of the moment of the backtest."""
        before, after = found.before, found.after
        self.counts["leads"] += 1
        self.counts["changed"] += before.score != after.score or before.grade != after.grade
        self.counts["qualify_before"] += found.qualified_before
        self.counts["qualify_after"] += found.qualified_after
        self.counts["newly_qualify"] += found.qualified_after and not found.qualified_before
        self.counts["no_longer_qualify"] += found.qualified_before and not found.qualified_after
        self.grades[f"{before.grade} → {after.grade}"] += 1
        self.scores_before[before.score // 10 * 10] += 1
        self.scores_after[after.score // 10 * 10] += 1
        if before.score != after.score:
            self.movers.append((lead_id, before.score, after.score))

    def add_trial(self, trial: Trial) -> None:
        """A lead as it was soon after it came in."""
        week = self.weeks.setdefault(trial.week, Week())
        week.leads += 1
        week.before[trial.replay.before.grade] += 1
        week.after[trial.replay.after.grade] += 1
        week.qualify_before += trial.replay.qualified_before
        week.qualify_after += trial.replay.qualified_after
        if trial.followed is not None:
            self.ended_before.add(trial.replay.before, followed=trial.followed)
            self.ended_after.add(trial.replay.after, followed=trial.followed)
