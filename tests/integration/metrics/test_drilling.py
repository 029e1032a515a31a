"""From any number to the leads behind it: together they are the number again."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from random import Random
from typing import Any

import orjson
import pytest

from tests.integration.metrics.adding_up import adds_up
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_brute_force import folded, is_known_by
from tests.unit.metrics.customer_histories import history as buying
from tests.unit.metrics.stories import Told, day, lead_id

NOW = "2026-03-20T12:00:00+00:00"
CUTS: tuple[dict[str, Any], ...] = (
    {},
    {"group_by": "channel"},
    {"group_by": "owner,month", "start": "2026-01-02", "to": "2026-02-10"},
    {"group_by": "business_unit,reason", "horizon_days": 20},
    {"channel": ["phone", ""], "group_by": "week"},
    {"group_by": "stage", "as_of": day(9.5).isoformat()},
)


ELSEWHERE = {"pipeline_coverage": "test_drilling_ahead", "forecast_accuracy": "nobody is behind what was frozen"}


@pytest.mark.parametrize("seed", [21, 22])
async def test_what_is_behind_every_number_adds_up_to_it(metrics: Metrics, seed: int) -> None:
    await folded(metrics, seed)
    kpis = [
        one["id"]
        for one in (await metrics.client.get("/v1/kpis")).json()["kpis"]
        if "takes" not in one and one["id"] not in ELSEWHERE
    ]
    for kpi in kpis:
        for cut in CUTS:
            if not is_known_by(kpi, cut):
                continue
            await adds_up(metrics, kpi, **{"as_of": NOW, **cut})


async def test_what_is_behind_numbers_about_customers_adds_up_to_them(metrics: Metrics) -> None:
    await metrics.fold_all(buying(Random(5), 25))
    window = {"as_of": "2026-04-20T12:00:00+00:00", "start": "2026-01-21", "to": "2026-04-01"}
    for kpi in ("clv_revenue", "repeat_purchase_rate", "csat", "churn_rate", "orders", "renewal_rate", "top_customers"):
        for cut in ("", "channel", "month,channel"):
            await adds_up(metrics, kpi, **window, group_by=cut)


async def test_one_group_is_asked_for_by_its_values(metrics: Metrics) -> None:
    await folded(metrics, 23)
    everybody = await metrics.leads("opportunities_won", as_of=NOW, group_by="owner,month")
    for key in {tuple(one["key"].values()) for one in everybody}:
        own = await metrics.leads(
            "opportunities_won", as_of=NOW, group_by="owner,month", group=[part or "" for part in key]
        )
        assert own == [one for one in everybody if tuple(one["key"].values()) == key]
    refused = await metrics.client.get(
        "/v1/kpis/leads_created/leads", params={"group_by": "owner", "group": ["a", "b"]}
    )
    assert refused.json()["field"] == "group"


async def test_a_lead_that_did_not_get_there_is_there_with_what_it_lacks(metrics: Metrics) -> None:
    told = Told().tell("a", "LeadCreated", 1, channel="phone").tell("b", "LeadCreated", 2, channel="phone")
    await metrics.fold(told.tell("a", "OpportunityOpened", 5, opportunity_id="deal").facts)
    behind = {one["lead_id"]: one for one in await metrics.leads("lead_to_opportunity_cohort")}
    assert behind[str(lead_id("b"))]["numerator"] == 0
    assert [one["measure"] for one in behind[str(lead_id("b"))]["counted"]] == ["lead_created"]
    assert (behind[str(lead_id("a"))]["numerator"], behind[str(lead_id("a"))]["denominator"]) == (1, 1)
    (deal,) = await metrics.leads("opportunities_opened")
    assert (deal["opportunity_id"], deal["counted"][0]["at"]) == ("deal", day(5).isoformat())


async def test_pages_are_of_the_moment_of_the_first_one(metrics: Metrics) -> None:
    told = Told()
    for number in range(30):
        told.tell(f"lead {number}", "LeadCreated", 1, channel="phone")
    Random(1).shuffle(told.facts)
    await metrics.fold(told.facts[:20])
    opened = metrics.clock.now()
    first = (await metrics.client.get("/v1/kpis/leads_created/leads", params={"limit": 8})).json()
    assert datetime.fromisoformat(first["as_of"]) == opened
    metrics.clock.advance(timedelta(days=2))
    await metrics.fold([told.facts[20]._replace(occurred_at=opened + timedelta(days=1)), *told.facts[21:]])
    rest = await metrics.leads("leads_created", cursor=first["next_cursor"], limit=8)
    ids = [one["lead_id"] for one in (*first["leads"], *rest)]
    assert ids == sorted(set(ids)), "nobody twice, in one order"
    assert {str(fact.lead_id) for fact in told.facts[:20]} <= set(ids)
    assert str(told.facts[20].lead_id) not in ids


async def test_what_is_no_place_to_go_on_from_is_refused(metrics: Metrics) -> None:
    moments = ("2026-01-05T00:00:00", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00")
    without_end = (base64.urlsafe_b64encode(orjson.dumps([at, str(lead_id("a"))])).decode() for at in moments)
    for cursor in ("!", "bm9uc2Vuc2U=", "WzEsMl0=", *without_end):
        refused = await metrics.client.get("/v1/kpis/leads_created/leads", params={"cursor": cursor})
        assert refused.status_code == 422, refused.text
        assert refused.json()["field"] == "cursor"
