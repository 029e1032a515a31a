"""What a lead does, as points: one rule at a time, each occurrence with its age, by which its points fade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from services.scoring.domain.decay import Fade, rounded
from services.scoring.domain.profile import interaction_reader
from services.scoring.domain.touches import EPOCH, Touch, in_order
from shared.contracts.conditions import compiled, folded
from shared.contracts.policy import ANY_KIND, Decay, EngagementRule

NEVER = Decay()

Kinds = Mapping[str, Sequence[Touch]]
"""What a lead did, by the folded name of its kind."""

Occurrence = tuple[int, int]
"""A rule was fulfilled so many days ago, and what for fades by this one of the rule's fades."""


class Earning:
    """One engagement rule, made ready to be applied many times."""

    def __init__(self, rule: EngagementRule, decay: Mapping[str, Decay]) -> None:
        self.rule = rule
        kinds = tuple(dict.fromkeys(folded(kind) for kind in rule.names))
        self.kinds = None if ANY_KIND in kinds else kinds
        self._test = None if rule.condition is None else compiled(rule.condition, interaction_reader)
        self._within = None if rule.within_days is None else timedelta(days=rule.within_days)
        by_kind = {folded(kind): self._fading(of_kind) for kind, of_kind in decay.items()}
        otherwise = by_kind.pop(ANY_KIND, self._fading(NEVER))
        if self.kinds is not None:
            by_kind = {kind: by_kind.get(kind, otherwise) for kind in self.kinds}
        self.fades = [Fade(*fading) for fading in dict.fromkeys([*by_kind.values(), otherwise])]
        numbers = {(fade.half_life_days, fade.expires_days): number for number, fade in enumerate(self.fades)}
        self._fade_of = {kind: numbers[fading] for kind, fading in by_kind.items()}
        self._otherwise = numbers[otherwise]
        relevant = [self.fades[number] for number in (self._fade_of.values() if self.kinds else numbers.values())]
        self.timeless = rule.silent_days is None and all(fade.never for fade in relevant)
        self.rises = rule.points < 0 and not self.timeless and rule.silent_days is None
        one_kind = self.kinds is not None and len(self.kinds) == 1
        self._plain = self.kinds[0] if self.kinds and one_kind and self._test is None and rule.times == 1 else None

    def _fading(self, of_kind: Decay) -> tuple[int | None, int | None]:
        """The rule's own fading where it names one. What takes points away fades only where its rule says so."""
        inherited = of_kind if self.rule.points > 0 else NEVER
        return (
            self.rule.half_life_days or inherited.half_life_days,
            self.rule.expires_days or inherited.expires_days,
        )

    def found(self, did: Kinds) -> Sequence[Touch]:
        """The interactions that the rule speaks of."""
        if self._plain is not None:
            return did.get(self._plain, ())
        of_kinds = did.values() if self.kinds is None else (did.get(kind, ()) for kind in self.kinds)
        touches = (one for of_kind in of_kinds for one in of_kind)
        return [one for one in touches if self._test is None or self._test(one)]

    def fulfilling(self, touches: Sequence[Touch]) -> Sequence[Touch]:
        """The interactions with each of which the rule was fulfilled once: all of them, or, where it takes several, the
        last of each several, counted from the latest backwards so that each is of one group only."""
        times = self.rule.times
        if times == 1:
            return touches
        latest_first = sorted(touches, key=in_order, reverse=True)
        fulfilled = []
        start = 0
        while start + times <= len(latest_first):
            last, first = latest_first[start], latest_first[start + times - 1]
            if self._within is None or last.occurred_at - first.occurred_at <= self._within:
                fulfilled.append(last)
                start += times
            else:
                start += 1
        return fulfilled

    def fade_of(self, touch: Touch) -> int:
        """Which of the rule's fades is that of what was done."""
        return self._fade_of.get(folded(touch.kind or ""), self._otherwise)

    def occurrences(self, did: Kinds, day: int) -> tuple[Occurrence, ...]:
        """How often and how long ago the rule was fulfilled, in one order for everybody."""
        touches = self.fulfilling(self.found(did))
        ages = [(day - (one.occurred_at - EPOCH).days, self.fade_of(one)) for one in touches]
        return tuple(sorted(ages)) if len(ages) > 1 else tuple(ages)

    def times_fulfilled(self, did: Kinds) -> int:
        """How often the rule was fulfilled."""
        return len(self.fulfilling(self.found(did)))

    def worth(self, times: int) -> int:
        """What so many times are worth where nothing fades."""
        return self.rule.points * min(times, self.rule.at_most)

    @property
    def freshest(self) -> int:
        """The fade of what it would be fulfilled with next."""
        return next(iter(self._fade_of.values()), self._otherwise) if self.kinds else self._otherwise

    def worth_later(self, occurrences: Sequence[Occurrence], later: int) -> int:
        """What they are worth so many days later: the strongest of them, as many as count."""
        left = sorted((self.fades[fade].left(age + later) for age, fade in occurrences), reverse=True)
        return rounded(self.rule.points * sum(left[: self.rule.at_most]))

    def settled_after(self, occurrences: Sequence[Occurrence]) -> int:
        """In how many days nothing about them changes any more."""
        counted = self.worth(len(occurrences))
        ends = ((self.fades[fade].gone_after(counted), age) for age, fade in occurrences)
        return max((gone - age for gone, age in ends if gone is not None), default=0)
