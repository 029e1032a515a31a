"""Behind a number: what each thing that was counted adds to it, so that all of them together are the number again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from services.metrics.domain.answers import Group
from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import (
    Accuracy,
    Attainment,
    Best,
    Churn,
    Cost,
    Count,
    Coverage,
    DataQuality,
    Due,
    Duration,
    Incidence,
    MoneyMean,
    MoneyRatio,
    MoneyTotal,
    Pace,
    PerCustomer,
    PerDay,
    PerVisitor,
    Projected,
    Ranking,
    Ratio,
    Reach,
    Return,
    Satisfaction,
    Share,
    Stay,
    TimeToEvent,
    Velocity,
    Visitors,
    Weighted,
    Worth,
)
from services.metrics.domain.questions import Question
from services.metrics.domain.rollups import DAY_SECONDS

OF_DEALS = frozenset(
    {
        Measure.COHORT_REVENUE,
        Measure.OPPORTUNITY_OPENED,
        Measure.OPPORTUNITY_OPEN,
        Measure.OPPORTUNITY_WON,
        Measure.OPPORTUNITY_LOST,
        Measure.COHORT_WON,
        Measure.COHORT_LOST,
        Measure.STAGE_ENTERED,
        Measure.STAGE_ADVANCED,
        Measure.STAGE_DROPPED,
        Measure.STAGE_FAILED,
        Measure.STAGE_SPELL,
    }
)
"""Measures of opportunities: their entries' keys end with the opportunity's id."""


NOT_GOOD = (Measure.LEAD_WITHOUT_SOURCE, Measure.LEAD_UNREACHABLE)
"""What a good record does not lack; no record lacks both."""


class Counted(NamedTuple):
    """One entry behind a number, in one of the number's groups. An open deal has the chance that the forecast gives it."""

    group: Group
    root_id: UUID
    key: str
    measure: Measure
    at: datetime
    cohort_at: datetime
    stage: str | None
    reason: str | None
    duration_seconds: float | None
    negative: bool
    amount: Decimal | None
    currency: str | None
    score: int | None
    share: Decimal = Decimal(1)
    chance: float | None = None

    @property
    def subject(self) -> str:
        """What of the lead it is about, the same for all measures of one thing."""
        return self.key.removeprefix(self.measure).removeprefix(":")

    @property
    def opportunity_id(self) -> str | None:
        """The deal it is about."""
        name, _, deal = self.subject.partition(":")
        return deal if self.measure in OF_DEALS and name not in ("order", "refund") else None


class Weight(NamedTuple):
    """What one entry adds above the line, below it, and to how many stand behind."""

    numerator: Decimal = Decimal(0)
    denominator: Decimal = Decimal(0)
    n: Decimal = Decimal(0)

    def times(self, share: Decimal) -> Weight:
        """So much of it."""
        return self if share == 1 else Weight(*(part * share for part in self))


NOTHING = Weight()
ONE = Decimal(1)


class Behind(NamedTuple):
    """One thing that a number is made of: a lead, or one of its opportunities, stays or activities, with all that was counted of it."""

    lead_id: UUID
    group: Group
    weight: Weight
    counted: tuple[Counted, ...]


def behind(question: Question, counted: Iterable[Counted]) -> Iterator[Behind]:
    """The things that entries are of, in a steady order. What adds nothing is left out, but for what a record lacks, which stands
    with its lead."""
    keeps = isinstance(question.definition.form, DataQuality)

    def place(one: Counted) -> tuple[UUID, str, tuple[tuple[bool, str], ...]]:
        return one.root_id, one.subject, tuple((part is None, part or "") for part in one.group)

    ordered = sorted(counted, key=lambda one: (place(one), one.measure, one.at))
    for (root_id, *_), found in groupby(ordered, key=place):
        weighed = [(one, weigh(question, one).times(one.share)) for one in found]
        told = [one for one, weight in weighed if keeps or weight != NOTHING]
        if any(weight != NOTHING for _, weight in weighed):
            sums = Weight(*(sum(parts, Decimal(0)) for parts in zip(*(weight for _, weight in weighed), strict=True)))
            yield Behind(root_id, told[0].group, sums, tuple(told))


