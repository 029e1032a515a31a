"""What each KPI means. A KPI is one definition here and one test; its form says how it is computed.

Change a formula and its version rises; an answer names the version it was made with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.metrics.domain.entries import Measure
from services.metrics.domain.spend_kinds import EVERYTHING, MARKETING, SpendKind

Basis = Literal["period", "cohort", "snapshot"]
Unit = Literal[
    "leads", "opportunities", "attempts", "leads per day", "ratio", "seconds", "currency", "currency per day"
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
    """What was spent on some kinds of thing, for each one that came of it."""

    kinds: tuple[SpendKind, ...]
    measure: Measure


@dataclass(frozen=True, slots=True)
class Return:
    """What came in beyond what was spent, for each unit of money spent."""

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


Form = (
    Count
    | PerDay
    | Ratio
    | Share
    | MoneyRatio
    | MoneyTotal
    | MoneyMean
    | Duration
    | Reach
    | Velocity
    | Cost
    | Return
    | Incidence
    | TimeToEvent
    | Ranking
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
            case Ratio(numerator, denominator) | MoneyRatio(numerator, denominator):
                return tuple(dict.fromkeys((numerator, *denominator)))
            case Share(began, reached, decided):
                return tuple(dict.fromkeys((began, reached, *decided)))
            case Incidence(began, reached, competing) | TimeToEvent(began, reached, competing):
                return (began, reached, competing)
            case Ranking(began, reached) | Reach(began, reached):
                return (began, reached)
            case Cost(_, measure) | Return(_, measure):
                return (measure,)
            case Velocity(opened, won, lost):
                return (opened, won, lost)


M = Measure
DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "leads_created", "leads", "period", Count(M.LEAD_CREATED),
        "leads, merged ones once, created in the window",
        "a lead that is qualified today was still created then", "lead_to_opportunity_cohort",
    ),
    Definition(
        "leads_marked", "leads", "period", Count(M.LEAD_MARKED),
        "leads held out of every other number as tests or spam, by when they came in; group by reason. With leads_created: all",
        "one that is released counts as created from when it came in", "leads_created",
    ),
    Definition(
        "lead_generation_rate", "leads per day", "period", PerDay(M.LEAD_CREATED),
        "leads created ÷ days of the window that have passed",
        "a window that is not over yet has fewer days", "created_to_qualified_cohort",
    ),
    Definition(
        "leads_qualified", "leads", "period", Count(M.LEAD_QUALIFIED),
        "leads whose first qualification is in the window",
        "qualified again counts once", "lead_to_opportunity_cohort",
    ),
    Definition(
        "leads_archived", "leads", "period", Count(M.LEAD_ARCHIVED),
        "leads archived in the window and not reopened since; group by reason",
        "a lead that is reopened leaves", "leads_created",
    ),
    Definition(
        "qualification_rate_decided", "ratio", "period",
        Ratio(M.LEAD_QUALIFIED, (M.LEAD_QUALIFIED, M.LEAD_ARCHIVED), proportion=True),
        "leads qualified ÷ (qualified + archived) in the window",
        "leaves open leads out and so overstates", "created_to_qualified_cohort",
    ),
    Definition(
        "created_to_qualified_cohort", "ratio", "cohort",
        Share(M.LEAD_CREATED, M.COHORT_QUALIFIED, (M.COHORT_QUALIFIED, M.ARCHIVED_BEFORE_QUALIFIED)),
        "of leads created in the window, the share qualified by as_of",
        "young cohorts look bad: read the maturity", "lead_to_opportunity_cohort",
    ),
    Definition(
        "lead_to_opportunity_cohort", "ratio", "cohort",
        Share(M.LEAD_CREATED, M.COHORT_CONVERTED, (M.COHORT_CONVERTED, M.ARCHIVED_BEFORE_CONVERTED)),
        "of leads created in the window, the share with an opportunity by as_of",
        "young cohorts look bad: read the maturity", "leads_created",
    ),
    Definition(
        "lead_to_opportunity_incidence", "ratio", "cohort",
        Incidence(M.LEAD_CREATED, M.COHORT_CONVERTED, M.ARCHIVED_BEFORE_CONVERTED),
        "cumulative incidence at the horizon (Aalen–Johansen): archived competes, open leads wait at their age",
        "treating archived leads as still waiting overstates", "leads_created",
    ),
    Definition(
        "lead_to_opportunity_period", "ratio", "period",
        Ratio(M.LEAD_CONVERTED, (M.LEAD_CREATED,), proportion=False),
        "first opportunities in the window ÷ leads created in the window",
        "different people above and below; follows inflow and can exceed 1", "lead_to_opportunity_cohort",
    ),
    Definition(
        "time_to_convert", "seconds", "cohort",
        TimeToEvent(M.LEAD_CREATED, M.COHORT_CONVERTED, M.ARCHIVED_BEFORE_CONVERTED),
        "quantiles of F(t) ÷ F(horizon), F being the incidence curve",
        "the mean of those converted so far is too short", "lead_to_opportunity_incidence",
    ),
    Definition(
        "score_quality", "ratio", "cohort", Ranking(M.LEAD_CREATED, M.COHORT_CONVERTED),
        "AUC of the first score told within a day of the lead, against its first opportunity after that and within the "
        "horizon, of leads as old as the horizon; beside it the lift of the best tenth, and of the model's probability AUC, "
        "lift, Brier and calibration by decile",
        "a score told after the outcome knows it: such leads, and imported ones, are left out; who is called first because of "
        "a high score converts more often", "lead_to_opportunity_cohort",
    ),
    Definition(
        "lead_to_customer_cohort", "ratio", "cohort",
        Share(M.LEAD_CREATED, M.COHORT_CUSTOMER, (M.COHORT_CUSTOMER, M.FAILED_BEFORE_CUSTOMER)),
        "of leads created in the window, the share with a won opportunity by as_of",
        "not the product of the rates of the steps", "average_deal_value",
    ),
    Definition(
        "lead_to_customer_incidence", "ratio", "cohort",
        Incidence(M.LEAD_CREATED, M.COHORT_CUSTOMER, M.FAILED_BEFORE_CUSTOMER),
        "cumulative incidence of the first win at the horizon (Aalen–Johansen): archived, or every opportunity lost, competes",
        "a horizon shorter than the sales cycle shows nobody", "average_deal_value",
    ),
    Definition(
        "speed_to_lead", "seconds", "cohort", Reach(M.LEAD_CREATED, M.COHORT_CONTACTED),
        "first outbound attempt by a human − created, of leads created in the window; never_contacted counts the others",
        "an automatic reply is no contact; the median is of those contacted so far", "sla_attainment",
    ),
    Definition(
        "sla_attainment", "ratio", "period",
        Ratio(M.RESPONSE_MET, (M.RESPONSE_MET, M.RESPONSE_BREACHED), proportion=True),
        "first responses given in time ÷ (in time + not in time), by when they were given or due",
        "an answer after its time is a breach at its time; one that was called off is neither", "speed_to_lead",
    ),
    Definition(
        "activities", "attempts", "period", Count(M.CONTACT_ATTEMPTED, timed=True),
        "outbound attempts to reach leads, by people and by machines, with how long those took that say so; group by reason "
        "for their kind, by owner for who",
        "busy is not effective", "lead_to_opportunity_cohort",
    ),
    Definition(
        "opportunities_opened", "opportunities", "period", Count(M.OPPORTUNITY_OPENED),
        "opportunities opened in the window",
        "an opportunity opens at its first fact, whatever that says", "win_rate_count",
    ),
    Definition(
        "opportunities_won", "opportunities", "period", Count(M.OPPORTUNITY_WON),
        "opportunities won in the window", "count without value", "average_deal_value",
    ),
    Definition(
        "opportunities_lost", "opportunities", "period", Count(M.OPPORTUNITY_LOST),
        "opportunities lost in the window and not reopened since; group by reason or by the stage they were lost from",
        "a reopened one leaves", "opportunities_opened",
    ),
    Definition(
        "opportunities_open", "opportunities", "snapshot", Count(M.OPPORTUNITY_OPEN),
        "opportunities neither won nor lost at as_of; group by stage. from and to are not used",
        "a state, not a flow", "time_in_stage",
    ),
    Definition(
        "opportunity_to_won_cohort", "ratio", "cohort",
        Share(M.OPPORTUNITY_OPENED, M.COHORT_WON, (M.COHORT_WON, M.COHORT_LOST)),
        "of opportunities opened in the window, the share won by as_of",
        "young cohorts look bad: read the maturity", "average_deal_value",
    ),
    Definition(
        "win_rate_count", "ratio", "period",
        Ratio(M.OPPORTUNITY_WON, (M.OPPORTUNITY_WON, M.OPPORTUNITY_LOST), proportion=True),
        "won ÷ (won + lost), by close date", "open ones are left out", "win_rate_value",
    ),
    Definition(
        "win_rate_value", "ratio", "period", MoneyRatio(M.OPPORTUNITY_WON, (M.OPPORTUNITY_WON, M.OPPORTUNITY_LOST)),
        "Σ won value ÷ Σ (won value + last amount before loss), by close date",
        "a loss recorded as 0 makes it 1; one large deal dominates", "win_rate_count",
    ),
    Definition(
        "stage_conversion", "ratio", "cohort",
        Share(M.STAGE_ENTERED, M.STAGE_ADVANCED, (M.STAGE_ADVANCED, M.STAGE_FAILED)),
        "of opportunities that first entered the stage in the window, the share that ever got to a later one by as_of; "
        "skips count, and so does being won. Group by or filter on stage",
        "never a product of snapshots", "time_in_stage",
    ),
    Definition(
        "stage_drop_off", "ratio", "cohort",
        Share(M.STAGE_ENTERED, M.STAGE_DROPPED, (M.STAGE_ADVANCED, M.STAGE_FAILED)),
        "of opportunities that first entered the stage in the window, the share lost from it by as_of",
        "a later stage hides a loss that began here", "stage_conversion",
    ),
    Definition(
        "time_in_stage", "seconds", "period", Duration(M.STAGE_SPELL),
        "stays in a stage that ended in the window; each return is a stay of its own; won and lost are no stages",
        "stays that have not ended are not in it", "stage_conversion",
    ),
    Definition(
        "sales_cycle_from_lead", "seconds", "period", Duration(M.LEAD_CUSTOMER),
        "first win − first touch, by the date of the win",
        "later wins of a customer are no new cycles", "average_deal_value",
    ),
    Definition(
        "sales_cycle_from_opportunity", "seconds", "period", Duration(M.OPPORTUNITY_WON),
        "won − opened, by the date of the win", "lost deals are not in it", "win_rate_count",
    ),
    Definition(
        "sales_volume", "currency", "period", MoneyTotal(M.OPPORTUNITY_WON),
        "Σ value of opportunities won in the window", "revenue is not margin", "opportunities_won",
    ),
    Definition(
        "sales_velocity", "currency per day", "period", Velocity(M.OPPORTUNITY_OPENED, M.OPPORTUNITY_WON, M.OPPORTUNITY_LOST),
        "opportunities opened × won ÷ (won + lost) × Σ won value ÷ won with an amount ÷ mean days from opened to won, all four "
        "of the window",
        "four means of one window; a mean of such ratios is another number", "win_rate_count",
    ),
    Definition(
        "cost_per_lead", "currency", "period", Cost(MARKETING, M.LEAD_CREATED),
        "marketing spend of the window ÷ leads created in it; group by channel, source or campaign of the first touch",
        "leads of a source that nobody names cost nothing, and make the others look dear", "lead_to_opportunity_cohort",
    ),
    Definition(
        "cost_per_customer", "currency", "cohort", Cost(MARKETING, M.COHORT_CUSTOMER),
        "marketing spend of the window ÷ customers by as_of among the leads created in it",
        "young cohorts have few customers yet", "lead_to_customer_cohort",
    ),
    Definition(
        "cac", "currency", "period", Cost(EVERYTHING, M.LEAD_CUSTOMER),
        "marketing and sales cost of the window (advertising, salaries, commissions, travel, tools) ÷ new customers of the window",
        "advertising alone understates; who is won now was paid for a sales cycle ago", "average_deal_value",
    ),
    Definition(
        "source_romi", "ratio", "cohort", Return(MARKETING, M.COHORT_REVENUE),
        "(revenue by as_of of deals won with leads created in the window, by first touch − marketing spend of the window) ÷ that spend",
        "revenue is not margin; young cohorts have bought little yet", "cost_per_customer",
    ),
    Definition(
        "average_deal_value", "currency", "period", MoneyMean(M.OPPORTUNITY_WON),
        "Σ won value ÷ won opportunities, the median beside it", "one large deal moves the mean", "win_rate_count",
    ),
)  # fmt: skip

BY_ID = {definition.id: definition for definition in DEFINITIONS}
