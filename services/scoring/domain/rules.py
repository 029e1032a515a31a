"""From what a lead is and did to a number, a grade and the reasons that add up to it."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.policy import ATTRIBUTE_PREFIX, FitRule, Policy, Scoring
from shared.contracts.scoring_events import Reason

LOWEST, HIGHEST = 0, 100
LONGEST_TEXT = 200
WORD = re.compile(r"[^\W_]+")

Value = bool | int | float | str | tuple[str, ...]
"""What a fit rule compares: one value, or the several a lead has at once (the purposes it consents to)."""


class Touch(NamedTuple):
    """One thing a lead did, reduced to what rules need. `kind` is None where the lead itself was captured. Whether an
    e-mail address, a number and a company are known is kept; what they are is not."""

    lead_id: UUID
    event_id: UUID
    occurred_at: datetime
    channel: str
    kind: str | None = None
    email: bool = False
    phone: bool = False
    company: bool = False
    job_title: str | None = None
    country: str | None = None
    language: str | None = None
    source: str | None = None
    product: str | None = None
    campaign: str | None = None
    consents: Mapping[str, bool] | None = None
    attributes: Mapping[str, Any] | None = None


class Score(NamedTuple):
    """A verdict. The points of `reasons` always sum to `score`."""

    score: int
    grade: str
    fit: int
    engagement: int
    reasons: tuple[Reason, ...]


def stored_attributes(policy: Policy) -> frozenset[str]:
    """The names of the attributes that any unit's rules look at; no other attribute enters the ledger."""
    rules = (rule for unit in (policy.defaults, *policy.business_units.values()) for rule in unit.scoring.fit)
    return frozenset(
        rule.field.removeprefix(ATTRIBUTE_PREFIX) for rule in rules if rule.field.startswith(ATTRIBUTE_PREFIX)
    )


def touch(event: LeadCaptured | InteractionRecorded, attributes: Collection[str]) -> Touch:
    """A captured event as the ledger keeps it, with only the named attributes and without personal data."""
    if isinstance(event, InteractionRecorded):
        return Touch(event.lead_id, event.event_id, event.occurred_at, event.channel, kind=event.kind)
    personal = event.personal
    kinds = {identity.kind for identity in event.identities}
    return Touch(
        event.lead_id,
        event.event_id,
        event.occurred_at,
        event.channel,
        email="email" in kinds or (personal is not None and bool(personal.email)),
        phone="phone" in kinds or (personal is not None and bool(personal.phone)),
        company=bool(event.company),
        job_title=_short(event.job_title),
        country=_short(event.country),
        language=_short(event.language),
        source=_short(event.source),
        product=_short(event.product),
        campaign=_short(event.campaign),
        consents={consent.purpose: consent.granted for consent in event.consents} or None,
        attributes=_scalars(event.attributes, attributes) if event.attributes else None,
    )


def score(touches: Iterable[Touch], scoring: Scoring) -> Score:
    """The score of a ledger, whatever order it is given in."""
    return Rulebook(scoring).score(touches)


