"""A condition as a function of what it is asked about."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from shared.contracts.conditions.language import And, Comparison, Condition, Known, Not, Or
from shared.contracts.conditions.values import Value, number_of, spaced, text_of

Test = Callable[[Any], bool]

ValueTest = Callable[[Value | None], bool]

REMEMBERED = 8_192

Reader = Callable[[str], Callable[[Any], Value | None]]
"""How a field's value is found in what is asked about; made once for each field."""

ORDERS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def compiled(condition: Condition, reader: Reader) -> Test:
    """The condition, ready to be asked many times. What is not known fulfils no comparison."""
    match condition:
        case Known(field) | Comparison(field):
            read, holds = reader(field), value_test(condition)
            return lambda subject: holds(read(subject))
        case Not(inner):
            refused = compiled(inner, reader)
            return lambda subject: not refused(subject)
        case And(parts):
            required = [compiled(part, reader) for part in parts]
            return lambda subject: all(test(subject) for test in required)
        case Or(parts):
            enough = [compiled(part, reader) for part in parts]
            return lambda subject: any(test(subject) for test in enough)


def value_test(condition: Known | Comparison) -> ValueTest:
    """A condition on one field as a test of its value."""
    if isinstance(condition, Known):
        return lambda value: value is not None
    if condition.operator in ORDERS:
        return _ordered(ORDERS[condition.operator], float(condition.literals[0]))
    if condition.operator == "contains":
        phrases = tuple(spaced(literal) for literal in condition.literals)
        return _texts(spaced, lambda text: any(phrase in text for phrase in phrases))
    if condition.operator == "starts with":
        beginnings = tuple(text_of(literal) for literal in condition.literals)
        return _texts(text_of, lambda text: text.startswith(beginnings))
    wanted = frozenset(text_of(literal) for literal in condition.literals)
    return _texts(text_of, wanted.__contains__)


def _ordered(holds: Callable[[float, float], bool], bound: float) -> ValueTest:
    def test(value: Value | None) -> bool:
        number = None if value is None else number_of(value)
        return number is not None and holds(number, bound)

    return test


def _texts(reading: Callable[[Any], str], holds: Callable[[str], bool]) -> ValueTest:
    """Few texts are different, and each is read once."""
    known = lru_cache(maxsize=REMEMBERED)(lambda text: holds(reading(text)))

    def test(value: Value | None) -> bool:
        if value is None:
            return False
        if isinstance(value, str):
            return known(value)
        if isinstance(value, tuple):
            return any(known(one) for one in value)
        return holds(reading(value))

    return test
