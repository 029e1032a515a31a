"""The reports that are there without anybody writing one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.known_by import known_by
from services.metrics.domain.questions import UNIT
from services.metrics.domain.targets import TargetForm
from shared.contracts.policy.calendar import PERIODS
from shared.contracts.policy.reports import Cut, Report

_WORK = Cut(
    by="owner",
    kpis=("opportunities_opened", "opportunities_won", "win_rate_count", "sales_volume", "average_deal_value"),
)
_SOURCES = Cut(
    by="source",
    kpis=("leads_created", "created_to_qualified_cohort", "lead_to_opportunity_cohort", "lead_to_customer_cohort"),
)
_CHANNELS = Cut(by="channel", kpis=_SOURCES.kpis)
_STAGES = Cut(by="stage", kpis=("opportunities_open", "time_in_stage", "stage_conversion", "stage_drop_off"))
_LOST = Cut(by="reason", kpis=("opportunities_lost",))
_ARCHIVED = Cut(by="reason", kpis=("leads_archived",))
_CYCLES = ("speed_to_lead", "time_to_convert", "sales_cycle_from_opportunity", "sales_cycle_from_lead")

STANDARD: Mapping[str, Report] = {
    "overview": Report(
        period="month",
        headlines=(
            "leads_created", "lead_to_opportunity_cohort", "opportunities_opened", "opportunities_won", "win_rate_count",
            "sales_volume", "average_deal_value", "sales_cycle_from_opportunity",
        ),
        charts=("leads_created", "opportunities_won", "win_rate_count", "sales_volume"),
        durations=_CYCLES,
        cuts=(_CHANNELS, _WORK, _STAGES, _LOST, _ARCHIVED),
    ),
    "weekly": Report(
        period="week",
        headlines=(
            "leads_created", "leads_qualified", "speed_to_lead", "sla_attainment", "opportunities_opened", "opportunities_won",
            "win_rate_count", "sales_volume",
        ),
        charts=("leads_created", "leads_qualified", "opportunities_won", "sales_volume"),
        durations=_CYCLES,
        cuts=(_SOURCES, _WORK, _STAGES, _LOST, _ARCHIVED),
    ),
    "monthly": Report(
        period="month",
        headlines=(
            "leads_created", "created_to_qualified_cohort", "lead_to_opportunity_cohort", "speed_to_lead",
            "opportunities_opened", "opportunities_won", "win_rate_count", "sales_volume", "average_deal_value",
            "sales_cycle_from_opportunity", "sales_velocity", "cost_per_lead",
        ),
        charts=("leads_created", "lead_to_opportunity_cohort", "win_rate_count", "sales_volume"),
        durations=_CYCLES,
        cuts=(_SOURCES, _CHANNELS, _WORK, _STAGES, _LOST, _ARCHIVED),
    ),
    "quarterly": Report(
        period="quarter",
        headlines=(
            "leads_created", "created_to_qualified_cohort", "lead_to_opportunity_incidence", "lead_to_customer_cohort",
            "opportunities_won", "win_rate_count", "win_rate_value", "sales_volume", "average_deal_value",
            "sales_cycle_from_lead", "sales_velocity", "cac", "source_romi", "score_quality",
        ),
        charts=("leads_created", "lead_to_customer_cohort", "win_rate_count", "sales_volume"),
        durations=_CYCLES,
        cuts=(_SOURCES, Cut(by="campaign", kpis=_SOURCES.kpis), Cut(by="product", kpis=_WORK.kpis), _WORK, _STAGES, _LOST, _ARCHIVED),
    ),
}  # fmt: skip


def faults(report: Report) -> Iterable[str]:
    """What a report names that there is not."""
    for kpi in report.kpis:
        if kpi not in BY_ID:
            yield f"there is no KPI {kpi!r}; GET /v1/kpis lists them"
        elif isinstance(BY_ID[kpi].form, TargetForm):
            yield f"{kpi!r} is of another number; a report shows it with each headline that has a target"
    for name in report.filters:
        if name not in DIMENSIONS:
            yield f"nothing is filtered by {name!r}; use {', '.join(DIMENSIONS)}, and business_units for units"
    for kpi in report.kpis:
        known = known_by(BY_ID[kpi].form) if kpi in BY_ID else None
        if known is not None and (
            unknown := [name for name in report.filters if name in DIMENSIONS and name not in known.cuts]
        ):
            yield f"{kpi!r} is not known by {unknown[0]}, so it cannot be filtered by it"
    for cut in report.cuts:
        if cut.by not in (UNIT, *DIMENSIONS, *PERIODS):
            yield f"nothing is cut by {cut.by!r}; use {', '.join((UNIT, *DIMENSIONS, *PERIODS))}"
