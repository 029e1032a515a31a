"""Forecasts of an organisation that sells in several currencies: in one of them at the rates that are known, never without one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid5

import pytest

from services.metrics.domain.facts import Fact
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_expecting import POLICY
from tests.integration.metrics.test_forecasts import METHODS, business, get
from tests.unit.metrics.stories import Told, day

AS_OF = day(300).isoformat()
FROZEN_BEFORE = """
    INSERT INTO metrics.frozen SELECT (jsonb_populate_record(f, jsonb_build_object(
        'frozen_id', gen_random_uuid(), 'due_at', CAST(:at AS text), 'content', jsonb_build_object('forecasts',
            (SELECT jsonb_agg(one - 'rates') FROM jsonb_array_elements(content -> 'forecasts') AS each (one)))))).*
    FROM metrics.frozen AS f"""
"""The same again of an earlier moment, by a version that counted the unit's own currency alone."""


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"), policy=POLICY)
    yield found
    await found.close()


async def say(metrics: Metrics, currency: str, on: str, rate: str) -> None:
    row = {"currency": currency, "into": "EUR", "day": on, "rate": rate}
    assert (await metrics.client.post("/v1/rates", json={"rows": [row]})).status_code == 200


def half_in_dollars(facts: list[Fact], unit: str) -> list[Fact]:
    """The same of another unit, where every second deal is told in a currency of which it takes two for one."""
    found = []
    for fact in facts:
        name = str(fact.data.get("opportunity_id", ""))
        data = {**fact.data, **({"opportunity_id": f"{unit}-{name}"} if name else {})}
        if "amount" in data and int(name[1:]) % 2:
            data |= {"amount": str(int(data["amount"]) * 2), "currency": "USD"}
        found.append(
            fact._replace(
                lead_id=uuid5(fact.lead_id, unit), event_id=uuid5(fact.event_id, unit), business_unit=unit, data=data
            )
        )
    return found


async def test_open_deals_held_against_a_units_target_count_at_the_rate_of_the_day_that_it_is_there(
    metrics: Metrics,
) -> None:
    story = Told("tehran").tell("a", "LeadCreated", 1)
    told = {"stage": "first", "amount": "100", "currency": "USD", "expected_close": day(40).isoformat()}
    await metrics.fold_all(story.tell("a", "OpportunityOpened", 2, opportunity_id="a", **told).facts)
    for on, rate in (("2026-01-01", "0.5"), ("2026-01-20", "0.25")):
        await say(metrics, "USD", on, rate)
    aim = {"business_unit": "tehran", "period": "2026-Q1", "value": "50", "currency": "EUR"}
    put = await metrics.client.put("/v1/targets", json={"kpi": "weighted_forecast", **aim})
    assert put.status_code == 200, put.text
    asked = {"start": "2026-01-01", "to": "2026-04-01", "business_unit": "tehran"}
    for at, worth in ((day(18.8), 12.5), (day(18.9), 6.25), (day(19), 6.25)):
        direct = await metrics.total("weighted_forecast", **asked, currency="EUR", as_of=at.isoformat())
        held = await metrics.total("target_attainment", **asked, of="weighted_forecast", as_of=at.isoformat())
        assert (direct["value"], held["actual"]) == (pytest.approx(worth), pytest.approx(worth)), at


