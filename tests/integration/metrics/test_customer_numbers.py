"""What is told of customers equals its naive recomputation, from sums and from entries alike; and reads as it should."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import date, datetime
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from services.metrics.domain.facts import Fact
from services.metrics.domain.questions import Question
from services.metrics.domain.statistics import wilson
from services.metrics.rebuilding import Rebuilding
from shared.contracts.policy import Customers
from tests.integration.metrics.harness import POLICY, Metrics
from tests.integration.metrics.naive_customers import NaiveCustomers, persons
from tests.unit.metrics.customer_histories import history
from tests.unit.metrics.stories import Told, lead_id

NOW = datetime.fromisoformat("2026-04-20T12:00:00+00:00")
THEN = datetime.fromisoformat("2026-02-10T09:30:00+00:00")
WINDOWS = ((date(2000, 1, 1), date(2100, 1, 1)), (date(2026, 1, 21), date(2026, 3, 1)))
RATE = 0.4


def with_margin(rate: float | None) -> Any:
    customers = Customers(margin_rate=rate)
    units = {name: unit.model_copy(update={"customers": customers}) for name, unit in POLICY.business_units.items()}
    defaults = POLICY.defaults.model_copy(update={"customers": customers})
    return POLICY.model_copy(update={"defaults": defaults, "business_units": units})


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"), policy=with_margin(RATE))
    yield found
    await found.close()


async def folded(metrics: Metrics, seed: int) -> list[Fact]:
    random = Random(seed)
    facts = history(random, 20)
    told = [*facts, *random.sample(facts, 20)]
    random.shuffle(told)
    await metrics.fold_all(told, 90)
    return facts


def near(value: float | None) -> Any:
    return None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


def parts(total: dict[str, Any]) -> dict[str, Any]:
    """An answer in money by its currencies."""
    return total.get("by_currency") or ({total["currency"]: total} if total["currency"] else {})


async def agree(metrics: Metrics, facts: list[Fact], as_of: datetime) -> None:
    for start, end in WINDOWS:
        window = {"start": start.isoformat(), "to": end.isoformat(), "as_of": as_of.isoformat()}
        naive = NaiveCustomers(facts, as_of, start, end, RATE)
        await _agree_on_orders(metrics, naive, window)
        await _agree_on_worth(metrics, naive, window)
        lost, active = naive.churn(start, end)
        churn = await metrics.total("churn_rate", **window)
        assert (churn["numerator"], churn["denominator"]) == (lost, active), window
        satisfied, answers, replied, asked = naive.satisfaction()
        csat = await metrics.total("csat", **window)
        assert (csat["numerator"], csat["denominator"], csat["asked"]) == (satisfied, answers, asked), window
        assert csat["response_rate"] == near(replied / asked if asked else None)
        assert ("response_interval" in csat) == (asked < 30), "of few it is told how sure it is"
        bounds = csat.get("response_interval")
        assert (bounds is None) == (not 0 < asked < 30)
        if bounds is not None:
            assert (bounds["low"], bounds["high"]) == pytest.approx(wilson(replied, asked))


async def _agree_on_orders(metrics: Metrics, naive: NaiveCustomers, window: dict[str, str]) -> None:
    orders = naive.orders()
    assert (await metrics.total("orders", **window))["value"] == sum(n for n, _ in orders.values())
    for kpi, expected in (("order_volume", orders), ("order_refunds", naive.refunds())):
        found = parts(await metrics.total(kpi, **window))
        assert {currency: (one["n"], one["value"]) for currency, one in found.items()} == {
            currency: (n, near(amount)) for currency, (n, amount) in expected.items()
        }, (kpi, window)
    renewed = await metrics.total("renewal_rate", **window)
    assert (renewed["numerator"], renewed["denominator"]) == naive.renewals(), window


async def _agree_on_worth(metrics: Metrics, naive: NaiveCustomers, window: dict[str, str]) -> None:
    repeated = await metrics.total("repeat_purchase_rate", **window)
    assert (repeated["numerator"], repeated["denominator"]) == naive.repeated(), window
    months, lost = naive.months_and_losses()
    for of, observed, projected in ((1, "clv_revenue", "clv_projected_revenue"), (2, "clv_observed", "clv_projected")):
        totals = naive.totals(of)
        found = await metrics.total(observed, **window)
        assert found["n"] == len(naive.cohort)
        assert {currency: one["numerator"] for currency, one in parts(found).items()} == near_all(totals), window
        expected = await metrics.total(projected, **window)
        assert expected["months_lived"] == near(months)
        churn = max(lost / months, 1 / 60) if months else None
        assert {currency: one["value"] for currency, one in parts(expected).items()} == {
            currency: near(amount / months / churn) if churn else None for currency, amount in totals.items()
        }, window
    top = await metrics.total("top_customers", **window, top=3)
    of = {"margin": 2, "revenue": 1}[top["ranked_by"]]
    for currency, one in parts(top).items():
        ranked = naive.ranked(of, currency, lambda person: person.ids)
        assert [each["worth"] for each in one["customers"]] == [near(worth) for _, worth in ranked[:3]], window
        for each in one["customers"]:
            mine = [worth for ids, worth in ranked if each["lead_id"] in map(str, ids)]
            assert mine in ([], [near(each["worth"])]), "none where nothing was told under the canonical id by then"


def near_all(values: dict[str, float]) -> dict[str, Any]:
    return {name: near(value) for name, value in values.items()}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_number_about_customers_equals_its_naive_recomputation(
    metrics: Metrics, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = await folded(metrics, seed)
    assert (await metrics.audit())["differences"] == []
    await agree(metrics, facts, NOW)
    await agree(metrics, facts, THEN)
    monkeypatch.setattr(Question, "fits_rollups", lambda *_: False)
    await agree(metrics, facts, NOW)
    await agree(metrics, facts, THEN)


async def test_how_long_customers_stay_is_known_of_sums_that_were_kept_before_they_said_when(metrics: Metrics) -> None:
    facts = await folded(metrics, 5)
    half = "UPDATE metrics.rollups SET durations = 0, duration_microseconds = 0 WHERE measure LIKE 'customer%' AND {}"
    for which in ("dimension = '' AND day < '2026-02-15'", "true"):
        async with metrics.database.transaction() as tx:
            await tx.execute(half.format(which))
        await agree(metrics, facts, NOW)
        await agree(metrics, facts, THEN)
    assert {one["measure"] for one in (await metrics.audit())["differences"]} >= {"customer"}
    again = Rebuilding(metrics.database, with_margin(RATE).unit, interval_seconds=1)
    await again.ask()
    await again.until_done()
    assert (await metrics.audit())["differences"] == []
    await agree(metrics, facts, NOW)


async def test_churn_of_each_month_and_channel_is_that_of_its_own_beginning(metrics: Metrics) -> None:
    facts = await folded(metrics, 4)
    answer = await metrics.ask(
        "churn_rate", start="2026-01-01", to="2026-05-01", as_of=NOW.isoformat(), group_by="month,channel"
    )
    months = [date(2026, month, 1) for month in (1, 2, 3, 4, 5)]
    expected = {}
    for channel in ("web_form", "phone", None):
        naive = NaiveCustomers(facts, NOW, months[0], months[-1], RATE, channel)
        for first, after in pairwise(months):
            lost, active = naive.churn(first, after)
            if active:
                expected[f"{first:%Y-%m}", channel] = (lost, active)
    assert {
        (one["key"]["month"], one["key"]["channel"]): (one["numerator"], one["denominator"]) for one in answer["groups"]
    } == expected
    assert any(lost for lost, _ in expected.values())


async def test_three_per_cent_a_month_are_thirty_a_year(metrics: Metrics) -> None:
    told = Told()
    for number in range(100):
        told.tell(f"c{number}", "OrderPlaced", 3, order_id=f"o{number}", amount="100")
        if number < 3:
            told.tell(f"c{number}", "CustomerChurned", 40)
    told.tell("new", "OrderPlaced", 35, order_id="n", amount="1").tell("new", "CustomerChurned", 45)
    await metrics.fold_all(told.facts)
    february = await metrics.total("churn_rate", start="2026-02-01", to="2026-03-01")
    assert (february["value"], february["numerator"], february["denominator"]) == (0.03, 3, 100)
    assert (february["months"], february["monthly"]) == (1, pytest.approx(0.03))
    assert february["yearly"] == pytest.approx(0.3061576, abs=1e-7)
    ahead = await metrics.total("churn_rate", start="2030-01-01", to="2030-02-01")
    assert (ahead["value"], ahead["denominator"]) == (None, 0), "a window that has not begun"


async def test_nobody_who_leaves_does_not_make_customers_worth_without_end(metrics: Metrics) -> None:
    told = Told()
    for number in range(4):
        told.tell(f"c{number}", "OrderPlaced", 0, order_id=f"o{number}", amount="100")
    await metrics.fold_all(told.facts)
    as_of = (await metrics.ask("orders"))["as_of"]
    endless = await metrics.total("clv_projected")
    months = (datetime.fromisoformat(as_of) - datetime.fromisoformat("2026-01-01T00:00:00+00:00")).days / 30.436875
    assert endless["value"] == pytest.approx(100 * RATE / months * 60, rel=1e-6)
    assert (endless["is_capped"], endless["churn_per_month"]) == (True, 0)
    year = await metrics.total("clv_projected", horizon_days=365)
    assert year["value"] == pytest.approx(100 * RATE / months * 365 / 30.436875, rel=1e-6)
    spend = {"first_day": "2026-01-01", "amount": "120", "kind": "salaries"}
    assert (await metrics.client.post("/v1/spending", json={"rows": [spend]})).status_code == 200
    ltv = await metrics.total("ltv_to_cac", horizon_days=365)
    assert ltv["value"] == pytest.approx(year["value"] / 30, rel=1e-6)
    payback = await metrics.total("payback")
    assert payback["value"] == pytest.approx(30 / (100 * RATE / months), rel=1e-6)
    assert (payback["currency"], payback["n"]) == ("EUR", 4)


async def test_a_source_returns_the_margin_of_those_who_first_came_through_it(metrics: Metrics) -> None:
    told = Told()
    told.tell("a", "LeadCreated", 1, channel="phone", source="spring")
    told.tell("a", "LeadTouched", 2, kind="captured", channel="web_form", source="autumn")
    told.tell("a", "OrderPlaced", 3, order_id="1", amount="1000", cost="400")
    told.tell("a", "OrderPlaced", 4, order_id="2", amount="100").tell(
        "a", "OrderRefunded", 5, order_id="2", amount="50"
    )
    await metrics.fold_all(told.facts)
    row = {"channel": "phone", "source": "spring", "first_day": "2026-01-01", "amount": "200"}
    assert (await metrics.client.post("/v1/spending", json={"rows": [row]})).status_code == 200
    answer = await metrics.ask("source_roi", start="2026-01-01", to="2026-02-01", group_by="source")
    (spring,) = answer["groups"]
    assert (spring["key"]["source"], spring["value"]) == (
        "spring",
        pytest.approx((600 + 100 * RATE - 50 * RATE - 200) / 200),
    )
    assert (await metrics.total("source_romi"))["value"] == pytest.approx((1050 - 200) / 200)
    assert (await metrics.total("lead_to_customer_cohort"))["value"] == 1, "who orders is a customer"


async def test_without_a_margin_rate_what_has_no_cost_is_said_and_revenue_ranks(
    migrated_database: Callable[..., str],
) -> None:
    metrics = Metrics(migrated_database("metrics"))
    told = (
        Told()
        .tell("a", "OrderPlaced", 1, order_id="1", amount="10")
        .tell("b", "OrderPlaced", 2, order_id="2", amount="30")
    )
    await metrics.fold_all(told.facts)
    worth = await metrics.total("clv_observed")
    assert (worth["value"], worth["without_amount"]) == (None, 2)
    top = await metrics.total("top_customers", top=1)
    assert (top["ranked_by"], top["value"], top["n"]) == ("revenue", 0.75, 2)
    assert [one["lead_id"] for one in top["customers"]] == [str(lead_id("b"))]
    await metrics.close()


async def test_a_churn_by_the_clock_and_a_wrong_top_are_refused(metrics: Metrics) -> None:
    for kpi, parameters, field in (
        ("churn_rate", {"from": "2026-01-01T10:00:00Z"}, "from"),
        ("top_customers", {"top": "0"}, "top"),
        ("top_customers", {"top": "1000"}, "top"),
    ):
        refused = await metrics.client.get(f"/v1/kpis/{kpi}", params=parameters)
        assert (refused.status_code, refused.json()["field"]) == (422, field)


async def test_the_naive_computation_sees_the_variety_it_should(metrics: Metrics) -> None:
    found = [one for seed in (1, 2, 3, 4) for one in persons(history(Random(seed), 20), NOW, RATE)]
    assert any(len(one.stays) > 1 for one in found)
    assert any(len(one.ids) > 1 and len(one.purchases) > 2 for one in found)
    assert any(one.since and one.since < one.created for one in found)
    assert any(sum(one.worth(1).values()) < 0 for one in found)
    assert any(len(one.worth(1)) > 1 for one in found)
    assert any(order["renewed"] and order["until"] for one in found for order in one.orders)
