"""Who a lead is: what its captures say together, of the fields that rules look at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from services.scoring.domain.touches import Touch, in_order
from shared.contracts.conditions import (
    ATTRIBUTE_PREFIX,
    Comparison,
    Condition,
    Known,
    Not,
    Value,
    compiled,
    value_test,
)
from shared.contracts.policy import SEGMENT, FitRule
from shared.contracts.spelling import one_label

Profile = Mapping[str, Value]
"""The fields that are known."""


class Fields:
    """The fields somebody looks at, ready to be read from captures many times."""

    def __init__(self, names: Collection[str]) -> None:
        ordered = dict.fromkeys(names)
        known = {"channel", "consent", SEGMENT}
        self._latest = [name for name in ordered if name not in known and not name.startswith(ATTRIBUTE_PREFIX)]
        self._attributes = [
            (name, name[len(ATTRIBUTE_PREFIX) :]) for name in ordered if name.startswith(ATTRIBUTE_PREFIX)
        ]

    def profile(self, captures: Sequence[Touch]) -> dict[str, Value]:
        """The latest known value of each field, the channel of the first capture, the purposes consented to in the end.
        A field nobody knows is absent."""
        profile: dict[str, Value] = {}
        if not captures:
            return profile
        if len(captures) > 1:
            captures = sorted(captures, key=in_order)
        profile["channel"] = captures[0].channel
        consents: dict[str, tuple[str, bool]] = {}
        for one in captures:
            for name in self._latest:
                value = getattr(one, name)
                if value:
                    profile[name] = value
            if one.attributes:
                for name, attribute in self._attributes:
                    value = one.attributes.get(attribute)
                    if value is not None:
                        profile[name] = value
            if one.consents:
                consents.update({one_label(said[0]): said for said in one.consents.items()})
        granted = tuple(sorted(purpose for purpose, given in consents.values() if given))
        if granted:
            profile["consent"] = granted
        return profile


def profile_reader(field: str) -> Callable[[Profile], Value | None]:
    """How a condition finds a field of a profile."""
    return lambda profile: profile.get(field)


def interaction_reader(field: str) -> Callable[[Touch], Value | None]:
    """How a condition finds a field of an interaction."""
    if field.startswith(ATTRIBUTE_PREFIX):
        name = field[len(ATTRIBUTE_PREFIX) :]

        def attribute(touch: Touch) -> Value | None:
            value: Any = touch.attributes.get(name) if touch.attributes else None
            return value  # type: ignore[no-any-return]

        return attribute
    return lambda touch: None if (value := getattr(touch, field)) == "" else value


def condition_of(rule: FitRule) -> Condition:
    """A rule's one comparison as the condition it stands for."""
    if rule.condition is not None:
        return rule.condition
    field = str(rule.field)
    if rule.present is not None:
        return Known(field) if rule.present else Not(Known(field))
    if rule.at_least is not None:
        return Comparison(field, ">=", (rule.at_least,))
    if rule.contains is not None:
        return Comparison(field, "contains", rule.contains)
    if rule.one_of is not None:
        return Comparison(field, "==", rule.one_of)
    assert rule.equals is not None
    return Comparison(field, "==", (rule.equals,))


def fit_test(rule: FitRule) -> tuple[str | None, Callable[[Any], bool]]:
    """Whether a profile fulfils a rule: a test of one field's value where it looks at one only, else of the whole."""
    condition = condition_of(rule)
    match condition:
        case Known(field) | Comparison(field):
            return field, value_test(condition)
        case Not(Known(field)):
            return field, lambda value: value is None
        case _:
            return None, compiled(condition, profile_reader)