async def test_at_a_rate_that_never_moves_a_forecast_is_that_of_one_currency(metrics: Metrics) -> None:
    facts = business(4, 400).facts
    await metrics.fold_all([*facts, *half_in_dollars(facts, "south")])
    window = {"start": "2026-10-01", "to": "2027-01-01", "as_of": AS_OF}
    without = await get(metrics, as_of=AS_OF, business_unit="south", currency="EUR")
    assert without["without_rate"] == without["other_currencies"] == ["USD"]
    kpi = await metrics.total("weighted_forecast", **window, business_unit="south", currency="EUR")
    assert (kpi["value"], kpi["without_rate"], set(kpi["by_currency"])) == (None, ["USD"], {"EUR", "USD"})
    await say(metrics, "USD", "2020-01-01", "0.5")
    for by in (None, "owner"):
        plain, in_one = [
            await get(metrics, as_of=AS_OF, business_unit=unit, currency="EUR", **({"by": by} if by else {}))
            for unit in ("default", "south")
        ]
        assert (in_one["other_currencies"], in_one["without_rate"], in_one["rates"]) == (["USD"], [], "event")
        assert in_one["experience"] == pytest.approx(plain["experience"])
        for one, other in zip(in_one["periods"], plain["periods"], strict=True):
            for group, same in zip([one["total"], *one["groups"]], [other["total"], *other["groups"]], strict=True):
                for method in METHODS:
                    for name in ("value", "sd"):
                        assert group[method][name] == pytest.approx(same[method][name]), (by, method, name)
                    assert group[method]["interval"]["low"] == pytest.approx(same[method]["interval"]["low"])
    rest = without["periods"][0]["total"]["weighted"]["value"]
    assert rest < in_one["periods"][0]["total"]["weighted"]["value"]
    kpis = [
        await metrics.total("weighted_forecast", **window, business_unit=unit, **more)
        for unit, more in (("default", {}), ("south", {"currency": "EUR"}))
    ]
    for name in ("value", "sd", "won", "open", "open_n", "n"):
        assert kpis[1][name] == pytest.approx(kpis[0][name]), name
    assert kpis[1]["interval"]["high"] == pytest.approx(kpis[0]["interval"]["high"])


async def test_what_was_won_counts_at_the_rate_of_its_day_and_what_is_open_at_that_of_the_answer(
    metrics: Metrics,
) -> None:
    story = Told()
    for name in ("a", "b"):
        story.tell(
            name, "OpportunityOpened", 1, opportunity_id=name, stage="third", amount="100", currency="USD",
            expected_close=day(80).isoformat(),
        )  # fmt: skip
    story.tell("b", "OpportunityWon", 10, opportunity_id="b", amount="100", currency="USD")
    await metrics.fold_all(story.facts)
    await say(metrics, "USD", "2026-01-01", "0.5")
    await say(metrics, "USD", "2026-02-01", "0.25")
    window = {"start": "2026-01-01", "to": "2026-04-01", "as_of": day(40).isoformat(), "currency": "EUR"}
    for more, value in (({}, 50 + 17.5), ({"rates": "as_of"}, 25 + 17.5)):
        found = await metrics.total("weighted_forecast", **window, **more)
        assert (found["value"], found["currency"]) == (pytest.approx(value), "EUR")
    told = await get(metrics, as_of=day(40).isoformat(), currency="EUR", periods=1)
    assert told["periods"][0]["total"]["weighted"]["value"] == pytest.approx(50 + 17.5)


async def test_the_rate_is_that_of_the_day_where_the_unit_is_for_the_kpi_as_for_the_forecast(metrics: Metrics) -> None:
    story = Told("tehran").tell(
        "a", "OpportunityOpened", 1, opportunity_id="a", stage="first", amount="100", currency="USD",
        expected_close=day(80).isoformat(),
    )  # fmt: skip
    await metrics.fold_all(story.facts)
    await say(metrics, "USD", "2026-01-01", "0.5")
    await say(metrics, "USD", "2026-02-02", "0.25")
    asked = {"business_unit": "tehran", "currency": "EUR", "as_of": "2026-02-01T21:00:00Z"}
    kpi = await metrics.total("weighted_forecast", start="2026-01-01", to="2026-04-01", **asked)
    told = (await get(metrics, **asked, periods=1))["periods"][0]["total"]["weighted"]
    assert kpi["value"] == pytest.approx(told["value"]) == pytest.approx(100 * 0.25 * 0.25), (
        "there it is the second already"
    )


