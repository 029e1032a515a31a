"""Targets that make no sense, or that nothing can reach, are refused, and others are not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_targets import put, refused

RISES = {"kpi": "win_rate_count", "period": "2026", "baseline": "fixed", "baseline_value": "0.25"}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"kpi": "nothing", "period": "2026", "value": "1"}, "kpi"),
        ({"kpi": "pace", "period": "2026", "value": "1"}, "kpi"),
        ({"kpi": "sales_volume", "period": "2026-Q5", "value": "1"}, "period"),
        ({"kpi": "sales_volume", "from": "2026-02-01", "to": "2026-02-01", "value": "1"}, "to"),
        ({"kpi": "sales_volume", "period": "2026", "value": "1", "cut": {"colour": "red"}}, "cut"),
        ({"kpi": "cac", "period": "2026", "value": "1", "cut": {"owner": "kim"}}, "cut"),
        ({"kpi": "visitors", "period": "2026", "value": "1", "cut": {"owner": "kim"}}, "cut"),
        ({"kpi": "visitor_to_lead", "period": "2026", "value": "1", "cut": {"owner": "kim"}}, "cut"),
        ({"kpi": "data_quality", "period": "2026", "value": "1", "cut": {"reason": "x"}}, "cut"),
        ({"kpi": "forecast_accuracy", "period": "2026", "value": "1", "cut": {"channel": "x"}}, "cut"),
        ({"kpi": "forecast_accuracy", "period": "2026", "value": "1", "cut": {"owner": "x", "team": "y"}}, "cut"),
        ({"kpi": "sales_volume", "period": "2026", "value": "1", "business_unit": "mars"}, "business_unit"),
        ({"kpi": "leads_created", "period": "2026", "value": "1", "currency": "EUR"}, "currency"),
        ({"kpi": "win_rate_count", "period": "2026", "value": "30"}, "value"),
        ({"kpi": "data_quality", "period": "2026", "value": "95"}, "value"),
        ({**RISES, "value": "5", "reading": "points"}, "value"),
        ({**RISES, "value": "5", "reading": "points", "baseline": "last_year", "baseline_value": None}, "value"),
        ({**RISES, "value": "-5", "reading": "points", "baseline": "last_year", "baseline_value": None}, "value"),
        ({**RISES, "value": "0.8", "reading": "points"}, "value"),
        ({**RISES, "value": "-0.3", "reading": "points"}, "value"),
        ({**RISES, "value": "4", "reading": "relative"}, "value"),
        ({**RISES, "value": "0.3", "baseline_value": "25"}, "baseline_value"),
        ({**RISES, "value": "0.3", "baseline_value": "-0.1"}, "baseline_value"),
        (
            {"kpi": "leads_created", "period": "2026", "value": "1", "reading": "points", "baseline": "last_year"},
            "reading",
        ),
        ({"kpi": "leads_created", "period": "2026", "value": "1", "reading": "relative"}, None),
        ({"kpi": "leads_created", "period": "2026", "value": "1", "baseline": "fixed"}, None),
        ({"kpi": "leads_created", "value": "1"}, None),
        ({"kpi": "leads_created", "period": "2026", "from": "2026-01-01", "to": "2026-02-01", "value": "1"}, None),
    ],
)
async def test_a_target_that_makes_no_sense_is_refused(
    metrics: Metrics, said: dict[str, Any], field: str | None
) -> None:
    problem = await refused(metrics, **said)
    assert problem.get("field") == field or field is None


async def test_what_is_no_part_of_a_whole_may_rise_by_more_than_one(metrics: Metrics) -> None:
    for said in (
        {"kpi": "source_romi", "value": "5", "reading": "points", "baseline": "fixed", "baseline_value": "2"},
        {"kpi": "lead_to_opportunity_period", "value": "1.5"},
        {**RISES, "value": "0.75", "reading": "points"},
        {**RISES, "value": "-1", "reading": "relative"},
    ):
        await put(metrics, **{"period": "2026", **said})
