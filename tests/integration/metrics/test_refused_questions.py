"""Questions that cannot be answered, or would be by nothing, are refused with what can be asked."""

from __future__ import annotations

import pytest

from tests.integration.metrics.harness import Metrics


@pytest.mark.parametrize(
    ("start", "end", "refused"),
    [
        ("2026-03-10", "2026-03-01T00:00:00Z", True),
        ("2026-03-10T00:00:00Z", "2026-03-01", True),
        ("2026-03-10T00:00:00Z", "2026-03-09T00:00:00Z", True),
        ("2026-03-10", "2026-03-09", True),
        ("2026-03-10", "2026-03-09T20:30:00Z", False),  # in Tehran the tenth has begun at half past eight
        ("2026-03-10T05:00:00Z", "2026-03-10", False),  # and in Honolulu it has not begun yet
    ],
)
async def test_a_window_that_ends_before_it_begins_is_refused(
    metrics: Metrics, start: str, end: str, refused: bool
) -> None:
    answer = await metrics.client.get("/v1/kpis/leads_created", params={"from": start, "to": end})
    assert (answer.status_code, answer.json().get("field")) == ((422, "to") if refused else (200, None))


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/v1/kpis/conversion_rate", 404, "kpi"),
        ("/v1/kpis/leads_created?colour=red", 422, "colour"),
        ("/v1/kpis/leads_created?group_by=colour", 422, "group_by"),
        ("/v1/kpis/leads_created?from=yesterday", 422, "from"),
        ("/v1/kpis/leads_created?from=2026-02-01&to=2026-01-01", 422, "to"),
        ("/v1/kpis/time_to_convert?horizon_days=0", 422, "horizon_days"),
        ("/v1/kpis/leads_created?group_by=month&calendar=jalali&to=9999-12-31", 422, "to"),
        ("/v1/kpis/leads_created?group_by=month&calendar=jalali&from=0001-01-01", 422, "from"),
        ("/v1/kpis/time_to_convert?as_of=0001-01-01", 422, "as_of"),
        ("/v1/kpis/leads_created?as_of=9999-12-31T23:59:59-12:00", 422, "as_of"),
        (f"/v1/kpis/time_to_convert?horizon_days={'9' * 5000}", 422, "horizon_days"),
        ("/v1/kpis/leads_created/why?known=2026-01-05&reported=nan", 422, "reported"),
        ("/v1/kpis/leads_created?as_of=2027-01-01T00:11:00", 422, "as_of"),
        ("/v1/kpis/leads_created/why?known=2027-01-02T00:00:00", 422, "as_of"),
        ("/v1/forecast?as_of=2027-01-02", 422, "as_of"),
        ("/v1/forecast/backtest?as_of=2030-01-01", 422, "as_of"),
        ("/v1/findings?as_of=2030-01-01T00:00:00Z", 422, "as_of"),
        ("/v1/reports/monthly/told?as_of=2030-01-01T00:00:00Z", 422, "as_of"),
        ("/v1/forecast?as_of=9999-12-01", 422, "as_of"),
        ("/v1/forecast?as_of=0001-01-01", 422, "as_of"),
        ("/v1/frozen?from=0001-01-01", 422, "from"),
    ],
)
async def test_a_question_that_cannot_be_answered_says_what_can(
    metrics: Metrics, path: str, status: int, field: str
) -> None:
    response = await metrics.client.get(path)
    assert (response.status_code, response.json()["field"]) == (status, field)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["fix"]
