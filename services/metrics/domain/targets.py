"""What somebody wants a number to be: read as it is meant, and held against what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID, uuid5

from services.metrics.domain.answers import Values, plain
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.forms import (
    Accuracy,
    Attainment,
    Churn,
    Cost,
    Count,
    Coverage,
    Definition,
    MoneyTotal,
    Pace,
    Visitors,
)
from services.metrics.domain.freezing import FROZEN_BY
from services.metrics.domain.known_by import known_by

TARGETS = UUID("8d0a53c5-2c52-5c0e-9a63-5f0f6f2c7d41")

TargetForm = Attainment | Pace | Coverage


class Reading(StrEnum):
    """How the value of a target is meant: as it stands, as a share more than the baseline, or so many points more than it:
    0.30, 20 % more and 5 points more are the same target from a rate of 0.25 on."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"
    POINTS = "points"


class Baseline(StrEnum):
    """From where a target starts: a value that is told, or what the same number was a period or a year earlier."""

    FIXED = "fixed"
    PREVIOUS_PERIOD = "previous_period"
    LAST_YEAR = "last_year"


class Direction(StrEnum):
    """Whether more is better."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"


@dataclass(frozen=True, slots=True)
class Aim:
    """What one target says. Without a business unit it is one of everybody; `cut` names for whom or what else it is."""

    business_unit: str | None
    kpi: str
    cut: Mapping[str, str]
    first_day: date
    after_day: date
    value: Decimal
    reading: Reading = Reading.ABSOLUTE
    baseline: Baseline | None = None
    baseline_value: Decimal | None = None
    direction: Direction = Direction.AT_LEAST
    currency: str | None = None
    note: str | None = None

    @property
    def target_id(self) -> UUID:
        """The same number of the same people and days has the same target."""
        cut = [part for name in sorted(self.cut) for part in (name, self.cut[name])]
        parts = [self.business_unit or "", self.kpi, self.first_day.isoformat(), self.after_day.isoformat(), *cut]
        return uuid5(TARGETS, "\x1f".join(parts))


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What holds now, who said so, and whether something else held before: `moved` is how often, `first_value`
    is what it said first, and `moved_since_start` how often it was changed after its period had begun."""

    target_id: UUID
    aim: Aim
    set_by: str
    set_at: datetime
    moved: int
    first_value: Decimal
    first_set_at: datetime
    moved_since_start: int


class Standing(NamedTuple):
    """A target and where it is: what there is, what is wanted in the end, where it started, and the share of its days that
    have passed. None is what is not known. Amounts are in the target's currency; those `without_rate` are not in it."""

    target: Target
    definition: Definition
    actual: float | None
    n: int
    wanted: float | None
    baseline: float | None
    elapsed_share: float
    without_rate: tuple[str, ...] = ()

    @property
    def expected(self) -> float | None:
        """What should be there by now."""
        if self.wanted is None:
            return None
        if accumulates(self.definition):
            return self.wanted * self.elapsed_share
        if self.baseline is None:
            return None
        return self.baseline + (self.wanted - self.baseline) * self.elapsed_share

    @property
    def attainment(self) -> float | None:
        """What is there of what is wanted."""
        return _share(self.actual, self.wanted)

    @property
    def pace(self) -> float | None:
        """What is there of what should be there by now."""
        return _share(self.actual, self.expected)

    @property
    def on_target(self) -> bool | None:
        """Whether what is there is enough, or little enough."""
        return self._reaches(self.wanted)

    @property
    def on_pace(self) -> bool | None:
        """Whether what is there is enough for now, or little enough."""
        return self._reaches(self.expected)

    @property
    def off_pace(self) -> float | None:
        """How far off what should be there by now, in parts of it."""
        if self.actual is None or not self.expected:
            return None
        return abs(self.actual - self.expected) / abs(self.expected)

    def _reaches(self, wanted: float | None) -> bool | None:
        if self.actual is None or wanted is None:
            return None
        if self.target.aim.direction is Direction.AT_MOST:
            return self.actual <= wanted
        if wanted == 0 and accumulates(self.definition):
            return None  # nothing is wanted yet
        return self.actual >= wanted


def _share(actual: float | None, wanted: float | None) -> float | None:
    """None of nothing, and of what is wanted below it, of which less is more."""
    return None if actual is None or wanted is None or wanted <= 0 else actual / wanted


def accumulates(definition: Definition) -> bool:
    """Whether a number grows with the days of its window, as counts and sums do. Rates, means and durations do not."""
    return definition.basis == "period" and isinstance(definition.form, Count | MoneyTotal | Visitors)


def can_be_aimed_at(definition: Definition) -> bool:
    """Whether a number can have a target: those about targets cannot."""
    return not isinstance(definition.form, TargetForm)


def is_judged(definition: Definition) -> bool:
    """Whether a number is of what was frozen: of one business unit, or of all."""
    return isinstance(definition.form, Accuracy)


def aimed_by(definition: Definition) -> tuple[str, ...]:
    """By what a target can be cut, beside a business unit: what its number is known by."""
    if is_judged(definition):
        return FROZEN_BY
    known = known_by(definition.form)
    return DIMENSIONS if known is None else tuple(name for name in known.cuts if name in DIMENSIONS)


