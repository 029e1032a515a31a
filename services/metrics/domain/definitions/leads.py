"""What is told of leads: how many come, what becomes of them and how fast they are answered."""

from __future__ import annotations

from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import (
    Count,
    Definition,
    Incidence,
    PerDay,
    Ranking,
    Ratio,
    Reach,
    Share,
    Stay,
    TimeToEvent,
)

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
        "leads created ÷ days of the window that have passed; cut by a period, those of the period in the window",
        "a window that is not over yet has fewer days, and so has its last period", "created_to_qualified_cohort", version=2,
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
        Ratio(M.LEAD_QUALIFIED, (M.LEAD_QUALIFIED, M.LEAD_TURNED_DOWN), proportion=True),
        "leads first qualified ÷ (first qualified + archived without ever being) in the window, so that each counts once, as it was decided",
        "leaves open leads out and so overstates", "created_to_qualified_cohort", version=2,
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
        "leads_open", "leads", "snapshot", Count(M.LEAD_OPEN),
        "leads neither archived nor sold to at as_of; group by stage for their status: new, working, qualified. from and to are not used",
        "a state, not a flow", "time_in_lead_status",
    ),
    Definition(
        "time_in_lead_status", "seconds", "period", Stay(M.STATUS_SPELL, M.LEAD_OPEN),
        "stays in the status new, working or qualified (the stage) that ended in the window; each return is a stay of its own. Beside "
        "it `open`, the age at as_of of stays that have not ended, and `each`, the stays of each lead together",
        "stays that have not ended are not in it, and are often the longest: read `open`", "created_to_qualified_cohort",
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
        "of leads created in the window, the share with a won opportunity or an order by as_of",
        "not the product of the rates of the steps", "average_deal_value", version=2,
    ),
    Definition(
        "lead_to_customer_incidence", "ratio", "cohort",
        Incidence(M.LEAD_CREATED, M.COHORT_CUSTOMER, M.FAILED_BEFORE_CUSTOMER),
        "cumulative incidence of the first win or order at the horizon (Aalen–Johansen): archived, or every opportunity lost, competes",
        "a horizon shorter than the sales cycle shows nobody", "average_deal_value", version=2,
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
        "activities", "activities", "period", Count(M.ACTIVITY, timed=True),
        "calls, messages, meetings and notes: leads reached out to or reaching out, by people and by machines, with how long "
        "those took that say so; group by reason for their kind, by owner for who",
        "busy is not effective", "lead_to_opportunity_cohort", version=2,
    ),
)  # fmt: skip
