"""Reports that are narrowed by what leads are known by, with a horizon of their own; a clock that is ahead; and audits' moments."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.metrics.api import audits
from services.metrics.storage import grouped
from services.metrics.storage import reports as storage
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.telling import half_a_year

NARROWED = {
    "headlines": ["leads_created", "lead_to_opportunity_incidence"],
    "charts": ["leads_created"],
    "cuts": [{"by": "source", "kpis": ["leads_created"]}],
    "filters": {"channel": ["web_form", "chat"], "owner": [""]},
    "horizon_days": 20,
}


async def saved(metrics: Metrics, report: dict[str, Any], status: int = 200) -> Any:
    answer = await metrics.client.put("/v1/reports/narrow", json=report)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_every_number_is_narrowed_and_links_ask_the_same(metrics: Metrics) -> None:
    await metrics.fold_all(half_a_year())
    assert (await saved(metrics, NARROWED))["filters"] == NARROWED["filters"]
    asked = {"format": "json", "from": "2026-01-01", "to": "2026-07-01"}
    document = (await metrics.client.get("/v1/reports/narrow/told", params=asked)).json()
    assert document["units"] == "All business units · channel: web_form, chat · owner: not known"
    narrowed, _ = document["numbers"]
    whole = await metrics.total("leads_created", start="2026-01-01", to="2026-07-01")
    only = await metrics.total(
        "leads_created", start="2026-01-01", to="2026-07-01", channel=["web_form", "chat"], owner=""
    )
    assert narrowed["value"] == only["value"] < whole["value"]
    links = [one["href"] for one in (*document["numbers"], *document["charts"], *document["meanings"])]
    assert all("channel=web_form&channel=chat&owner=" in one for one in links)
    for one in document["numbers"]:
        assert (await metrics.client.get(one["href"])).json()["total"]["value"] == one["value"]
    assert any("20 days" in line for line in document["foot"])
    assert (document["ahead"], document["noticed"]) == (None, None)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"filters": {"shoe_size": ["44"]}}, "nothing is filtered by 'shoe_size'"),
        ({"filters": {"business_unit": ["tehran"]}}, "nothing is filtered by 'business_unit'"),
        ({"headlines": ["visitors"]}, "'visitors' is not known by owner"),
        ({"headlines": ["cac"]}, "'cac' is not known by owner"),
        ({"filters": {"channel": []}}, "channel"),
        ({"horizon_days": 0}, "horizon_days"),
    ],
)
async def test_what_a_report_cannot_be_narrowed_to_is_refused_by_name(
    metrics: Metrics, more: dict[str, Any], said: str
) -> None:
    assert said in str(await saved(metrics, {**NARROWED, **more}, 422))


async def test_a_number_that_only_stands_beside_another_is_left_out(metrics: Metrics) -> None:
    await metrics.fold_all(half_a_year())
    await saved(
        metrics, {"headlines": ["opportunities_won", "visitors"], "funnel": False, "filters": {"channel": ["web_form"]}}
    )
    document = (await metrics.client.get("/v1/reports/narrow/told", params={"format": "json"})).json()
    assert {one["kpi"] for one in document["numbers"]} <= {"opportunities_won", "visitors"}
    assert (await metrics.client.get("/v1/reports/narrow/told", params={"format": "html"})).status_code == 200


FROZEN = {
    "headlines": ["forecast_accuracy", "leads_created"],
    "charts": ["forecast_accuracy"],
    "durations": ["forecast_accuracy", "speed_to_lead"],
    "cuts": [{"by": "channel", "kpis": ["forecast_accuracy", "leads_created"]}],
}


@pytest.mark.parametrize(
    ("report", "asked"),
    [
        ({"filters": {"channel": ["web_form"]}}, {}),
        ({"business_units": ["tehran", "default"]}, {}),
        ({}, {"business_unit": ["tehran", "default"]}),
    ],
)
async def test_a_number_that_is_not_known_of_what_a_report_is_narrowed_to_is_said_to_be_missing_and_the_rest_is_told(
    metrics: Metrics, report: dict[str, Any], asked: dict[str, Any]
) -> None:
    await metrics.fold_all(half_a_year())
    await saved(metrics, {**FROZEN, **report})
    for form in ("json", "html", "csv"):
        answer = await metrics.client.get("/v1/reports/narrow/told", params={"format": form, **asked})
        assert answer.status_code == 200, answer.text
    document = (await metrics.client.get("/v1/reports/narrow/told", params={"format": "json", **asked})).json()
    assert document["silent"] == "Not known by what this report is narrowed to: Forecast error."
    assert "forecast_accuracy" not in {one["kpi"] for one in document["numbers"]}
    assert [line["label"] for line in document["durations"]["lines"]] == ["Speed to lead"]


async def test_a_table_of_more_groups_than_anybody_reads_is_left_out_of_a_report(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    await metrics.fold_all(half_a_year())
    monkeypatch.setattr(grouped, "MOST_GROUPS", 1)
    cuts = [{"by": "channel", "kpis": ["leads_created"]}]
    await saved(metrics, {"headlines": ["leads_created"], "charts": ["leads_created"], "cuts": cuts})
    asked = {"format": "json", "from": "2026-01-01", "to": "2026-07-01"}
    answer = await metrics.client.get("/v1/reports/narrow/told", params=asked)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert [one["kpi"] for one in document["numbers"]] == ["leads_created"]
    assert document["tables"] == []


async def test_a_clock_that_is_ahead_of_the_databases_makes_nothing_due(metrics: Metrics) -> None:
    async with metrics.database.transaction() as tx:
        (row,) = await tx.rows("SELECT clock_timestamp() AS now")
        tx.now = row.now + timedelta(days=9)
        agreed = await storage.agreed_time(tx)
        assert row.now <= agreed < row.now + timedelta(minutes=5)
        tx.now = row.now - timedelta(days=9)
        assert await storage.agreed_time(tx) == tx.now
        assert await storage.own_time(tx) == tx.now


async def test_an_audit_says_up_to_when_it_saw_the_log(metrics: Metrics) -> None:
    metrics.app.include_router(audits.router(metrics.database))
    began = "2026-12-30T10:00:00+00:00"
    told: dict[str, Any] = {"id": str(uuid4()), "began": began, "checks": {"log": {"checked": 5, "different": 0}}}
    assert (await metrics.client.post("/v1/audits", json=told)).status_code == 204
    (audit,) = (await metrics.client.get("/v1/audits")).json()
    assert audit["began"].replace("Z", "+00:00") == began
    accounts = (await metrics.total("data_quality"))["unaccounted"]
    assert (accounts["n"], accounts["log_as_of"].replace("Z", "+00:00")) == (5, began)
    older = {"id": str(uuid4()), "checks": {"log": {"checked": 6, "different": 0}}}
    metrics.clock.advance(timedelta(hours=1))
    assert (await metrics.client.post("/v1/audits", json=older)).status_code == 204
    assert (await metrics.total("data_quality"))["unaccounted"]["log_as_of"] is None
