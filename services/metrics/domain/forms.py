"""How a KPI is computed: each form is a rule with its parts, and a definition is one form with a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.metrics.domain.entries import Measure
from services.metrics.domain.quality import LACKING
from services.metrics.domain.spend_kinds import SpendKind

Basis = Literal["period", "cohort", "snapshot"]
Unit = Literal[
    "leads", "visitors", "opportunities", "activities", "orders", "leads per day", "ratio", "seconds", "months", "currency", "currency per day"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Count:
    """How many; where they are `timed`, how long they took together beside it."""

    measure: Measure
    timed: bool = False


@dataclass(frozen=True, slots=True)
class PerDay:
    """How many, for each day of the window that has passed."""

    measure: Measure


@dataclass(frozen=True, slots=True)
class Ratio:
    """One count divided by the sum of others. A `proportion` cannot exceed 1 and has an interval when small."""

    numerator: Measure
    denominator: tuple[Measure, ...]
    proportion: bool


@dataclass(frozen=True, slots=True)
class Share:
    """Of those whose cohort began in the window, the share that `reached` something. `decided` are the outcomes after
    which waiting is over."""

    began: Measure
    reached: Measure
    decided: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class MoneyRatio:
    """One sum of money divided by another."""

    numerator: Measure
    denominator: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class MoneyTotal:
    """A sum of money."""

    measure: Measure


@dataclass(frozen=True, slots=True)
class MoneyMean:
    """Money for each one, with the median beside it."""

    measure: Measure


@dataclass(frozen=True, slots=True)
class Duration:
    """How long: the median, with mean and quantiles."""

    measure: Measure


@dataclass(frozen=True, slots=True)
class Stay:
    """How long stays took that ended: the median, with mean and quantiles; beside it how old those are that did not (`open`), and
    what the stays of each one add up to."""

    ended: Measure
    open: Measure


@dataclass(frozen=True, slots=True)
class DataQuality:
    """How good the records are, in parts."""


@dataclass(frozen=True, slots=True)
class Visitors:
    """How many different visitors were there."""


@dataclass(frozen=True, slots=True)
class PerVisitor:
    """How many there are for each visitor."""

    measure: Measure


@dataclass(frozen=True, slots=True)
class Reach:
    """How long it took for those of a cohort that something happened to, with how many it never happened to."""

    began: Measure
    reached: Measure


@dataclass(frozen=True, slots=True)
class Velocity:
    """Money a day that a pipeline brings: how many open × the share won × what one is worth ÷ how long it takes."""

    opened: Measure
    won: Measure
    lost: Measure


@dataclass(frozen=True, slots=True)
class Cost:
    """What was spent on some kinds of thing, for each one that came of it; where it is `lagged`, some days later if that is asked for."""

    kinds: tuple[SpendKind, ...]
    measure: Measure
    lagged: bool = False


@dataclass(frozen=True, slots=True)
class Return:
    """What came in of a cohort's customers beyond what was spent, for each unit of money spent."""

    kinds: tuple[SpendKind, ...]
    revenue: Measure


@dataclass(frozen=True, slots=True)
class Incidence:
    """The share of a cohort that reached an outcome within the horizon, with a competing one in its way."""

    began: Measure
    reached: Measure
    competing: Measure


@dataclass(frozen=True, slots=True)
class TimeToEvent:
    """How long the outcome takes for those who have it within the horizon, from the incidence curve."""

    began: Measure
    reached: Measure
    competing: Measure


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well the first score told which of a cohort would reach an outcome within the horizon."""

    began: Measure
    reached: Measure


@dataclass(frozen=True, slots=True)
class Weighted:
    """What open deals are worth, each by how likely its stage says it is won, and what was won."""

    still_open: Measure
    won: Measure


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How far off forecasts were that were frozen before a period began."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What open deals are worth in full, for each part that a target still lacks."""


@dataclass(frozen=True, slots=True)
class Attainment:
    """How much of a target for another number is there."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much of what should be there by now."""


