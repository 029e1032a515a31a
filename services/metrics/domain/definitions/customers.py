"""What is told of customers: what they buy and are worth, who stays, who is satisfied."""

from __future__ import annotations

from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import (
    Best,
    Churn,
    Count,
    Definition,
    Due,
    MoneyTotal,
    PerCustomer,
    Projected,
    Satisfaction,
    Share,
    Worth,
)
from services.metrics.domain.spend_kinds import EVERYTHING

M = Measure

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "orders", "orders", "period", Count(M.ORDER_PLACED),
        "orders placed in the window and not cancelled since; those of nothing count too",
        "a deal that was won is no order", "order_volume",
    ),
    Definition(
        "order_volume", "currency", "period", MoneyTotal(M.ORDER_PLACED),
        "Σ amount of orders placed in the window and not cancelled since", "what was paid back is in order_refunds", "order_refunds",
    ),
    Definition(
        "order_refunds", "currency", "period", MoneyTotal(M.ORDER_REFUNDED),
        "Σ paid back in the window, of orders that were not cancelled", "the order is of an earlier window", "order_volume",
    ),
    Definition(
        "renewal_rate", "ratio", "period", Due(M.ORDER_DUE, M.ORDER_RENEWED),
        "of orders that ran out in the window, the share that another order renews, by as_of",
        "who renews late looks lost at first", "churn_rate",
    ),
    Definition(
        "clv_revenue", "currency", "cohort", PerCustomer(M.CUSTOMER_REVENUE),
        "Σ what customers of the window bought by as_of, less refunds ÷ those customers: an order's amount, or a won deal's of which no "
        "order tells; customers of the window are those who first bought in it",
        "revenue is not margin; young cohorts have bought little yet", "clv_observed", version=2,
    ),
    Definition(
        "clv_observed", "currency", "cohort", PerCustomer(M.CUSTOMER_MARGIN),
        "Σ margin of what customers of the window bought by as_of ÷ those customers: amount − cost, or × the unit's margin rate",
        "a purchase without a cost, in a unit without a margin rate, adds nothing: without_amount counts those", "clv_revenue",
        version=2,
    ),
    Definition(
        "clv_projected", "currency", "cohort", Projected(M.CUSTOMER_MARGIN),
        "margin a month of a customer of the window ÷ the share of them that leaves a month, which is taken to be 1 ÷ horizon at "
        "least; both over the months they have been customers by as_of",
        "who joined last week has paid once and had no time to leave", "clv_observed",
    ),
    Definition(
        "clv_projected_revenue", "currency", "cohort", Projected(M.CUSTOMER_REVENUE),
        "the same of what they paid", "revenue is not margin", "clv_projected",
    ),
    Definition(
        "ltv_to_cac", "ratio", "cohort", Worth(EVERYTHING, M.CUSTOMER_MARGIN, months=False),
        "clv_projected of customers of the window ÷ (marketing and sales cost of the window ÷ those customers)",
        "who is won now was paid for a sales cycle ago", "payback",
    ),
    Definition(
        "payback", "months", "cohort", Worth(EVERYTHING, M.CUSTOMER_MARGIN, months=True),
        "(marketing and sales cost of the window ÷ its new customers) ÷ the margin a month of one of them",
        "most is often paid at the beginning, which makes the month look rich", "ltv_to_cac",
    ),
    Definition(
        "repeat_purchase_rate", "ratio", "cohort", Share(M.CUSTOMER, M.CUSTOMER_REPEATED, (M.CUSTOMER_REPEATED,)),
        "of customers of the window, the share that bought a second time by as_of",
        "young cohorts look bad: read the maturity", "average_deal_value",
    ),
    Definition(
        "top_customers", "ratio", "cohort", Best(M.CUSTOMER_MARGIN, M.CUSTOMER_REVENUE),
        "customers of the window with the highest clv_observed by as_of, or clv_revenue where the margin of some is not known; value is "
        "their share of what all are worth",
        "who is worth most today joined long ago", "repeat_purchase_rate", version=2,
    ),
    Definition(
        "churn_rate", "ratio", "period", Churn(),
        "of customers when the window began, the share that left in it by as_of, whether they came back or not; with what that is a "
        "month and a year",
        "3 % a month is 30.6 % a year, not 36 %; who does not buy any more and tells nobody has not left", "clv_observed",
    ),
    Definition(
        "csat", "ratio", "period", Satisfaction(),
        "answers of 4 and 5 ÷ answers from 1 to 5, by when they came; response_rate is the share of those asked in the window who "
        "answered by as_of",
        "only the pleased and the angry answer: read the response rate", "churn_rate",
    ),
)  # fmt: skip
