"""What is told of what was spent, and of what came of it."""

from __future__ import annotations

from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import Cost, Definition, Return
from services.metrics.domain.spend_kinds import EVERYTHING, MARKETING

M = Measure

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "cost_per_lead", "currency", "cohort", Cost(MARKETING, M.LEAD_CREATED),
        "marketing spend of the window ÷ leads created in it; group by channel, source or campaign of the first touch",
        "leads of a source that nobody names cost nothing, and make the others look dear", "lead_to_opportunity_cohort", version=2,
    ),
    Definition(
        "cost_per_customer", "currency", "cohort", Cost(MARKETING, M.COHORT_CUSTOMER),
        "marketing spend of the window ÷ customers by as_of among the leads created in it",
        "young cohorts have few customers yet", "lead_to_customer_cohort", version=2,
    ),
    Definition(
        "cac", "currency", "period", Cost(EVERYTHING, M.LEAD_CUSTOMER, lagged=True),
        "marketing and sales cost of the window (advertising, salaries, commissions, travel, tools) ÷ new customers of the window, with "
        "no lag between them unless one is asked for",
        "advertising alone understates; who is won now was paid for a sales cycle ago", "average_deal_value", version=2,
    ),
    Definition(
        "source_romi", "ratio", "cohort", Return(MARKETING, M.COHORT_REVENUE),
        "(revenue by as_of, orders or won deals less refunds, of leads created in the window, by first touch − marketing spend of the "
        "window) ÷ that spend",
        "revenue is not margin; young cohorts have bought little yet", "source_roi", version=3,
    ),
    Definition(
        "source_roi", "ratio", "cohort", Return(MARKETING, M.COHORT_MARGIN),
        "(margin by as_of, orders or won deals less refunds, of leads created in the window, by first touch − marketing spend of the "
        "window) ÷ that spend",
        "a purchase without a cost, in a unit without a margin rate, adds nothing; young cohorts have bought little yet",
        "cost_per_customer", version=2,
    ),
)  # fmt: skip
