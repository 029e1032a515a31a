"""Which changes of which numbers have no parts that add up to them, and why not: said by name, with what can be asked instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.metrics.domain.forms import (
    Accuracy,
    Attainment,
    Best,
    Churn,
    Cost,
    Coverage,
    DataQuality,
    Definition,
    Incidence,
    Pace,
    PerDay,
    PerVisitor,
    Projected,
    Ranking,
    Return,
    TimeToEvent,
    Velocity,
    Visitors,
    Worth,
)
from services.metrics.domain.questions import VERSION, Question


class NotParted(NamedTuple):
    """Why there are no parts, by which parameter that is, and what to ask instead."""

    why: str
    field: str
    fix: str


WITHOUT = "Leave group_by out."
TARGETS = Attainment | Pace | Coverage


def between_windows(question: Question) -> NotParted | None:
    """Why a change from one window to another is not parted; None where it is."""
    match question.definition.form:
        case Accuracy() if question.group_by:
            return NotParted(
                "What forecasts of some were too high by and those of others too low is no part of how far off that of everybody was.",
                "group_by", f"{WITHOUT} One of them is asked about with filters, such as owner=kim.",
            )  # fmt: skip
        case Attainment() | Pace() | Coverage() if question.group_by:
            return NotParted(
                "Targets of groups do not add up to the target of the whole.", "group_by",
                f"{WITHOUT} A target of its own is asked for with filters, such as team=north.",
            )  # fmt: skip
        case _:
            return None


def by_version(question: Question, *, counts: bool, known: bool) -> NotParted | None:
    """Why a change is not parted by the version of the policy that qualified leads; `counts` says whether it counts such."""
    if not counts:
        return NotParted(
            f"{question.definition.id} counts no qualifications, of which alone the version of the policy is known.", "group_by",
            "Ask why leads_qualified, qualification_rate_decided, created_to_qualified_cohort or opportunity_to_won_cohort moved.",
        )  # fmt: skip
    if known:
        return NotParted("What a new version qualified is a cause of its own there, `policy`.", "group_by", WITHOUT)
    if question.group_by:
        return NotParted("Versions of the policy are a cut by themselves.", "group_by", "Leave the other cuts out.")
    return None


def by_knowledge(question: Question) -> NotParted | None:
    """Why what was learned between two moments has no parts; None where it has."""
    kpi = question.definition.id
    if question.of is not None:
        return NotParted(
            f"{kpi} was held against what is wanted, and that is no fact that was learned.", "known",
            f"Ask why {question.of.id} is known otherwise.",
        )  # fmt: skip
    if VERSION in question.group_by:
        return NotParted("Which version qualified a lead is not kept as it was known.", "group_by", WITHOUT)
    if question.shares_out:
        return NotParted(
            "Shares of touches are not kept as they were known.",
            "attribution",
            "Ask by first touch, or without the cut.",
        )
    if question.currency is not None:
        return NotParted(
            "Rates are knowledge of their own, and are not kept as they were known.", "currency", "Leave currency out."
        )
    fix = _KNOWN_BY_OTHERS.get(type(question.definition.form))
    if fix is not None:
        return NotParted(f"{kpi} {fix[0]}.", "known", fix[1])
    if isinstance(question.definition.form, PerDay) and question.start is None:
        return NotParted(f"Without a beginning {kpi} has no days that were known.", "from", "Give `from`, or a period.")
    if question.group_by and isinstance(question.definition.form, NO_GROUPS):
        return NotParted(f"{kpi}: {of_groups(question.definition)}", "group_by", WITHOUT)
    return None


_KNOWN_BY_OTHERS: dict[type, tuple[str, str]] = {
    Ranking: (
        "compares every lead with every other one, and is no sum of what facts count for",
        "Ask for lead_to_opportunity_cohort, or between two windows.",
    ),
    Visitors: ("counts visits, which are no facts about leads", "Ask for leads_created, or between two windows."),
    PerVisitor: ("counts visits, which are no facts about leads", "Ask for leads_created, or between two windows."),
    DataQuality: (
        "is about how records came in, which is what a later word on them does not change",
        "Ask for leads_created, or between two windows.",
    ),
    Best: ("is a list of single customers", "Ask for clv_observed or clv_revenue."),
    Churn: (
        "counts who was there when the window began and left in it, one by one",
        "Ask for repeat_purchase_rate, or between two windows.",
    ),
    Accuracy: ("rests on what was frozen, which nothing learned moves", "Ask for sales_volume."),
}
NO_GROUPS = (Velocity, Projected, Worth, Incidence, TimeToEvent)


def of_groups(definition: Definition) -> str:
    """Why the groups of a number do not add up to that of the whole."""
    match definition.form:
        case Visitors() | PerVisitor():
            return "Who came by two ways is in two groups, and once in all. " + WITHOUT
        case Velocity():
            return "Four numbers of everybody are multiplied, and products of groups do not add up. " + WITHOUT
        case Incidence() | TimeToEvent():
            return "A curve is of everybody who was still waiting at each age. " + WITHOUT
        case Projected() | Worth():
            return "What a customer brings rests on how long all were customers together. " + WITHOUT
        case Cost() | Return():
            return "What was spent on no group of its own is in none of them. " + WITHOUT
        case Best():
            return "The best of groups are not the best of all. " + WITHOUT
        case Churn():
            return (
                "Who changed the group while being a customer is in another one than when the window began. " + WITHOUT
            )
        case _:
            return "Its groups do not add up to it. " + WITHOUT


def of_many(most: int) -> NotParted:
    """What was learned of too many groups."""
    return NotParted(
        f"These are more than {most:,} groups, and each is parted by everything that was learned.", "group_by",
        f"Cut by something that has fewer, or name some with filters. {WITHOUT}",
    )  # fmt: skip


def cut_by(periods: Sequence[str]) -> NotParted:
    """Two windows are cut by periods."""
    return NotParted("Two windows have no periods in common.", "group_by", f"Leave out {periods[0]}.")
