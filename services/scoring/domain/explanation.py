"""Every point of a score, in words a salesperson reads: what gave it, when, how much of it is left, and what would change it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from services.scoring.domain.decay import WHOLE
from services.scoring.domain.earning import Earning
from services.scoring.domain.plan import Plan, Standing
from services.scoring.domain.profile import Profile, condition_of
from services.scoring.domain.rulebook import Rulebook, Sorted, sorted_out
from services.scoring.domain.scores import Score
from services.scoring.domain.touches import EPOCH, Touch, day_of, in_order, known_at
from shared.contracts.conditions import fields_of
from shared.contracts.policy import SEGMENT, FitRule
from shared.contracts.scoring_events import Reason

CHANGES_SHOWN = 3
STEPS_SHOWN = 5


class Entry(NamedTuple):
    """One thing done, in the ledger of a rule. `remaining` is the share of its points that is left; an entry that does not
    count says why."""

    event_id: UUID
    occurred_at: datetime
    kind: str
    value: str | None
    points: int
    remaining: Decimal
    points_now: Decimal
    counts: bool
    why_not: str | None


class Line(NamedTuple):
    """One rule: what it gives now, why, and what it rests on. `rounding` is what the sum of the entries that count lacks
    to whole points."""

    rule: str
    group: str
    points: int
    because: str
    entries: tuple[Entry, ...]
    rounding: Decimal


class Change(NamedTuple):
    """What will be told at a moment if nothing happens before."""

    at: datetime
    score: Score


class Step(NamedTuple):
    """A rule that does not hold, or could hold once more, and what the score would be if it did."""

    rule: str
    score: Score


class Explanation(NamedTuple):
    """A score as of a moment, complete. The points of `lines` and `bounds` sum to the score."""

    as_of: datetime
    score: Score
    variant: str | None
    segments: tuple[str, ...]
    lines: tuple[Line, ...]
    bounds: tuple[Reason, ...]
    better: tuple[Step, ...]
    changes: tuple[Change, ...]
    taken_back: tuple[UUID, ...]


def explain(rulebook: Rulebook, touches: Iterable[Touch], as_of: datetime) -> Explanation:
    """Why the score is what it is, from what had happened by then."""
    known = known_at(touches, as_of)
    ledger = sorted_out(known)
    profile, plan = rulebook.profile(ledger.captures)
    day = day_of(as_of)
    last_day = None if ledger.last is None else day_of(ledger.last)
    standing = plan.stand(profile, ledger.did, last_day, day)
    segments = profile.get(SEGMENT, ())
    _, _, _, reasons = plan.added_up(standing.fits, plan.given(standing))
    return Explanation(
        as_of=as_of,
        score=plan.verdict(standing),
        variant=plan.name,
        segments=segments if isinstance(segments, tuple) else (),
        lines=(*_fit_lines(plan, standing, profile), *_engagement_lines(plan, standing, ledger, day)),
        bounds=tuple(one for one in reasons if one.group == "range"),
        better=tuple(_better(plan, standing)),
        changes=tuple(_changes(plan, standing, day)),
        taken_back=tuple(one.retracts for one in sorted(known, key=in_order) if one.retracts is not None),
    )


def _fit_lines(plan: Plan, standing: Standing, profile: Profile) -> Iterator[Line]:
    for place, rule in enumerate(plan.rules.fit):
        if standing.fits >> place & 1 and rule.points:
            yield Line(rule.rule, "fit", rule.points, _what_is_known(rule, profile), (), Decimal(0))


def _what_is_known(rule: FitRule, profile: Profile) -> str:
    """The values of the fields that a rule looks at."""
    said = []
    for field in sorted(fields_of(condition_of(rule))):
        value = profile.get(field)
        if value is None:
            said.append(f"{field} is not known")
        elif value is True:
            said.append(f"{field} is known")
        else:
            said.append(f"{field} is {', '.join(value) if isinstance(value, tuple) else value}")
    return "; ".join(said)


def _engagement_lines(plan: Plan, standing: Standing, ledger: Sorted, day: int) -> Iterator[Line]:
    given = dict(plan.given(standing))
    for place, earning in enumerate(plan.earnings):
        points = given.get(place, 0)
        if earning.rule.silent_days is not None:
            if points:
                yield Line(earning.rule.rule, "engagement", points, _silence(standing), (), Decimal(0))
            continue
        entries = tuple(_entries(earning, ledger, day))
        if entries:
            counted = sum((one.points_now for one in entries if one.counts), Decimal(0))
            yield Line(
                earning.rule.rule,
                "engagement",
                points,
                _how_often(earning, entries),
                entries,
                Decimal(points) - counted,
            )


def _silence(standing: Standing) -> str:
    return f"nothing was heard for {standing.silent_for} days"


def _how_often(earning: Earning, entries: tuple[Entry, ...]) -> str:
    counted = sum(one.counts for one in entries)
    if earning.rule.times > 1:
        within = f" within {earning.rule.within_days} days" if earning.rule.within_days else ""
        return f"{len(entries)} times; every {earning.rule.times}{within} count once, at most {earning.rule.at_most}"
    return f"{len(entries)} times, {counted} of them count" if counted < len(entries) else f"{counted} times"


def _entries(earning: Earning, ledger: Sorted, day: int) -> Iterator[Entry]:
    """What a rule speaks of, the latest first, with what of it counts: the strongest, as many as the rule lets count."""
    found = earning.found(ledger.did)
    completing = {(one.lead_id, one.event_id) for one in earning.fulfilling(found)}

    def strength(touch: Touch) -> tuple[int, tuple[datetime, UUID, UUID]]:
        age = day - (touch.occurred_at - EPOCH).days
        return earning.fades[earning.fade_of(touch)].left(age), in_order(touch)

    fulfilling = sorted((one for one in found if (one.lead_id, one.event_id) in completing), key=strength, reverse=True)
    counting = {(one.lead_id, one.event_id) for one in fulfilling[: earning.rule.at_most]}
    for touch in sorted(found, key=in_order, reverse=True):
        place = touch.lead_id, touch.event_id
        left = strength(touch)[0]
        counts = place in counting and left > 0
        why_not = None
        if place not in completing:
            why_not = f"one of the {earning.rule.times} it takes"
        elif place not in counting:
            why_not = f"beyond the {earning.rule.at_most} that count"
        elif left == 0:
            why_not = "faded"
        points = earning.rule.points
        yield Entry(
            touch.event_id, touch.occurred_at, touch.kind or "", touch.value, points,
            _share(left), _share(points * left) if counts else Decimal(0), counts, why_not,
        )  # fmt: skip


def _share(millionths: int) -> Decimal:
    return Decimal(millionths) / WHOLE


def _better(plan: Plan, standing: Standing) -> list[Step]:
    """What one more rule fulfilled would make of the score, the greatest gains first, where the grade or the rating
    would be another."""
    now = plan.verdict(standing)
    given = dict(plan.given(standing))
    steps = [
        Step(rule.rule, plan.verdict_of(standing.fits | 1 << place, tuple(sorted(given.items()))))
        for place, rule in enumerate(plan.rules.fit)
        if rule.points > 0 and not standing.fits >> place & 1
    ]
    occurrences = dict(standing.fading)
    for place, earning in enumerate(plan.earnings):
        if earning.rule.points <= 0:
            continue
        if earning.timeless:
            once_more = min(given.get(place, 0) + earning.rule.points, earning.worth(earning.rule.at_most))
        else:
            fade = earning.freshest
            once_more = earning.worth_later((*occurrences.get(place, ()), (0, fade)), 0)
        if once_more > given.get(place, 0):
            also = tuple(sorted({**given, place: once_more}.items()))
            steps.append(Step(earning.rule.rule, plan.verdict_of(standing.fits, also)))
    changing = [step for step in steps if (step.score.grade, step.score.rating) != (now.grade, now.rating)]
    return sorted(changing, key=lambda step: (-step.score.score, step.rule))[:STEPS_SHOWN]


def _changes(plan: Plan, standing: Standing, day: int) -> Iterator[Change]:
    """What time alone will change."""
    later = 0
    for _ in range(CHANGES_SHOWN):
        waited = plan.later(standing, later)
        _, days = plan.judge(waited)
        if days is None:
            return
        later += days
        yield Change(EPOCH + timedelta(days=day + later), plan.verdict(standing, later))