class Rulebook:
    """A unit's scoring policy, made ready to be applied many times."""

    def __init__(self, scoring: Scoring) -> None:
        self._scoring = scoring
        self._fit = [(rule.field, _comparison(rule), reason(rule.rule, rule.points, "fit")) for rule in scoring.fit]
        fields = dict.fromkeys(rule.field for rule in scoring.fit)
        self._latest = [name for name in fields if name not in ("channel", "consent") and "." not in name]
        self._attributes = [name for name in fields if name.startswith(ATTRIBUTE_PREFIX)]
        self._engagement = [(folded(rule.kind), rule) for rule in scoring.engagement]

    def score(self, touches: Iterable[Touch]) -> Score:
        """The score of a ledger: fit of the profile its captures add up to, plus engagement of its interactions."""
        captures: list[Touch] = []
        kinds: Counter[str] = Counter()
        for one in touches:
            if one.kind is None:
                captures.append(one)
            else:
                kinds[folded(one.kind)] += 1
        profile = self.profile(captures)
        reasons = [gives for field, holds, gives in self._fit if holds(profile.get(field))]
        fit = self._held(sum(one.points for one in reasons), self._scoring.fit_at_most, "fit", reasons)
        earned = [
            reason(rule.rule, rule.points * min(kinds[kind], rule.at_most), "engagement")
            for kind, rule in self._engagement
            if kind in kinds
        ]
        reasons += earned
        points = sum(one.points for one in earned)
        engagement = self._held(points, self._scoring.engagement_at_most, "engagement", reasons)
        total = fit + engagement
        held = min(max(total, LOWEST), HIGHEST)
        if held != total:
            reasons.append(
                reason(f"a score is at {'least' if total < LOWEST else 'most'} {held}", held - total, "range")
            )
        grade = next(grade.grade for grade in self._scoring.grades if held >= grade.at_least)
        return Score(held, grade, fit, engagement, tuple(reasons))

    def profile(self, captures: Sequence[Touch]) -> dict[str, Value]:
        """What the captures say together, of the fields rules look at: the latest known value of each, the channel of
        the first, the purposes consented to in the end. A field nobody knows is absent."""
        profile: dict[str, Value] = {}
        if not captures:
            return profile
        if len(captures) > 1:
            captures = sorted(captures, key=_order)
        profile["channel"] = captures[0].channel
        consents: dict[str, bool] = {}
        for one in captures:
            for name in self._latest:
                value = getattr(one, name)
                if value:
                    profile[name] = value
            if one.attributes:
                for name in self._attributes:
                    value = one.attributes.get(name[len(ATTRIBUTE_PREFIX) :])
                    if value is not None:
                        profile[name] = value
            if one.consents:
                consents.update(one.consents)
        granted = tuple(sorted(purpose for purpose, given in consents.items() if given))
        if granted:
            profile["consent"] = granted
        return profile

    @staticmethod
    def _held(points: int, at_most: int, group: str, reasons: list[Reason]) -> int:
        if points <= at_most:
            return points
        reasons.append(reason(f"{group} counts at most {at_most}", at_most - points, "range"))
        return at_most


def _order(one: Touch) -> tuple[datetime, UUID, UUID]:
    return one.occurred_at, one.event_id, one.lead_id


@lru_cache(maxsize=4096)
def reason(rule: str, points: int, group: Any) -> Reason:
    """One rule's contribution. There are few different ones, and each is made once."""
    return Reason(rule=rule, points=points, group=group)


def _comparison(rule: FitRule) -> Callable[[Value | None], bool]:
    """The rule's one comparison as a test of a value. A value that is not known fails all but `present: false`."""
    if rule.present is not None:
        wanted = rule.present
        return lambda value: (value is not None) == wanted
    if rule.at_least is not None:
        floor = rule.at_least
        return lambda value: value is not None and _number(value) >= floor
    if rule.contains is not None:
        sought = tuple(spaced(word) for word in rule.contains)
        return lambda value: any(word in text for text in _each(value, spaced) for word in sought)
    wanted_texts = frozenset(_text(value) for value in (rule.one_of if rule.one_of is not None else (rule.equals,)))
    return lambda value: any(text in wanted_texts for text in _each(value, _text))


def _each(value: Value | None, reading: Callable[[Any], str]) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(reading(one) for one in value) if isinstance(value, tuple) else (reading(value),)


@lru_cache(maxsize=65536)
def folded(text: str) -> str:
    """Text without the differences that do not matter to a rule: letter case, width and ligatures, space around it."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


@lru_cache(maxsize=65536)
def _spaced(text: str) -> str:
    return f" {' '.join(WORD.findall(folded(text)))} "


def spaced(value: Any) -> str:
    """The words of a value between single spaces, one at each end too, so that a phrase is found only as whole words."""
    return _spaced(str(value))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return folded(str(value))


def _number(value: Value) -> float:
    """The number a value is or spells, or minus infinity, which is at least nothing."""
    if isinstance(value, bool | tuple):
        return -math.inf
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return -math.inf
    return number if math.isfinite(number) else -math.inf


def _short(text: str | None) -> str | None:
    return text[:LONGEST_TEXT] if text else None


def _scalars(sent: Mapping[str, Any], wanted: Collection[str]) -> dict[str, Any] | None:
    kept = {}
    for name in wanted:
        value = sent.get(name)
        if isinstance(value, str):
            value = _short(value)
        elif isinstance(value, float) and not math.isfinite(value):
            value = None
        if isinstance(value, bool | int | float | str):
            kept[name] = value
    return kept or None
