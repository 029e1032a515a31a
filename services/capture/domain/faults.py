"""What can be wrong with a payload, said so that its sender can mend it without us repeating what was in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one field, and how to mend it. Never carries the value itself: it may be personal."""

    field: str
    fault: str
    fix: str


def listed(faults: Iterable[Fault]) -> list[dict[str, str]]:
    """Faults as answers and entries have them."""
    return [{"field": one.field, "fault": one.fault, "fix": one.fix} for one in faults]


def describe(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"