@dataclass(frozen=True, slots=True)
class Due:
    """Of those whose time came in the window, the share that was gone on with."""

    due: Measure
    kept: Measure


@dataclass(frozen=True, slots=True)
class PerCustomer:
    """Money to date for each customer of a cohort."""

    money: Measure


@dataclass(frozen=True, slots=True)
class Projected:
    """Money a customer brings a month ÷ the share that leaves a month, for a time that is capped."""

    money: Measure


@dataclass(frozen=True, slots=True)
class Worth:
    """What a customer is expected to bring, beside what one cost: how many times as much (`months` False), or after how many months
    it is paid back."""

    kinds: tuple[SpendKind, ...]
    money: Measure
    months: bool


@dataclass(frozen=True, slots=True)
class Best:
    """The customers who are worth most, by margin where that is known of all of them, and their share of what all are worth."""

    margin: Measure
    revenue: Measure


@dataclass(frozen=True, slots=True)
class Churn:
    """Of customers at the beginning of the window, the share that left in it."""


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """The share of good answers, and how many of those who were asked answered at all."""


Form = (
    Count
    | PerDay
    | Ratio
    | Share
    | MoneyRatio
    | MoneyTotal
    | MoneyMean
    | Duration
    | Stay
    | Visitors
    | DataQuality
    | PerVisitor
    | Reach
    | Velocity
    | Cost
    | Return
    | Incidence
    | TimeToEvent
    | Ranking
    | Weighted
    | Accuracy
    | Coverage
    | Attainment
    | Pace
    | Due
    | PerCustomer
    | Projected
    | Worth
    | Best
    | Churn
    | Satisfaction
)


@dataclass(frozen=True, slots=True)
class Definition:
    """One number with a name. `counter_kpi` is the one that keeps it honest."""

    id: str
    unit: Unit
    basis: Basis
    form: Form
    formula: str
    trap: str
    counter_kpi: str
    version: int = 1

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Every measure it is made from."""
        match self.form:
            case Count(measure) | PerDay(measure) | MoneyTotal(measure) | MoneyMean(measure) | Duration(measure):
                return (measure,)
            case Stay(ended):
                return (ended,)
            case Visitors():
                return ()
            case DataQuality():
                return (Measure.LEAD_CREATED, *LACKING, Measure.LEAD_REPEATED, Measure.LEAD_LATE)
            case PerVisitor(measure):
                return (measure,)
            case Ratio(numerator, denominator) | MoneyRatio(numerator, denominator):
                return tuple(dict.fromkeys((numerator, *denominator)))
            case Share(began, reached, decided):
                return tuple(dict.fromkeys((began, reached, *decided)))
            case Incidence(began, reached, competing) | TimeToEvent(began, reached, competing):
                return (began, reached, competing)
            case Ranking(began, reached) | Reach(began, reached):
                return (began, reached)
            case Cost(_, measure):
                return (measure,)
            case Return(_, revenue):
                return (Measure.COHORT_CUSTOMER, revenue)
            case Velocity(opened, won, lost):
                return (opened, won, lost)
            case Weighted(still_open, won):
                return (still_open, won)
            case Attainment() | Pace() | Coverage() | Accuracy():
                return ()
            case Due(due, kept):
                return (due, kept)
            case PerCustomer(money):
                return (Measure.CUSTOMER, Measure.CUSTOMER_IN, money)
            case Projected(money) | Worth(_, money, _):
                return (Measure.CUSTOMER, money)
            case Best(margin, revenue):
                return (Measure.CUSTOMER, margin, revenue)
            case Churn():
                return (Measure.CUSTOMER, Measure.CUSTOMER_RETURNED, Measure.CUSTOMER_LOST)
            case Satisfaction():
                return (
                    Measure.SATISFIED,
                    Measure.SATISFACTION_TOLD,
                    Measure.SATISFACTION_ASKED,
                    Measure.SATISFACTION_REPLIED,
                )
