"""Every number about a cohort says how much of that is decided or older than the horizon."""

from __future__ import annotations

from services.metrics.domain.definitions import DEFINITIONS
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told, day

THEN = {"as_of": day(40).isoformat(), "horizon_days": 30, "start": "2026-01-01", "to": "2026-03-01"}


async def five(metrics: Metrics) -> None:
    """Two who bought, early and late, one put aside, and two who wait, an old one and a young one who was called."""
    told = Told()
    for name, on, channel in (("a", 0, "web_form"), ("b", 1, "web_form"), ("c", 1, "web_form"), ("e", 0, "web_form")):
        told.tell(name, "LeadCreated", on, channel=channel)
    told.tell("d", "LeadCreated", 20, channel="phone").tell("d", "ContactAttempted", 21, kind="call")
    told.tell("b", "LeadArchived", 3, reason="spam")
    for name, on in (("a", 2), ("e", 30)):
        told.tell(name, "OrderPlaced", on, order_id=name, amount="100", cost="40", currency="EUR")
    await metrics.fold_all(told.facts)
    spent = {"channel": "web_form", "first_day": "2026-01-01", "last_day": "2026-01-31", "amount": "10"}
    assert (await metrics.client.post("/v1/spending", json={"rows": [spent]})).status_code == 200


async def test_a_number_of_a_cohort_says_how_mature_it_is(metrics: Metrics) -> None:
    await five(metrics)
    for kpi in ("cost_per_customer", "source_romi", "source_roi"):
        answer = await metrics.ask(kpi, **THEN, group_by="channel")
        assert (answer["total"]["maturity"], answer["total"]["horizon_days"]) == (0.8, 30), kpi
        found = {one["key"]["channel"]: one["maturity"] for one in answer["groups"]}
        assert found["web_form"] == 1.0, kpi
        assert found.get("phone") in (None, 0.0), kpi
    assert (await metrics.total("cost_per_lead", **THEN))["maturity"] == 1.0, "who came is decided"
    speed = await metrics.ask("speed_to_lead", **THEN, group_by="channel")
    assert [one["maturity"] for one in (speed["total"], *speed["groups"])] == [1.0, 1.0, 1.0], "called, or old"
    for kpi in ("clv_revenue", "clv_observed", "top_customers"):
        assert (await metrics.total(kpi, **THEN))["maturity"] == 0.5, kpi


async def test_how_long_customers_stay_is_not_how_long_they_are_given_to_grow(metrics: Metrics) -> None:
    await five(metrics)
    grown = {**THEN, "as_of": day(100).isoformat()}
    for kpi in ("clv_projected", "ltv_to_cac", "payback"):
        for days in (1, 30, 1826):
            total = await metrics.total(kpi, **{**grown, "horizon_days": days})
            assert (total["maturity"], total["horizon_days"]) == (0.5, 90), (kpi, days)
    aim = {"kpi": "clv_projected", "from": "2026-01-01", "to": "2026-03-01", "value": "9", "currency": "EUR"}
    assert (await metrics.client.put("/v1/targets", json=aim)).status_code == 200
    held = await metrics.total("target_attainment", of="clv_projected", **{**grown, "horizon_days": 1826})
    told = await metrics.total("clv_projected", **{**grown, "horizon_days": 1826}, currency="EUR")
    assert held["actual"] == told["value"] > 0, "for as long as was asked for"


async def test_no_number_of_a_cohort_is_without_it(metrics: Metrics) -> None:
    for one in DEFINITIONS:
        total = await metrics.total(one.id, **THEN) if one.basis == "cohort" else {"maturity": None}
        assert "maturity" in total, one.id


async def test_in_several_currencies_it_is_said_of_all_of_them(metrics: Metrics) -> None:
    await five(metrics)
    told = Told().tell("f", "OrderPlaced", 30, order_id="f", amount="7", currency="USD")
    await metrics.fold_all(told.facts)
    worth = await metrics.total("clv_revenue", **THEN, currency="EUR")
    assert (worth["value"], worth["maturity"], set(worth["by_currency"])) == (None, 1 / 3, {"EUR", "USD"})
    told = Told().tell("g", "OrderPlaced", 90, order_id="g", amount="7", currency="USD")
    await metrics.fold_all(told.facts)
    late = {**THEN, "start": "2026-03-01", "to": "2026-05-01", "as_of": day(100).isoformat()}
    alone = await metrics.total("clv_revenue", **late, currency="EUR")
    assert (alone["value"], alone["maturity"], alone["horizon_days"]) == (None, 0.0, 30)
