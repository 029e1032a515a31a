"""What was spent, held against what came of it: by hand and at random."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import DAY_0, Told, day

JANUARY = {"start": "2026-01-01", "to": "2026-02-01"}


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"))
    yield found
    await found.close()


async def tell(metrics: Metrics, *rows: dict[str, Any]) -> dict[str, Any]:
    answer = await metrics.client.post("/v1/spending", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def by(answer: dict[str, Any], cut: str) -> dict[str | None, Any]:
    return {group["key"][cut]: group["value"] for group in answer["groups"]}


async def test_leads_and_customers_cost_what_was_spent_on_their_days(metrics: Metrics) -> None:
    told = Told()
    for number in range(4):
        told.tell(f"s{number}", "LeadCreated", 3 + number, channel="web_form", source="spring")
    told.tell("x", "LeadCreated", 5, channel="phone").tell(
        "later", "LeadCreated", 40, channel="web_form", source="spring"
    )
    told.tell("s0", "OpportunityWon", 20, opportunity_id="o", amount="900", currency="EUR")
    await metrics.fold_all(told.facts)
    spring = {"channel": "web_form", "source": "spring"}
    await tell(
        metrics,
        {
            **spring,
            "first_day": "2025-12-22",
            "last_day": "2026-01-10",
            "amount": "200",
        },  # 10 of 20 days are in January
        {"kind": "salaries", "first_day": "2026-01-01", "last_day": "2026-01-31", "amount": "310"},
    )
    answer = await metrics.ask("cost_per_lead", **JANUARY, group_by="source")
    assert (answer["total"]["value"], answer["total"]["currency"]) == (pytest.approx(100 / 5), "EUR")
    assert by(answer, "source") == {"spring": pytest.approx(25), None: None}
    assert (await metrics.total("cost_per_customer", **JANUARY))["value"] == pytest.approx(100)
    assert (await metrics.total("cac", **JANUARY))["value"] == pytest.approx(410)
    returned = await metrics.total("source_romi", **JANUARY)
    assert (returned["value"], returned["numerator"], returned["denominator"]) == (
        pytest.approx(8), pytest.approx(800), pytest.approx(100),
    )  # fmt: skip
    soon = await metrics.total("cac", **JANUARY, as_of=day(9.5).isoformat())
    assert (soon["value"], soon["numerator"]) == (None, pytest.approx(100 + 100)), "half of it is spent, nobody won"


async def test_what_came_back_in_a_currency_without_spending_is_told(metrics: Metrics) -> None:
    told = Told()
    for lead, amount, currency in (("a", "50", "EUR"), ("b", "9000", "USD")):
        told.tell(lead, "LeadCreated", 3).tell(
            lead, "OpportunityWon", 5, opportunity_id=lead, amount=amount, currency=currency
        )
    await metrics.fold_all(told.facts)
    await tell(metrics, {"first_day": "2026-01-01", "last_day": "2026-01-31", "amount": "100"})
    found = await metrics.total("source_romi", **JANUARY)
    assert (found["value"], found["currency"]) == (None, None)
    assert {name: (one["value"], one["numerator"]) for name, one in found["by_currency"].items()} == {
        "EUR": (-0.5, -50), "USD": (None, 9000),
    }  # fmt: skip
    assert (await metrics.total("source_romi", **JANUARY, currency="EUR"))["without_rate"] == ["USD"]


async def test_customers_may_have_been_paid_for_some_days_before(metrics: Metrics) -> None:
    told = Told().tell("a", "LeadCreated", 3).tell("a", "OpportunityWon", 35, opportunity_id="a", amount="9")
    await metrics.fold_all(told.facts)
    days = {"first_day": "2026-01-01", "last_day": "2026-02-28", "currency": "USD"}
    await tell(metrics, {**days, "amount": "59", "kind": "salaries"})
    rates = [
        {"currency": "USD", "into": "EUR", "day": day, "rate": rate}
        for day, rate in (("2026-01-01", "0.5"), ("2026-01-20", "2"))
    ]
    assert (await metrics.client.post("/v1/rates", json={"rows": rates})).status_code == 200
    asked: dict[str, Any] = {"start": "2026-02-01", "to": "2026-03-01", "group_by": "month", "currency": "EUR"}
    at_once, later = [await metrics.ask("cac", **asked, **lag) for lag in ({}, {"lag_days": 28})]
    assert (at_once["lag_days"], at_once["total"]["value"]) == (0, 28 * 2)
    spent = 16 * 0.5 + 12 * 2
    assert (later["lag_days"], later["total"]["value"]) == (28, spent), "4 to 31 January, at the rates of these days"
    assert [(one["key"]["month"], one["value"]) for one in later["groups"]] == [("2026-02", spent)]
    soon = await metrics.total("cac", **asked, lag_days=28, as_of="2026-02-06T12:00:00Z")
    assert soon["numerator"] == 6 * 0.5, "as far as the window has come"
    for kpi, lag in (("cost_per_lead", "28"), ("cac", "-1"), ("cac", "soon")):
        refused = await metrics.client.get(f"/v1/kpis/{kpi}", params={"lag_days": lag})
        assert (refused.status_code, refused.json()["field"]) == (422, "lag_days")


async def test_behind_a_return_stand_customers_however_often_they_bought_or_were_paid_back(metrics: Metrics) -> None:
    told = Told().tell("a", "LeadCreated", 1, channel="phone").tell("b", "LeadCreated", 1, channel="phone")
    for number in range(3):
        told.tell("a", "OrderPlaced", 5, order_id=f"o{number}", amount="100", cost="60", currency="EUR")
    await metrics.fold_all(told.tell("a", "OrderRefunded", 20, order_id="o0", amount="10", currency="EUR").facts)
    await tell(metrics, {"channel": "phone", "first_day": "2026-01-01", "last_day": "2026-01-31", "amount": "200"})
    for kpi, back in (("source_romi", 290), ("source_roi", 110)):
        answer = await metrics.ask(kpi, **JANUARY, group_by="channel")
        assert [(one["n"], one["numerator"]) for one in (answer["total"], *answer["groups"])] == [(1, back - 200)] * 2
        behind = await metrics.leads(kpi, **JANUARY)
        assert (sum(one["n"] for one in behind), sum(one["numerator"] for one in behind)) == (1, back)
        shared = await metrics.ask(kpi, **JANUARY, group_by="channel", attribution="linear")
        assert [one["n"] for one in shared["groups"]] == [1]


async def test_a_loss_that_is_halved_is_told_as_half_of_it_for_the_better(metrics: Metrics) -> None:
    told = Told().tell("a", "LeadCreated", 1).tell("a", "OpportunityWon", 5, opportunity_id="a", amount="31")
    await metrics.fold_all(told.facts)
    await tell(metrics, {"first_day": "2025-12-01", "last_day": "2026-01-31", "amount": "124"})
    answer = await metrics.ask("source_romi", **JANUARY, compare="previous")
    assert (answer["comparison"]["total"]["value"], answer["total"]["value"]) == (-1, -0.5)
    assert answer["comparison"]["change"] == {"absolute": 0.5, "relative": 0.5}


async def test_what_came_back_where_nothing_was_spent_is_above_the_line_there(metrics: Metrics) -> None:
    told = Told().tell("a", "LeadCreated", 3, channel="phone")
    told.tell("a", "OpportunityWon", 5, opportunity_id="a", amount="100", currency="EUR")
    await metrics.fold_all(told.facts)
    await tell(metrics, {"first_day": "2026-01-01", "last_day": "2026-01-31", "amount": "200"})
    found = await metrics.ask("source_romi", **JANUARY, group_by="channel")
    assert {one["key"]["channel"]: (one["value"], one["numerator"]) for one in found["groups"]} == {
        "phone": (None, 100), None: (-1, -200),
    }  # fmt: skip
    assert (found["total"]["value"], found["total"]["numerator"]) == (-0.5, -100), "groups add up to it"


async def test_only_the_days_that_are_asked_about_are_made(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    await tell(metrics, {"first_day": "1900-01-01", "last_day": "8999-12-31", "amount": "1000000"})
    read: list[str] = []
    rows = metrics.database.rows

    async def seen(sql: str, **values: Any) -> Any:
        if "metrics.spending s" in sql:
            (plan,) = await rows(f"EXPLAIN (ANALYZE, FORMAT json) {sql}", **values)
            read.append(str(plan[0]))
        return await rows(sql, **values)

    monkeypatch.setattr(metrics.database, "rows", seen)
    await metrics.total("cac", **JANUARY)
    (plan,) = read
    made = [
        int(float(one.partition(",")[0].rstrip("}]")))
        for counted in ("'Actual Rows': ", "'Rows Removed by Filter': ")
        for one in plan.split(counted)[1:]
    ]
    assert max(made) == 31


async def test_days_are_spread_over_periods_of_each_calendar_and_currencies_stay_apart(metrics: Metrics) -> None:
    told, there = Told(), Told("tehran")
    for number in range(10):
        told.tell(f"a{number}", "LeadCreated", 3 * number, channel="phone")
        there.tell(f"b{number}", "LeadCreated", 3 * number, channel="phone")
    await metrics.fold_all([*told.facts, *there.facts])
    await tell(
        metrics,
        {"first_day": "2026-01-01", "last_day": "2026-02-19", "amount": "50"},
        {"business_unit": "tehran", "first_day": "2026-01-01", "last_day": "2026-01-10", "amount": "1000"},
    )
    answer = await metrics.ask("cost_per_lead", group_by="month", business_unit="default")
    assert {one["key"]["month"]: one["numerator"] for one in answer["groups"]} == {
        "2026-01": pytest.approx(31), "2026-02": pytest.approx(19),
    }  # fmt: skip
    both = await metrics.total("cost_per_lead")
    assert both["value"] is None
    assert {currency: one["numerator"] for currency, one in both["by_currency"].items()} == {"EUR": 50, "IRR": 1000}


async def test_said_again_is_another_amount_and_taken_back_is_gone(metrics: Metrics) -> None:
    row = {"campaign": "spring", "first_day": "2026-01-01", "amount": "10"}
    alone = {"rows": 1, "overlapping": 0, "overlaps": []}
    assert await tell(metrics, row) == {**alone, "changed": 1}
    assert await tell(metrics, row) == {**alone, "changed": 0}
    assert await tell(metrics, {**row, "amount": "12.5"}) == {**alone, "changed": 1}
    (kept,) = (await metrics.client.get("/v1/spending", params={"from": "2026-01-01", "to": "2026-01-02"})).json()[
        "items"
    ]
    assert (kept["amount"], kept["last_day"], kept["currency"]) == ("12.5", "2026-01-01", "EUR")
    assert (await metrics.client.delete(f"/v1/spending/{kept['spend_id']}")).status_code == 204
    assert (await metrics.client.delete(f"/v1/spending/{kept['spend_id']}")).status_code == 404
    assert (await metrics.client.get("/v1/spending")).json() == {"items": [], "next": None}


async def test_pages_hold_every_row_once(metrics: Metrics) -> None:
    await tell(metrics, *({"campaign": f"c{n}", "first_day": "2026-01-01", "amount": "1"} for n in range(25)))
    seen, beyond = [], None
    while True:
        page = (
            await metrics.client.get("/v1/spending", params={"limit": 10, **({"beyond": beyond} if beyond else {})})
        ).json()
        seen += [one["campaign"] for one in page["items"]]
        if (beyond := page["next"]) is None:
            break
    assert sorted(seen) == sorted(f"c{n}" for n in range(25))


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"amount": "-1"}, "amount"),
        ({"amount": "1e30"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"kind": "bribes"}, "kind"),
        ({"last_day": "2025-01-01"}, "rows.0"),
        ({"first_day": "0001-01-01"}, "first_day"),
        ({"currency": "euro"}, "currency"),
        ({"colour": "red"}, "colour"),
        ({"business_unit": "tehrn"}, "default, tehran"),
    ],
)
async def test_what_is_no_spending_is_refused_with_its_field(metrics: Metrics, row: dict[str, str], field: str) -> None:
    refused = await metrics.client.post(
        "/v1/spending", json={"rows": [{"first_day": "2026-01-01", "amount": "1", **row}]}
    )
    assert refused.status_code == 422, refused.text
    assert field in refused.text


async def test_a_cut_that_spending_does_not_know_is_refused(metrics: Metrics) -> None:
    for parameters in ({"group_by": "owner"}, {"product": "tools"}):
        refused = await metrics.client.get("/v1/kpis/cost_per_lead", params=parameters)
        assert (refused.status_code, "not known by" in refused.json()["detail"]) == (422, True)


async def test_a_window_by_the_clock_is_refused(metrics: Metrics) -> None:
    refused = await metrics.client.get("/v1/kpis/cac", params={"from": "2026-01-01T10:00:00Z", "to": "2026-02-01"})
    assert (refused.status_code, refused.json()["fix"]) == (422, "Give `from` and `to` as dates.")


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_any_window_equals_a_recount_day_by_day(metrics: Metrics, seed: int) -> None:
    chance = Random(seed)
    told, rows = Told(), []
    daily: dict[tuple[str | None, date], float] = defaultdict(float)
    for number in range(40):
        told.tell(f"l{number}", "LeadCreated", chance.uniform(0, 60), channel=chance.choice(["phone", "event"]))
    for number in range(12):
        first, length = DAY_0.date() + timedelta(days=chance.randrange(-20, 60)), chance.randrange(1, 40)
        amount, channel = chance.randrange(1, 900), chance.choice(["phone", "event", None])
        rows.append({
            "campaign": f"c{number}", "first_day": first.isoformat(), "amount": str(amount), "channel": channel,
            "last_day": (first + timedelta(days=length - 1)).isoformat(),
        })  # fmt: skip
        for each in range(length):
            daily[channel, first + timedelta(days=each)] += amount / length
    await metrics.fold_all(told.facts)
    await tell(metrics, *rows)
    start = DAY_0.date() + timedelta(days=chance.randrange(0, 20))
    end = start + timedelta(days=chance.randrange(5, 50))
    answer = await metrics.ask("cost_per_lead", start=start.isoformat(), to=end.isoformat(), group_by="channel")
    for group in [{"key": {"channel": "all"}, **answer["total"]}, *answer["groups"]]:
        channel = group["key"]["channel"]
        money = sum(m for (own, at), m in daily.items() if channel in ("all", own) and start <= at < end)
        leads = sum(
            channel in ("all", fact.data["channel"]) and start <= fact.occurred_at.date() < end for fact in told.facts
        )
        assert group["numerator"] == pytest.approx(money)
        assert group["denominator"] == leads
        assert group["value"] == (pytest.approx(money / leads) if leads and money else None)


@pytest.mark.parametrize("amount", ["0e-999999999", "0e999999999", "-0e-20000"])
async def test_nothing_is_spent_however_many_places_it_is_written_with(metrics: Metrics, amount: str) -> None:
    row = {"first_day": "2026-01-01", "last_day": "2026-01-01", "amount": amount, "currency": "EUR"}
    answer = await metrics.client.post("/v1/spending", json={"rows": [row]})
    assert answer.status_code == 200, answer.text
    (kept,) = (await metrics.client.get("/v1/spending")).json()["items"]
    assert float(kept["amount"]) == 0
