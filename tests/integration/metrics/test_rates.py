"""Amounts of several currencies in one: by the rate of their own day, or of today's; never where nobody said a rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from services.metrics.domain.questions import Question
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.naive_customers import NaiveCustomers
from tests.integration.metrics.test_customer_numbers import NOW, RATE, THEN, near, with_margin
from tests.unit.metrics.customer_histories import history
from tests.unit.metrics.stories import DAY_0, Told, lead_id

TO_EUR = {"USD": (0.9, 0.8, 0.5), "IRR": (0.00002, 0.00001, 0.000005)}
DAYS = (date(2025, 12, 1), date(2026, 1, 20), date(2026, 2, 15))


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"), policy=with_margin(RATE))
    yield found
    await found.close()


async def say(metrics: Metrics, *rows: dict[str, Any]) -> dict[str, Any]:
    answer = await metrics.client.post("/v1/rates", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def load(metrics: Metrics) -> None:
    await say(
        metrics,
        *(
            {"currency": currency, "into": "EUR", "day": on.isoformat(), "rate": f"{rate:.6f}"}
            for currency, rates in TO_EUR.items()
            for on, rate in zip(DAYS, rates, strict=True)
        ),
    )


def in_euro(currency: str, amount: float, on: date) -> float:
    if currency == "EUR":
        return amount
    return amount * next(rate for day, rate in reversed(list(zip(DAYS, TO_EUR[currency], strict=True))) if day <= on)


@pytest.mark.parametrize("rollups", [True, False])
async def test_each_amount_counts_at_the_rate_of_its_own_day(
    metrics: Metrics, rollups: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = history(Random(7), 20)
    await metrics.fold_all(facts)
    await load(metrics)
    if not rollups:
        monkeypatch.setattr(Question, "fits_rollups", lambda *_: False)
    for as_of in (NOW,) if rollups else (NOW, THEN):
        naive = NaiveCustomers(facts, as_of, date(2000, 1, 1), date(2100, 1, 1), RATE)
        asked = {"currency": "EUR", "as_of": as_of.isoformat()}
        expected = sum(
            in_euro(order["currency"], order["amount"], naive.day(one.unit, order["at"]))
            for one in naive.people
            for order in one.orders
        )
        volume = await metrics.total("order_volume", **asked)
        assert (volume["value"], volume["currency"]) == (near(expected), "EUR")
        paid, margins = 0.0, defaultdict[int, float](float)
        for number, one in enumerate(naive.cohort):
            for at, revenue, margin, currency in (*one.purchases, *one.refunds):
                on = naive.day(one.unit, at)
                paid += in_euro(currency, revenue or 0.0, on)
                margins[number] += in_euro(currency, margin or 0.0, on)
        worth = await metrics.total("clv_revenue", **asked)
        assert worth["value"] == near(paid / len(naive.cohort))
        top = await metrics.total("top_customers", **asked, top=3)
        whole = naive if all(margin is not None for one in naive.cohort for _, _, margin, _ in one.purchases) else None
        assert (top["ranked_by"], top["currency"]) == ("margin" if whole else "revenue", "EUR")
        if whole:
            assert [one["worth"] for one in top["customers"]] == [near(one) for one in sorted(margins.values())[:-4:-1]]


async def test_restated_all_count_at_the_rate_of_the_day_of_as_of(metrics: Metrics) -> None:
    told = Told().tell("a", "OrderPlaced", 1, order_id="1", amount="100", currency="USD")
    told.tell("b", "OrderPlaced", 50, order_id="2", amount="100", currency="USD")
    await metrics.fold_all(told.facts)
    await load(metrics)
    for kpi, half in (("order_volume", 1), ("clv_revenue", 2)):
        answer = await metrics.ask(kpi, currency="EUR", group_by="month")
        assert (answer["rates"], answer["total"]["value"]) == ("event", near((90 + 50) / half))
        assert [one["value"] for one in answer["groups"]] == [near(90), near(50)]
        today = await metrics.ask(kpi, currency="EUR", rates="as_of")
        assert (today["rates"], today["total"]["value"]) == ("as_of", near(100 / half))
    dollars = await metrics.total("order_volume", currency="USD")
    assert (dollars["value"], dollars["currency"]) == (200, "USD")


async def test_means_ratios_costs_and_what_is_behind_are_in_the_one_currency_too(metrics: Metrics) -> None:
    told = Told()
    for name, amount, currency in (("a", "100", "USD"), ("b", "50", "EUR"), ("c", "1000000", "IRR")):
        told.tell(name, "LeadCreated", 0, channel="phone")
        told.tell(name, "OpportunityWon", 1, opportunity_id=name, amount=amount, currency=currency)
    told.tell("d", "OpportunityLost", 1, opportunity_id="d", reason="price", amount="40", currency="USD")
    await metrics.fold_all(told.facts)
    await load(metrics)
    spend = {"channel": "phone", "first_day": "2026-01-01", "last_day": "2026-01-02", "amount": "20", "currency": "USD"}
    assert (await metrics.client.post("/v1/spending", json={"rows": [spend]})).status_code == 200
    won = 90 + 50 + 20
    mean = await metrics.total("average_deal_value", currency="EUR")
    assert (mean["value"], mean["median"]) == (near(won / 3), near(50))
    assert (await metrics.total("win_rate_value", currency="EUR"))["value"] == near(won / (won + 36))
    assert (await metrics.total("cac", currency="EUR"))["value"] == near(18 / 3)
    assert (await metrics.total("source_romi", currency="EUR"))["value"] == near((won - 18) / 18)
    behind = await metrics.leads("sales_volume", currency="EUR")
    assert {(one["lead_id"], one["numerator"]) for one in behind} == {
        (str(lead_id("a")), 90), (str(lead_id("b")), 50), (str(lead_id("c")), 20),
    }  # fmt: skip


async def test_without_a_rate_nothing_is_added_and_a_rate_that_comes_late_holds_for_all_answers(
    metrics: Metrics,
) -> None:
    told = Told().tell("a", "OrderPlaced", 1, order_id="1", amount="100", currency="USD")
    told.tell("b", "OrderPlaced", 1, order_id="2", amount="7", currency="EUR")
    await metrics.fold_all(told.facts)
    asked = {"currency": "EUR", "as_of": THEN.isoformat()}
    alone = await metrics.total("order_volume", **asked)
    assert (alone["value"], alone["without_rate"], alone["n"]) == (None, ["USD"], 2)
    assert {currency: one["value"] for currency, one in alone["by_currency"].items()} == {"EUR": 7, "USD": 100}
    only = await metrics.total("order_volume", currency="GBP", as_of=THEN.isoformat())
    assert (only["value"], only["without_rate"]) == (None, ["EUR", "USD"])
    rate = {"currency": "USD", "into": "EUR", "day": "2026-01-02", "rate": "0.5"}
    assert await say(metrics, rate) == {"rows": 1, "changed": 1}
    assert (await metrics.total("order_volume", **asked))["value"] == 57, "known now, it holds for the past too"
    assert await say(metrics, {**rate, "rate": "0.6"}) == {"rows": 1, "changed": 1}
    assert await say(metrics, {**rate, "rate": "0.60"}) == {"rows": 1, "changed": 0}
    assert (await metrics.total("order_volume", **asked))["value"] == 67
    assert (await metrics.client.delete("/v1/rates/USD/EUR/2026-01-02")).status_code == 204
    assert (await metrics.client.delete("/v1/rates/USD/EUR/2026-01-02")).status_code == 404
    assert (await metrics.total("order_volume", **asked))["without_rate"] == ["USD"]


async def test_who_paid_in_several_currencies_that_have_a_rate_is_one_customer_in_it(metrics: Metrics) -> None:
    told = Told()
    paid = (("a", "EUR"), ("a", "USD"), ("a", "GBP"), ("b", "GBP"), ("c", "EUR"), ("d", "GBP"), ("d", "USD"))
    for number, (name, currency) in enumerate(paid):
        told.tell(name, "OrderPlaced", 5 + number, order_id=f"o{number}", amount="100", currency=currency)
    await metrics.fold_all(told.facts)
    await say(metrics, {"currency": "USD", "into": "EUR", "day": "2026-01-07", "rate": "1"})
    for rule in ("event", "as_of"):
        worth = await metrics.total("clv_revenue", currency="EUR", rates=rule)
        assert {one: (each["value"], each["n"]) for one, each in worth["by_currency"].items()} == {
            "EUR": (near(400 / 3), 3), "GBP": (100, 3),
        }, "what d paid first has no rate, and what they paid then has one"  # fmt: skip
        assert (worth["n"], worth["without_rate"]) == (4, ["GBP"])
    for asked in ({}, {"currency": "EUR"}):
        top = await metrics.total("top_customers", **asked)
        assert (top["n"], top["by_currency"]["GBP"]["n"]) == (4, 3)


async def test_rates_of_a_file_are_taken_and_wrong_lines_are_named(metrics: Metrics) -> None:
    file = (
        "Date;From;To;Rate;Source\n2026-01-01;USD;EUR;0.9;bank\n2026-01-02;usd;EUR;0.9;bank\n2026-01-03;USD;USD;1;bank\n\n"
        "2026-01-04;GBP;;1.15;bank\n2026-01-05;USD;EUR;0,91;bank\n2026-01-01;USD;EUR;0.95;bank\n2026-01-06;USD;EUR;0;bank\n"
    )
    csv = {"Content-Type": "text/csv"}
    for changed in (2, 0):
        answer = (await metrics.client.post("/v1/rates/import", content=file.encode(), headers=csv)).json()
        assert (answer["rows"], answer["changed"], answer["ignored_columns"]) == (7, changed, ["source"])
        assert [(one["line"], one["field"]) for one in answer["rejected"]] == [
            (3, "currency"), (4, "row"), (7, "rate"), (8, "rate"), (9, "rate"),
        ]  # fmt: skip
        assert all(one["fix"] for one in answer["rejected"])
    page = (await metrics.client.get("/v1/rates", params={"limit": 1})).json()
    assert page["items"] == [{"currency": "GBP", "into": "EUR", "day": "2026-01-04", "rate": "1.15"}]
    rest = (await metrics.client.get("/v1/rates", params={"beyond": page["next"]})).json()
    assert [(one["currency"], one["day"]) for one in rest["items"]] == [("USD", "2026-01-01")]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"currency": "euro"}, "currency"),
        ({"rates": "as_of"}, "currency"),
        ({"currency": "EUR", "rates": "best"}, "rates"),
    ],
)
async def test_a_wrong_currency_or_rate_is_refused(metrics: Metrics, parameters: dict[str, str], field: str) -> None:
    refused = await metrics.client.get("/v1/kpis/order_volume", params=parameters)
    assert (refused.status_code, refused.json()["field"]) == (422, field)


async def test_a_window_of_days_in_another_zone_takes_the_rate_of_the_units_own_day(metrics: Metrics) -> None:
    told = Told("tehran").tell("a", "OrderPlaced", 19.9, order_id="1", amount="100", currency="USD")
    await metrics.fold_all(told.facts)
    await load(metrics)
    assert (DAY_0 + timedelta(days=19.9)).date() == date(2026, 1, 20)
    late = Told("tehran").tell("b", "OrderPlaced", 18.9, order_id="2", amount="100", currency="USD")
    await metrics.fold_all(late.facts)
    assert (await metrics.total("order_volume", currency="EUR"))["value"] == near(80 + 80), "it is the 20th in Tehran"


async def test_a_moment_has_one_day_however_it_is_written(metrics: Metrics) -> None:
    story = Told()
    story.tell("a", "OpportunityWon", 1, opportunity_id="a", amount="100", currency="USD")
    await metrics.fold_all(story.facts)
    await say(
        metrics,
        *(
            {"currency": "USD", "into": "EUR", "day": on, "rate": rate}
            for on, rate in (("2026-01-01", "0.5"), ("2026-03-01", "0.25"))
        ),
    )
    asked = {"currency": "EUR", "rates": "as_of"}
    found = [
        await metrics.total("sales_volume", **asked, as_of=written)
        for written in ("2026-02-28T21:30:00Z", "2026-03-01T01:00:00+03:30")
    ]
    assert found[0] == found[1]
    assert found[0]["value"] == 50
