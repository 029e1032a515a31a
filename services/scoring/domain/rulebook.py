"""From what a lead is and did to a number, a grade and the reasons that add up to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.scoring.domain.plan import Plan
from services.scoring.domain.profile import Fields, profile_reader
from services.scoring.domain.scores import Judgement, Score
from services.scoring.domain.touches import EPOCH, Touch, day_of
from shared.contracts.conditions import Test, Value, compiled, fields_of, folded, parse
from shared.contracts.policy import SEGMENT, SEGMENT_VOCABULARY, Scoring


class Sorted(NamedTuple):
    """A ledger, sorted: what counts as captures and as interactions by folded kind, and the last sign of the lead."""

    captures: list[Touch]
    did: dict[str, list[Touch]]
    last: datetime | None


class Rulebook:
    """A unit's scoring policy, made ready to be applied many times. Pure: the same touches as of the same day give the
    same, in whatever order."""

    def __init__(self, scoring: Scoring) -> None:
        segments = {name: parse(text, SEGMENT_VOCABULARY) for name, text in scoring.segments.items()}
        self._segments: list[tuple[str, Test]] = [
            (name, compiled(condition, profile_reader)) for name, condition in segments.items()
        ]
        self._plan = Plan(scoring.rules_of(None))
        self._variants = [
            (
                frozenset(map(folded, variant.products)),
                frozenset(variant.segments),
                Plan(scoring.rules_of(variant), variant.variant),
            )
            for variant in scoring.variants
        ]
        plans = (self._plan, *(plan for _, _, plan in self._variants))
        looked_at = [name for plan in plans for name in plan.fields]
        looked_at += [name for condition in segments.values() for name in sorted(fields_of(condition))]
        self.fields = Fields([*looked_at, *(("product",) if self._variants else ())])

    def score(self, touches: Iterable[Touch], as_of: datetime | None = None) -> Score:
        """The score of a ledger on a day: fit of the profile its captures add up to, plus engagement of what was done.
        Without a day that of its last touch."""
        return self.judge(touches, as_of).score

    def judge(self, touches: Iterable[Touch], as_of: datetime | None = None) -> Judgement:
        """The score, the lead's segments, and when time alone changes it."""
        ledger = sorted_out(touches)
        profile, plan = self.profile(ledger.captures)
        last_day = None if ledger.last is None else day_of(ledger.last)
        day = (last_day or 0) if as_of is None else day_of(as_of)
        score, days = plan.judge(plan.stand(profile, ledger.did, last_day, day))
        segments = profile.get(SEGMENT, ())
        return Judgement(
            score,
            segments if isinstance(segments, tuple) else (),
            None if days is None else EPOCH + timedelta(days=day + days),
        )

    def profile(self, captures: Sequence[Touch]) -> tuple[dict[str, Value], Plan]:
        """What is known of the lead, its segments among it, and the rules that hold for it."""
        profile = self.fields.profile(captures)
        if self._segments:
            found = tuple(name for name, holds in self._segments if holds(profile))
            if found:
                profile[SEGMENT] = found
        return profile, self._plan_for(profile) if self._variants else self._plan

    def _plan_for(self, profile: dict[str, Value]) -> Plan:
        product = folded(str(profile.get("product", "")))
        segments = profile.get(SEGMENT, ())
        for products, of_segments, plan in self._variants:
            if (not products or product in products) and (not of_segments or not of_segments.isdisjoint(segments)):  # type: ignore[arg-type]
                return plan
        return self._plan


def sorted_out(touches: Iterable[Touch]) -> Sorted:
    """A ledger without retractions and what they took back."""
    captures: list[Touch] = []
    did: dict[str, list[Touch]] = {}
    last: datetime | None = None
    taken_back: set[object] = set()
    for one in touches:
        if one.kind is None:
            captures.append(one)
        elif one.retracts is not None:
            taken_back.add(one.retracts)
            continue
        else:
            did.setdefault(folded(one.kind), []).append(one)
        if last is None or one.occurred_at > last:
            last = one.occurred_at
    if taken_back:
        did = {kind: [one for one in of_kind if one.event_id not in taken_back] for kind, of_kind in did.items()}
        left = [*captures, *(one for of_kind in did.values() for one in of_kind)]
        last = max((one.occurred_at for one in left), default=None)
    return Sorted(captures, did, last)


def score(touches: Iterable[Touch], scoring: Scoring, as_of: datetime | None = None) -> Score:
    """The score of a ledger, whatever order it is given in."""
    return Rulebook(scoring).score(touches, as_of)