def weigh(question: Question, one: Counted) -> Weight:
    """What an entry adds to the number that is asked for. What was spent is no entry: it comes off, or is shared out, after that."""
    amount = one.amount if one.amount is not None else Decimal(0)
    match question.definition.form:
        case Count() | PerDay():
            return Weight(ONE, n=ONE)
        case Ratio(numerator, denominator):
            below = ONE if one.measure in denominator else Decimal(0)
            return Weight(ONE if one.measure == numerator else Decimal(0), below, below)
        case Share(began, reached):
            return _of_cohort(one, began, one.measure == reached)
        case MoneyRatio(numerator, denominator):
            above = amount if one.measure == numerator else Decimal(0)
            return Weight(above, amount, ONE) if one.measure in denominator else Weight(above)
        case MoneyTotal():
            return Weight(amount, n=ONE)
        case Return(_, revenue):
            return Weight(amount) if one.measure == revenue else Weight(n=ONE)
        case MoneyMean():
            return Weight(amount, ONE if one.currency else Decimal(0), ONE)
        case Duration() | Stay():
            seconds = one.duration_seconds
            return NOTHING if seconds is None else Weight(Decimal(str(seconds)), ONE, ONE)
        case Reach(began):
            if one.measure == began:
                return Weight(denominator=ONE)
            return Weight(ONE, n=ONE if one.duration_seconds is not None else Decimal(0))
        case Velocity(_, won):
            return Weight(n=ONE) if one.measure == won else Weight(denominator=ONE)
        case PerVisitor():
            return Weight(ONE)
        case Visitors():
            return NOTHING
        case DataQuality():
            if one.measure is Measure.LEAD_CREATED:
                return Weight(ONE, ONE, ONE)
            return Weight(-ONE) if one.measure in NOT_GOOD else NOTHING
        case Cost():
            return Weight(denominator=ONE, n=ONE)
        case Incidence(began, reached):
            return _of_cohort(one, began, one.measure == reached and _within(question, one))
        case TimeToEvent(began, reached):
            if one.measure == began:
                return Weight(denominator=ONE)
            if one.measure == reached and one.negative:
                return Weight(denominator=-ONE)
            in_time = one.measure == reached and _within(question, one)
            return Weight(ONE, n=ONE) if in_time else NOTHING
        case Ranking(began, reached):
            if one.score is None or one.cohort_at > question.cutoff:
                return NOTHING
            in_time = one.at <= one.cohort_at + timedelta(days=question.horizon_days)
            return _of_cohort(one, began, one.measure == reached and in_time)
        case Due(_, kept):
            if one.at > question.as_of:
                return NOTHING
            return Weight(ONE) if one.measure == kept else Weight(denominator=ONE, n=ONE)
        case PerCustomer(money):
            return Weight(amount) if one.measure == money else _one_customer(one)
        case Projected() | Worth() | Best():
            return Weight(n=_one_customer(one).n)
        case Churn():
            return Weight(ONE) if one.measure == Measure.CUSTOMER_LOST else NOTHING
        case Satisfaction():
            below = ONE if one.measure == Measure.SATISFACTION_TOLD else Decimal(0)
            return Weight(ONE if one.measure == Measure.SATISFIED else Decimal(0), below, below)
        case Weighted(still_open):
            return Weight(amount * Decimal(str(one.chance or 0)) if one.measure == still_open else amount, n=ONE)
        case Coverage():
            return Weight(amount, n=ONE) if one.currency == question.currency else NOTHING
        case Attainment() | Pace() | Accuracy():
            raise TypeError("behind a target is what is held against it, behind frozen forecasts nobody")


def _of_cohort(one: Counted, began: Measure, reached: bool) -> Weight:
    if one.measure == began:
        return Weight(denominator=ONE, n=ONE)
    return Weight(ONE) if reached else NOTHING


def _one_customer(one: Counted) -> Weight:
    return Weight(denominator=ONE, n=ONE) if one.measure == Measure.CUSTOMER else NOTHING


def _within(question: Question, one: Counted) -> bool:
    return (one.duration_seconds or 0.0) <= question.horizon_days * DAY_SECONDS
