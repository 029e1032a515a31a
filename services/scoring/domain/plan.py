"""One set of rules, applied: what holds for a lead, what that is worth on a day, and on which day it will be worth less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

from services.scoring.domain.earning import Earning, Kinds, Occurrence
from services.scoring.domain.profile import Profile, condition_of, fit_test
from services.scoring.domain.scores import HIGHEST, LOWEST, Score, reason, told
from shared.contracts.conditions import fields_of
from shared.contracts.policy import Cap, Rules
from shared.contracts.policy.ratings import ENGAGEMENT_NUMBERS, FIT_LETTERS
from shared.contracts.scoring_events import Reason

Group = Literal["fit", "engagement"]

Given = tuple[tuple[int, int], ...]
"""The place of a rule in the policy, and the points it gives."""

REMEMBERED = 20_000


class Standing(NamedTuple):
    """Everything that decides the score of a lead, today and on any later day: the fit rules that hold, one bit each; the
    engagement rules that give the same on every day; those that fade, with what fulfils them; and for how many days the
    lead has been silent, where that matters."""

    fits: int
    settled: Given = ()
    fading: tuple[tuple[int, tuple[Occurrence, ...]], ...] = ()
    silent_for: int | None = None


class Plan:
    """The rules of a unit, or of one of its variants, made ready to be applied many times. It remembers verdicts: there
    are few different ones."""

    def __init__(self, rules: Rules, name: str | None = None) -> None:
        self.name = name
        self.rules = rules
        self.floors = rules.ratings.floors(rules.fit_at_most, rules.engagement_at_most)
        self.fields = [name for rule in rules.fit for name in sorted(fields_of(condition_of(rule)))]
        self.earnings = [Earning(rule, rules.decay) for rule in rules.engagement]
        self._fit: list[tuple[int, str | None, Callable[[Any], bool]]] = [
            (1 << place, *fit_test(rule)) for place, rule in enumerate(rules.fit)
        ]
        self._silent = [place for place, one in enumerate(self.earnings) if one.rule.silent_days is not None]
        self._of_any_kind = [
            place for place, one in enumerate(self.earnings) if one.kinds is None and place not in self._silent
        ]
        self._of_kind: dict[str, list[int]] = {}
        for place, earning in enumerate(self.earnings):
            for kind in earning.kinds or ():
                self._of_kind.setdefault(kind, []).append(place)
        self._fit_bounds = Cap(at_most=rules.fit_at_most, at_least=rules.fit_at_least)
        self._engagement_bounds = Cap(at_most=rules.engagement_at_most, at_least=rules.engagement_at_least)
        self._rises = any(earning.rises for earning in self.earnings)
        self._verdicts: dict[Standing, tuple[Score, int | None]] = {}

    def stand(self, profile: Profile, did: Kinds, last_day: int | None, day: int) -> Standing:
        """What of the rules holds, as of a day."""
        fits = 0
        for bit, field, holds in self._fit:
            if holds(profile if field is None else profile.get(field)):
                fits |= bit
        silent_for = day - last_day if self._silent and last_day is not None else None
        if not did:
            return Standing(fits, (), (), silent_for)
        places = set(self._of_any_kind).union(*(self._of_kind.get(kind, ()) for kind in did))
        settled: list[tuple[int, int]] = []
        fading: list[tuple[int, tuple[Occurrence, ...]]] = []
        for place in sorted(places):
            earning = self.earnings[place]
            if earning.timeless:
                times = earning.times_fulfilled(did)
                if times:
                    settled.append((place, earning.worth(times)))
            else:
                occurrences = earning.occurrences(did, day)
                if occurrences:
                    fading.append((place, occurrences))
        return Standing(fits, tuple(settled), tuple(fading), silent_for)

    def judge(self, standing: Standing) -> tuple[Score, int | None]:
        """The score, and in how many days time alone has changed what is told: the grade, the rating, or the score by so
        many points that the policy wants it told again. None where that never happens."""
        found = self._verdicts.get(standing)
        if found is None:
            if len(self._verdicts) >= REMEMBERED:
                self._verdicts.clear()
            score = self.verdict(standing)
            found = self._verdicts[standing] = score, self._days_until_change(standing, score)
        return found

    def later(self, standing: Standing, days: int) -> Standing:
        """The same lead so many days later, if nothing happens."""
        fading = tuple(
            (place, tuple((age + days, fade) for age, fade in occurrences)) for place, occurrences in standing.fading
        )
        silent_for = None if standing.silent_for is None else standing.silent_for + days
        return Standing(standing.fits, standing.settled, fading, silent_for)

    def verdict(self, standing: Standing, later: int = 0) -> Score:
        """The score, and why, so many days later if nothing happens."""
        return self.verdict_of(standing.fits, self.given(standing, later))

    def given(self, standing: Standing, later: int = 0) -> Given:
        """The points that engagement rules give so many days later, in the order of the policy."""
        points = [*standing.settled]
        for place, occurrences in standing.fading:
            points.append((place, self.earnings[place].worth_later(occurrences, later)))
        if standing.silent_for is not None:
            for place in self._silent:
                rule = self.earnings[place].rule
                if standing.silent_for + later >= (rule.silent_days or 0):
                    points.append((place, rule.points))
        return tuple(sorted(one for one in points if one[1]))

    def fit_reasons(self, fits: int) -> list[tuple[Reason, str | None]]:
        """What the fit rules that hold give, each with its group."""
        rules = (rule for place, rule in enumerate(self.rules.fit) if fits >> place & 1 and rule.points)
        return [(reason(rule.rule, rule.points, "fit"), rule.group) for rule in rules]

    def verdict_of(self, fits: int, given: Given) -> Score:
        """What some rules that hold amount to."""
        fit, engagement, held, reasons = self.added_up(fits, given)
        rating = _of(FIT_LETTERS, self.floors[0], fit) + _of(ENGAGEMENT_NUMBERS, self.floors[1], engagement)
        grade = next(grade.grade for grade in self.rules.grades if held >= grade.at_least)
        return Score(held, grade, fit, engagement, told(reasons), rating, self.rules.ratings.temperature(rating))

    def added_up(self, fits: int, given: Given) -> tuple[int, int, int, list[Reason]]:
        """Fit, engagement, the score, and every reason."""
        fit, reasons = self._held(self.fit_reasons(fits), self._fit_bounds, "fit")
        earned = [
            (reason(self.earnings[place].rule.rule, points, "engagement"), self.earnings[place].rule.group)
            for place, points in given
        ]
        engagement, engaged = self._held(earned, self._engagement_bounds, "engagement")
        reasons += engaged
        total = fit + engagement
        held = min(max(total, LOWEST), HIGHEST)
        if held != total:
            reasons.append(
                reason(f"a score is at {'least' if total < LOWEST else 'most'} {held}", held - total, "range")
            )
        return fit, engagement, held, reasons

    def _held(self, given: Sequence[tuple[Reason, str | None]], bounds: Cap, group: Group) -> tuple[int, list[Reason]]:
        """The points of some rules within the caps of their groups and the bounds of all, and why; what a bound takes
        away or adds is a reason more."""
        reasons = [one for one, _ in given]
        points = sum(one.points for one in reasons)
        for name, cap in self.rules.caps.items():
            of_group = sum(one.points for one, its in given if its == name)
            points += _bounded(of_group, cap, name, reasons) - of_group
        return _bounded(points, bounds, group, reasons), reasons

    def _days_until_change(self, standing: Standing, now: Score) -> int | None:
        if not standing.fading and standing.silent_for is None:
            return None

        @cache
        def differing(given: Given) -> bool:
            then = self.verdict_of(standing.fits, given)
            return (then.grade, then.rating) != (now.grade, now.rating) or (
                abs(then.score - now.score) >= self.rules.retell_points
            )

        def differs(later: int) -> bool:
            return differing(self.given(standing, later))

        last = self._settled_after(standing)
        if self._rises:
            return next((later for later in range(1, last + 1) if differs(later)), None)
        if last == 0 or not differs(last):
            return None
        before, after = 0, last
        while after - before > 1:
            middle = (before + after) // 2
            before, after = (before, middle) if differs(middle) else (middle, after)
        return after

    def _settled_after(self, standing: Standing) -> int:
        """In how many days nothing changes any more."""
        days = [self.earnings[place].settled_after(occurrences) for place, occurrences in standing.fading]
        if standing.silent_for is not None:
            days += [(self.earnings[place].rule.silent_days or 0) - standing.silent_for for place in self._silent]
        return max(0, *days)


def _bounded(points: int, cap: Cap, name: str, reasons: list[Reason]) -> int:
    if cap.at_most is not None and points > cap.at_most:
        reasons.append(reason(f"{name} counts at most {cap.at_most}", cap.at_most - points, "range"))
        return cap.at_most
    if cap.at_least is not None and points < cap.at_least:
        reasons.append(reason(f"{name} counts at least {cap.at_least}", cap.at_least - points, "range"))
        return cap.at_least
    return points


def _of(names: str, floors: Sequence[int], points: int) -> str:
    return next((name for name, floor in zip(names, floors, strict=False) if points >= floor), names[-1])
