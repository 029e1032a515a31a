"""How far cohorts have come of which a number tells something else than a share or a curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from services.metrics.domain.answers import Group, Values
from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import Best, Cost, Form, PerCustomer, Projected, Reach, Return, Share, Worth
from services.metrics.domain.questions import Question
from services.metrics.domain.touches import Attribution

TO_BUY = Share(Measure.LEAD_CREATED, Measure.COHORT_CUSTOMER, (Measure.COHORT_CUSTOMER, Measure.FAILED_BEFORE_CUSTOMER))
"""Leads that bought, or are out of the way of it."""

OF_CUSTOMERS = Share(Measure.CUSTOMER, Measure.CUSTOMER, ())
"""Customers, of whom none is decided: who bought may buy again."""


def is_given_a_lifetime(form: Form) -> bool:
    """Whether a horizon that is asked for is how long customers stay at most, and not how long a cohort is given: that is as the policy
    has it."""
    return isinstance(form, Projected | Worth)


def cohort_of(question: Question) -> Question | None:
    """What to ask to know how mature a number is; None where it says so itself or everything in it is as old as the window."""
    share = _cohort(question.definition.form) if question.definition.basis == "cohort" else None
    if share is None:
        return None
    asked = replace(question, definition=replace(question.definition, form=share))
    return replace(asked, currency=None, restated=False, attribution=Attribution.FIRST)


def _cohort(form: Form) -> Share | None:
    match form:
        case Cost(_, Measure.COHORT_CUSTOMER) | Return():
            return TO_BUY
        case Cost(_, came):
            return Share(came, came, (came,))
        case Reach(began, reached):
            return Share(began, reached, (reached,))
        case PerCustomer() | Projected() | Worth() | Best():
            return OF_CUSTOMERS
        case _:
            return None


def with_maturity(
    question: Question, values: Mapping[Group | None, Values], cohort: Mapping[Group | None, Values]
) -> dict[Group | None, Values]:
    """A number with the maturity of its cohort, in total and in every group."""
    return {
        group: {**own, "maturity": cohort.get(group, {}).get("maturity"), "horizon_days": question.horizon_days}
        for group, own in values.items()
    }