def is_known(aim: Aim, definition: Definition) -> bool:
    """Whether there is such a number of those whom a target is of."""
    return set(aim.cut) <= set(aimed_by(definition)) and not (is_judged(definition) and len(aim.cut) > 1)


LESS_IS_BETTER = frozenset(
    {"leads_marked", "leads_archived", "opportunities_lost", "stage_drop_off", "order_refunds", "forecast_accuracy"}
)
"""Beside times, costs and customers who leave: what is lost, put aside or paid back, and how far off forecasts are."""


def usual_direction(definition: Definition) -> Direction:
    """Of some numbers less is better, of everything else more is."""
    less = definition.unit in ("seconds", "months") or isinstance(definition.form, Cost | Churn)
    return Direction.AT_MOST if less or definition.id in LESS_IS_BETTER else Direction.AT_LEAST


def needs_baseline(reading: Reading) -> bool:
    """Whether a value means nothing without where it starts from."""
    return reading is not Reading.ABSOLUTE


def wanted(aim: Aim, baseline: float | None) -> float | None:
    """The number to be reached; None while nobody knows from where."""
    value = float(aim.value)
    if aim.reading is Reading.ABSOLUTE:
        return value
    if baseline is None:
        return None
    return baseline * (1 + value) if aim.reading is Reading.RELATIVE else baseline + value


def elapsed_share(start: datetime, end: datetime, now: datetime) -> float:
    """How much of the time from one moment to another has passed, 0 to 1."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)  # of one zone they would be subtracted by its clock
    return min(max((now - start) / (end - start), 0.0), 1.0)


def standing_values(form: TargetForm, standing: Standing | None) -> Values:
    """A target's attainment or pace as an answer; nobody's target is no number."""
    if standing is None:
        return {**plain(None, 0, None, 0), "target": None}
    if isinstance(form, Attainment):
        share, wanted_now, is_good = standing.attainment, standing.wanted, standing.on_target
    else:
        share, wanted_now, is_good = standing.pace, standing.expected, standing.on_pace
    return {
        **plain(share, standing.actual or 0, wanted_now, standing.n),
        "actual": standing.actual,
        "on_target": is_good,
        "target": shown(standing),
    }


def coverage_values(standing: Standing | None, still_open: Values | None, rate: Values | None) -> Values:
    """How often what is open covers what a target lacks, beside how often it should: 1 ÷ the share that is won. What is
    reached already needs no cover."""
    if standing is None or standing.wanted is None:
        return {**plain(None, 0, None, 0), "needed": None, "target": None if standing is None else shown(standing)}
    own = still_open or {}
    currency = standing.target.aim.currency
    if own.get("currency") != currency:
        own = own.get("by_currency", {}).get(currency, {})
    lacks = standing.wanted - (standing.actual or 0.0)
    amount, share = float(own.get("open", 0.0)), (rate or {}).get("value")
    return {
        **plain(amount / lacks if lacks > 0 else None, amount, max(lacks, 0.0), int(own.get("open_n", 0))),
        "needed": 1 / share if share else None,
        "currency": currency,
        "target": shown(standing),
    }


def shown(standing: Standing) -> Values:
    """A target for whoever reads a number that rests on it, with whether it was moved."""
    target, aim = standing.target, standing.target.aim
    return {
        "target_id": target.target_id,
        "kpi": aim.kpi,
        "business_unit": aim.business_unit,
        "cut": dict(aim.cut),
        "from": aim.first_day,
        "to": aim.after_day,
        "value": standing.wanted,
        "expected_by_now": standing.expected,
        "baseline": standing.baseline,
        "elapsed_share": standing.elapsed_share,
        "direction": aim.direction,
        "currency": aim.currency,
        "without_rate": standing.without_rate,
        "set_by": target.set_by,
        "set_at": target.set_at,
        "moved": None
        if target.moved == 0
        else {
            "times": target.moved,
            "since_start": target.moved_since_start,
            "first_value": float(target.first_value),
            "first_set_at": target.first_set_at,
        },
    }


def actual_of(values: Values | None, aim: Aim, definition: Definition) -> tuple[float | None, int]:
    """What an answer says, and how many stand behind it. Where money is asked about: in the currency of the target, in which
    those are not that have no rate."""
    nothing = 0.0 if accumulates(definition) else None
    if values is None:
        return nothing, 0
    n = int(values.get("n") or 0)
    if aim.currency is None or values.get("currency") == aim.currency:
        return _number(values.get("value")), n
    own = values.get("by_currency", {}).get(aim.currency)
    return (nothing, 0) if own is None else (_number(own.get("value")), int(own.get("n") or 0))


def is_money(definition: Definition) -> bool:
    """Whether a number is an amount."""
    return definition.unit in ("currency", "currency per day")


def others_of(values: Values | None, aim: Aim) -> tuple[str, ...]:
    """The currencies of an answer that are not in the number of the target."""
    if values is None or aim.currency is None:
        return ()
    met = {*values.get("by_currency", ()), values.get("currency")} - {aim.currency, None}
    return tuple(sorted(str(one) for one in met))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