async def test_a_frozen_forecast_is_judged_in_the_money_that_it_was_made_in(metrics: Metrics) -> None:
    story = Told()
    for name, currency in (("a", "EUR"), ("b", "USD")):
        story.tell(
            name, "OpportunityOpened", 1, opportunity_id=name, stage="third", amount="100", currency=currency,
            expected_close=day(100).isoformat(),
        )  # fmt: skip
    await metrics.fold_all(story.facts)
    await say(metrics, "USD", "2026-01-01", "0.5")
    metrics.clock.now = lambda: day(88)  # type: ignore[method-assign]
    said = await metrics.client.post("/v1/frozen", json={"name": "forecast"})
    assert said.status_code == 201, said.text
    async with metrics.database.transaction() as tx:
        await tx.execute(FROZEN_BEFORE, {"at": day(55).isoformat()})
    later = Told()
    for name, currency in (("a", "EUR"), ("b", "USD")):
        later.tell(name, "LeadCreated", 1).tell(
            name, "OpportunityWon", 101, opportunity_id=name, amount="100", currency=currency
        )
    won = [
        fact._replace(event_id=uuid5(fact.event_id, "won"), version=9) for fact in later.facts if "Won" in fact.event
    ]
    await metrics.fold_all(won)
    metrics.clock.now = lambda: day(190)  # type: ignore[method-assign]
    window: dict[str, Any] = {"start": "2026-04-01", "to": "2026-07-01", "as_of": day(190).isoformat()}
    found = await metrics.total("forecast_accuracy", **window)
    assert found["denominator"] == pytest.approx(150)
    came = {one["lead_days"]: one["combined"]["actual"] for one in found["by_lead_time"]}
    assert came == {90: 0, 60: 0, 30: pytest.approx(100), 0: pytest.approx(150)}, "each in its own money"


async def test_a_report_says_of_what_it_has_no_rate(metrics: Metrics) -> None:
    metrics.clock.now = lambda: day(60)  # type: ignore[method-assign]
    story = Told()
    for name, currency in (("a", "EUR"), ("b", "USD")):
        story.tell(
            name, "OpportunityOpened", 1, opportunity_id=name, stage="third", amount="100", currency=currency,
            expected_close=day(70).isoformat(),
        )  # fmt: skip
    await metrics.fold_all(story.facts)

    async def title() -> str:
        answer = await metrics.client.get("/v1/reports/quarterly/told", params={"format": "json"})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["ahead"]["title"])

    assert (await title()).endswith(", without USD: no rate is known")
    await say(metrics, "USD", "2026-01-01", "0.5")
    assert "without" not in await title()


async def test_a_target_counts_what_was_sold_in_other_currencies_at_their_rates_and_names_those_without(
    metrics: Metrics,
) -> None:
    story = Told()
    for name, currency in (("a", "EUR"), ("b", "USD")):
        story.tell(name, "OpportunityWon", 10, opportunity_id=name, amount="60", currency=currency)
        story.tell(
            f"{name}2", "OpportunityOpened", 5, opportunity_id=f"{name}2", stage="third", amount="100", currency=currency,
            expected_close=day(70).isoformat(),
        )  # fmt: skip
    await metrics.fold_all(story.facts)
    said = {"kpi": "sales_volume", "period": "2026-Q1", "value": "120", "currency": "EUR"}
    assert (await metrics.client.put("/v1/targets", json=said)).status_code == 200
    asked = {"start": "2026-01-01", "to": "2026-04-01", "as_of": day(40).isoformat()}

    async def standing() -> tuple[Any, Any, Any]:
        reached = await metrics.total("target_attainment", **asked, of="sales_volume")
        cover = await metrics.total("pipeline_coverage", **asked)
        return reached["value"], cover["value"], reached["target"]["without_rate"]

    assert await standing() == (0.5, pytest.approx(100 / 60), ["USD"])
    await say(metrics, "USD", "2026-01-01", "0.5")
    assert await standing() == (0.75, pytest.approx(150 / 30), [])
