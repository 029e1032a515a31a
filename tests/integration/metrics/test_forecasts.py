"""Forecasts over HTTP: what they agree with, what they cannot know, and how they would have done on real deals."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from services.metrics.forecasts import Asked, Window, forecast
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_expecting import POLICY
from tests.unit.metrics.stories import DAY_0, Told, day

MAVEN = Path(__file__).parents[4] / "shared" / "data" / "maven_crm"
METHODS = ("weighted", "historical", "combined")


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"), now=day(1_200), policy=POLICY)
    yield found
    await found.close()


async def get(metrics: Metrics, path: str = "", **parameters: Any) -> dict[str, Any]:
    answer = await metrics.client.get(f"/v1/forecast{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def business(seed: int, days: int) -> Told:
    """A business whose leads come evenly, of whom some buy: what is forecast of it can be right."""
    random, told = Random(seed), Told()
    for number in range(days * 2):
        name, at = f"l{number}", random.uniform(0, days)
        told.tell(name, "LeadCreated", at, channel="phone")
        if random.random() > 0.5:
            told.tell(name, "LeadArchived", at + random.uniform(1, 20), reason="other")
            continue
        opened, won = at + random.uniform(1, 15), random.random() < 0.4
        close = opened + random.uniform(5, 60)
        owner, amount = random.choice(("kim", "ali")), str(random.randint(500, 2_000))
        deal = {"opportunity_id": name, "owner": owner}
        said = day(close + random.uniform(-10, 10)).isoformat()
        told.tell(
            name,
            "OpportunityOpened",
            opened,
            **deal,
            stage="second",
            amount=amount,
            currency="EUR",
            expected_close=said,
        )
        told.tell(
            name, "OpportunityWon" if won else "OpportunityLost", close, **deal, **({} if won else {"reason": "price"})
        )
    return told


async def test_what_is_forecast_is_near_what_comes_and_the_weighted_one_is_the_kpi(metrics: Metrics) -> None:
    told = business(1, 600)
    await metrics.fold_all(told.facts)
    as_of = day(365).isoformat()
    found = await get(metrics, as_of=as_of, by="owner", periods=2, level=0.9)
    assert [one["period"] for one in found["periods"]] == ["2027-Q1", "2027-Q2"]
    for period in found["periods"]:
        window = {"start": period["from"], "to": period["to"]}
        actual = (await metrics.total("sales_volume", **window, as_of=day(700).isoformat()))["value"]
        for method in ("historical", "combined"):
            told_of = period["total"][method]
            assert told_of["value"] == pytest.approx(actual, rel=0.2), method
            assert told_of["interval"]["low"] <= actual <= told_of["interval"]["high"], method
        weighted = await metrics.total("weighted_forecast", **window, as_of=as_of)
        assert period["total"]["weighted"]["value"] == pytest.approx(weighted["value"])
        assert period["total"]["weighted"]["sd"] == pytest.approx(weighted["sd"])
        for method in METHODS:
            assert sum(group[method]["value"] for group in period["groups"]) == pytest.approx(
                period["total"][method]["value"]
            ), method
    assert {group["key"]["owner"] for group in found["periods"][0]["groups"]} >= {"kim", "ali"}


async def test_what_should_have_closed_earlier_in_the_running_period_is_in_it_as_the_kpi_has_it(
    metrics: Metrics,
) -> None:
    told = Told()
    for name, closes in (("before", "2026-12-20"), ("overdue", "2027-01-20"), ("to_come", "2027-03-20")):
        told.tell(name, "LeadCreated", 300).tell(
            name, "OpportunityOpened", 301, opportunity_id=name, stage="first", amount="1000", currency="EUR",
            expected_close=f"{closes}T00:00:00Z",
        )  # fmt: skip
    await metrics.fold(told.facts)
    as_of = "2027-02-15"
    running, next_one = (await get(metrics, as_of=as_of, periods=2))["periods"]
    kpi = await metrics.total("weighted_forecast", start="2027-01-01", to="2027-04-01", as_of=as_of)
    assert running["total"]["weighted"]["value"] == pytest.approx(kpi["value"]) == pytest.approx(300)
    assert next_one["total"]["weighted"]["value"] == 0
    assert running["total"]["combined"]["made_of"]["trust"] == pytest.approx(0.5 * 2 / 3), "of two it is said when"
    of_another_calendar = Window("bahman to farvardin", date(2027, 1, 21), date(2027, 4, 21))
    asked = Asked(None, "quarter", 1, None, datetime(2027, 2, 15, tzinfo=UTC), "EUR")
    (_, total, _), *_ = (await forecast(metrics.database, POLICY, asked, [of_another_calendar])).windows
    assert total["weighted"].mean == pytest.approx(150), "the one of the day before it began is not in it"


async def test_a_forecast_of_a_past_moment_knows_nothing_of_what_came_after(metrics: Metrics) -> None:
    told = business(2, 500)
    then = day(250)
    await metrics.fold_all([fact for fact in told.facts if fact.occurred_at <= then])
    before = await get(metrics, as_of=then.isoformat())
    await metrics.fold_all([fact for fact in told.facts if fact.occurred_at > then])
    after = await get(metrics, as_of=then.isoformat())
    assert {**after, "folded_to": None} == {**before, "folded_to": None}
    assert after["experience"]["wins"] > 0


async def test_intervals_hold_about_their_share_of_what_came(metrics: Metrics) -> None:
    await metrics.fold_all(business(3, 1_200).facts)
    found = await get(metrics, "/backtest", period="month", back=24, as_of=day(1_180).isoformat(), level=0.8)
    assert found["n"] == 24
    for method in ("historical", "combined"):
        assert 14 <= found["methods"][method]["within_interval"] <= 24, found["methods"]
        assert found["methods"][method]["wape"] < 0.35
        assert abs(found["methods"][method]["bias"]) < 0.15
    assert found["methods"]["weighted"]["bias"] < -0.1, "it knows of no deal that is not open yet"


async def test_currencies_are_not_added_and_an_empty_system_forecasts_nothing(metrics: Metrics) -> None:
    empty = await get(metrics, by="team", period="year")
    assert [one["total"][method]["value"] for one in empty["periods"] for method in METHODS] == [0] * 6
    told = Told()
    for currency in ("EUR", "USD"):
        told.tell(currency, "LeadCreated", 1).tell(
            currency, "OpportunityOpened", 2, opportunity_id=currency, stage="third", amount="100", currency=currency,
            expected_close=day(50).isoformat(),
        )  # fmt: skip
    await metrics.fold(told.facts)
    found = await get(metrics, as_of=day(10).isoformat())
    assert (found["periods"][0]["total"]["weighted"]["value"], found["other_currencies"]) == (
        pytest.approx(70),
        ["USD"],
    )
    for wrong in ({"as_of": "soon"}, {"by": "colour"}, {"period": "week"}, {"level": 2}, {"periods": 99}):
        assert (await metrics.client.get("/v1/forecast", params=wrong)).status_code == 422, wrong


@pytest.mark.slow
@pytest.mark.skipif(not MAVEN.exists(), reason="the folder with real data is not here")
async def test_on_real_deals_the_past_says_more_than_nothing_and_intervals_are_judged(metrics: Metrics) -> None:
    told = Told()
    prices = {row["product"]: row["sales_price"] for row in csv.DictReader((MAVEN / "products.csv").open())}
    for row in csv.DictReader((MAVEN / "sales_pipeline.csv").open()):
        if not row["engage_date"]:
            continue
        name = row["opportunity_id"]
        opened = since(row["engage_date"])
        deal = {"opportunity_id": name, "owner": row["sales_agent"], "currency": "USD"}
        price = prices[row["product"].replace("GTXPro", "GTX Pro")]
        told.tell(name, "LeadCreated", opened)
        told.tell(name, "OpportunityOpened", opened, **deal, stage="Engaging", amount=price)
        if row["deal_stage"] == "Won":
            told.tell(name, "OpportunityWon", since(row["close_date"]), **deal, amount=row["close_value"])
        elif row["deal_stage"] == "Lost":
            told.tell(name, "OpportunityLost", since(row["close_date"]), **deal, reason="unknown")
    await metrics.fold_all(told.facts, 2_000)
    found = await get(metrics, "/backtest", period="month", back=6, as_of="2018-01-01", currency="USD", level=0.95)

    assert found["methods"]["combined"] == found["methods"]["historical"], "nobody said when these deals close"
    assert found["methods"]["historical"]["wape"] < 0.4
    assert found["methods"]["historical"]["within_interval"] >= 5


def since(text: str) -> float:
    return (datetime.fromisoformat(f"{text}T00:00:00+00:00") - DAY_0) / timedelta(days=1)
