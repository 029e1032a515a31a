"""How a value of each unit is shown, compared and judged."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.forms import Ranking
from services.metrics.domain.targets import Direction, usual_direction
from services.metrics.reporting.wording import ABSENT, Wording

Values = Mapping[str, Any]


class Kind(Enum):
    """What a number is, whatever it counts."""

    COUNT = "count"
    RATE = "rate"
    SHARE = "share"
    SCORE = "score"
    DURATION = "duration"
    MONEY = "money"
    MONEY_RATE = "money a day"
    MONTHS = "months"
    MULTIPLE = "multiple"


KINDS: Mapping[str, Kind] = {
    "leads": Kind.COUNT,
    "opportunities": Kind.COUNT,
    "activities": Kind.COUNT,
    "orders": Kind.COUNT,
    "visitors": Kind.COUNT,
    "leads per day": Kind.RATE,
    "ratio": Kind.SHARE,
    "seconds": Kind.DURATION,
    "currency": Kind.MONEY,
    "currency per day": Kind.MONEY_RATE,
    "months": Kind.MONTHS,
}
"""Every unit of a definition."""

MULTIPLES = frozenset({"ltv_to_cac", "pipeline_coverage"})
"""Ratios of unlike things, which nobody reads in percent."""

NEITHER = frozenset({"activities", "visitor_to_lead", "opportunities_open", "lead_to_opportunity_period"})
"""More of these is neither better nor worse."""


def kind_of(kpi: str, unit: str) -> Kind:
    """What a KPI's numbers are; those of a unit that nobody has named here are counts."""
    definition = BY_ID.get(kpi)
    if definition is not None and isinstance(definition.form, Ranking):
        return Kind.SCORE
    if kpi in MULTIPLES:
        return Kind.MULTIPLE
    return KINDS.get(unit, Kind.COUNT)


def is_better(kpi: str, change: float) -> bool | None:
    """Whether a change is to the good; None where that is not to say."""
    if change == 0 or kpi in NEITHER:
        return None
    return (change < 0) == (usual_direction(BY_ID[kpi]) is Direction.AT_MOST)


def shown(words: Wording, kind: Kind, value: float | None, currency: str | None = None) -> str:
    """One value in the language of the report."""
    if value is None:
        return ABSENT
    match kind:
        case Kind.COUNT:
            return words.number(value, 0 if float(value).is_integer() else 1)
        case Kind.RATE:
            return words.text("per_day", n=words.number(value, 1))
        case Kind.SHARE:
            return words.share(value)
        case Kind.SCORE:
            return words.number(value, 3)
        case Kind.DURATION:
            return words.duration(value)
        case Kind.MONEY:
            return words.money(value, currency)
        case Kind.MONEY_RATE:
            return words.text("per_day", n=words.money(value, currency))
        case Kind.MONTHS:
            return words.text("months", n=words.number(value, 1))
        case Kind.MULTIPLE:
            return words.text("times", n=words.number(value, 1))


def values_shown(words: Wording, kind: Kind, values: Values | None) -> tuple[str, ...]:
    """The value, or that of each currency, since they are never added."""
    if values is None:
        return (shown(words, kind, 0 if kind is Kind.COUNT else None),)
    if each := values.get("by_currency"):
        return tuple(shown(words, kind, one.get("value"), currency) for currency, one in sorted(each.items()))
    return (shown(words, kind, values.get("value"), values.get("currency")),)


def on_axis(words: Wording, kind: Kind, value: float) -> str:
    """A value beside the lines of a chart, where there is little room."""
    match kind:
        case Kind.SHARE:
            return words.share(value, 0 if float(round(100 * value, 6)).is_integer() else 1)
        case Kind.DURATION:
            return words.duration(value) if value else words.number(0)
        case Kind.SCORE:
            return words.number(value, 2)
        case _:
            return words.scaled(value)


def change_shown(words: Wording, kind: Kind, now: float | None, then: float | None) -> tuple[str, float]:
    """How far a value moved, in words and as the sign of it: in points for shares, else in percent of what it was."""
    if now is None or then is None:
        return ABSENT, 0.0
    moved = now - then
    if kind is Kind.SHARE:
        if abs(moved) < 0.0005:
            return words.text("unchanged"), 0.0
        return words.text("points", n=words.signed(100 * moved, 1)), moved
    if moved == 0:
        return words.text("unchanged"), 0.0
    if then == 0:
        return words.text("new"), moved
    relative = moved / abs(then)
    return words.change(relative, 0 if abs(relative) >= 1 else 1), moved
