"""What is told of opportunities: how many open, how they end, how long they take and what they bring."""

from __future__ import annotations

from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import (
    Count,
    Definition,
    Duration,
    MoneyMean,
    MoneyRatio,
    MoneyTotal,
    Ratio,
    Share,
    Stay,
    Velocity,
)

M = Measure

DEFINITIONS: tuple[Definition, ...] = (
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
        "of opportunities opened in the window, the share won by as_of; also by policy_version, that which had qualified the lead",
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
        "time_in_stage", "seconds", "period", Stay(M.STAGE_SPELL, M.OPPORTUNITY_OPEN),
        "stays in a stage that ended in the window; each return is a stay of its own; won and lost are no stages. Beside it `open`, "
        "the age at as_of of stays that have not ended, and `each`, the stays of each opportunity together",
        "stays that have not ended are not in it, and are often the longest: read `open`", "stage_conversion",
    ),
    Definition(
        "sales_cycle_from_lead", "seconds", "period", Duration(M.LEAD_CUSTOMER),
        "first win or order − first touch, by the date of that win or order",
        "later wins of a customer are no new cycles", "average_deal_value", version=2,
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
        "average_deal_value", "currency", "period", MoneyMean(M.OPPORTUNITY_WON),
        "Σ won value ÷ opportunities won with an amount, the median beside it", "one large deal moves the mean", "win_rate_count",
    ),
)  # fmt: skip
