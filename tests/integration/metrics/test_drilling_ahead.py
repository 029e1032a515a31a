"""The leads behind what is to come and what is wanted: together they are the number again, in its money."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_brute_force import near
from tests.integration.metrics.test_expecting import POLICY, dated, deal
from tests.integration.metrics.test_targets import put
from tests.unit.metrics.histories import history
from tests.unit.metrics.stories import Told, day

QUARTER = {"start": "2026-01-01", "to": "2026-04-01"}
NOW = day(30).isoformat()


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> Any:
    found = Metrics(migrated_database("metrics"), policy=POLICY)
    yield found
    await found.close()


async def rated(metrics: Metrics, *rows: tuple[str, str, str, str]) -> None:
    names = ("currency", "into", "day", "rate")
    answer = await metrics.client.post("/v1/rates", json={"rows": [dict(zip(names, row, strict=True)) for row in rows]})
    assert answer.status_code == 200, answer.text


def sums(behind: list[dict[str, Any]]) -> dict[Any, dict[str | None, tuple[float, float]]]:
    """Numerator and n by group and currency."""
    found: dict[Any, dict[str | None, tuple[float, float]]] = defaultdict(dict)
    for one in behind:
        key, currency = tuple(one.get("key", {}).values()), one.get("currency")
        above, n = found[key].get(currency, (0.0, 0.0))
        found[key][currency] = above + one["numerator"], n + one["n"]
    return found


def still_open(random: Random) -> Told:
    """Deals of any stage, owner and money, to close in February and March."""
    told = Told()
    for number in range(20):
        name = f"open {number}"
        told.tell(name, "LeadCreated", 1).tell(name, "LeadAssigned", 1, owner=random.choice(("kim", "ali")))
        told.tell(
            name, "OpportunityOpened", random.randint(2, 29), opportunity_id=name, amount=str(random.randint(10, 900)),
            stage=random.choice(("first", "second", "third", "odd")), currency=random.choice(("EUR", "USD")),
            expected_close=day(random.randint(20, 88)).isoformat(),
        )  # fmt: skip
    return told


@pytest.mark.parametrize("seed", [31, 32])
async def test_behind_a_forecast_is_what_each_deal_adds_to_it(metrics: Metrics, seed: int) -> None:
    random = Random(seed)
    await metrics.fold_all([*dated(history(random, 40), random), *still_open(random).facts])
    await rated(metrics, ("USD", "EUR", "2026-01-01", "0.5"), ("USD", "EUR", "2026-01-25", "0.25"))
    seen = 0
    for more in ({}, {"currency": "EUR"}, {"currency": "EUR", "rates": "as_of"}):
        for cut in ("", "owner", "month,stage"):
            asked = {**QUARTER, "as_of": NOW, "group_by": cut, **more}
            answer = await metrics.ask("weighted_forecast", **asked)
            found = sums(await metrics.leads("weighted_forecast", **asked, limit=9))
            for group in answer["groups"] if cut else [answer["total"]]:
                parts = found.pop(tuple(group.get("key", {}).values()))
                assert group["n"] == sum(n for _, n in parts.values())
                parts.pop(None, None)
                told = group.get("by_currency") or {group["currency"]: group}
                assert {name: near(above) for name, (above, _) in parts.items()} == {
                    name: one["numerator"] for name, one in told.items() if name is not None
                }
                seen += len(parts)
            assert not found
    assert seen > 15
    behind = await metrics.leads("weighted_forecast", **QUARTER, as_of=NOW)
    entries = [each for one in behind for each in one["counted"]]
    assert {each["currency"] for each in entries if each.get("amount") and each.get("chance", 0) > 0} == {"EUR", "USD"}
    assert any("chance" not in each for each in entries)


async def test_an_open_deal_is_there_with_its_chance(metrics: Metrics) -> None:
    told = Told()
    deal(told, "a", "first", "1000")
    told.tell("b", "LeadCreated", 1).tell("b", "OpportunityWon", 2, opportunity_id="b", amount="200", currency="EUR")
    await metrics.fold(told.facts)
    behind = {one["opportunity_id"]: one for one in await metrics.leads("weighted_forecast", **QUARTER, as_of=NOW)}
    assert {name: one["numerator"] for name, one in behind.items()} == {"a": 150, "b": 200}
    assert [one["counted"][0].get("chance") for one in behind.values()].count(0.15) == 1


async def test_behind_a_cover_are_open_deals_in_the_money_of_the_target(metrics: Metrics) -> None:
    told = Told()
    for number, (amount, currency, close) in enumerate(
        (("1000", "EUR", 60), ("400", "USD", 70), ("300", "GBP", 60), ("700", "EUR", 150), ("500", "EUR", 80))
    ):
        name = f"d{number}"
        told.tell(name, "LeadCreated", 1).tell(name, "LeadAssigned", 1, owner="kim" if number % 2 else "ali")
        told.tell(
            name, "OpportunityOpened", 2, opportunity_id=name, stage="first", amount=amount, currency=currency,
            expected_close=day(close).isoformat(),
        )  # fmt: skip
    told.tell("w", "LeadCreated", 1).tell("w", "LeadAssigned", 1, owner="kim")
    told.tell("w", "OpportunityWon", 3, opportunity_id="w", amount="200", currency="EUR")
    await metrics.fold(told.facts)
    await rated(metrics, ("USD", "EUR", "2026-01-01", "0.8"), ("USD", "EUR", "2026-01-20", "0.5"))
    target = {"kpi": "sales_volume", "period": "2026-Q1", "value": "2000", "currency": "EUR"}
    await put(metrics, **target)
    whole = await metrics.total("pipeline_coverage", **QUARTER, as_of=NOW)
    behind = await metrics.leads("pipeline_coverage", **QUARTER, as_of=NOW, limit=2)
    assert sorted((one["opportunity_id"], one["numerator"]) for one in behind) == [
        ("d0", 1000), ("d1", 200), ("d4", 500),
    ]  # fmt: skip
    assert (whole["numerator"], whole["n"]) == (1700, sum(one["n"] for one in behind))
    await put(metrics, **target, cut={"owner": "kim"})
    asked = {**QUARTER, "as_of": NOW, "group_by": "owner"}
    (group,) = (await metrics.ask("pipeline_coverage", **asked))["groups"]
    (own,) = await metrics.leads("pipeline_coverage", **asked)
    assert (own["key"], own["numerator"]) == (group["key"], group["numerator"]) == ({"owner": "kim"}, 200)
    assert await metrics.leads("pipeline_coverage", **asked, group="ali") == [], "nobody set a target for ali"


async def test_behind_an_attainment_is_what_its_targets_are_held_against(metrics: Metrics) -> None:
    told = Told()
    for number in range(12):
        name = f"l{number}"
        told.tell(name, "LeadCreated", 1).tell(name, "LeadAssigned", 1, owner=("kim", "ali", "lee")[number % 3])
        told.tell(
            name, "OpportunityWon", 3 + number * 5, opportunity_id=name, amount=str(100 + number),
            currency=("EUR", "USD", "GBP")[number // 4],
        )  # fmt: skip
    await metrics.fold(told.facts)
    await rated(metrics, ("USD", "EUR", "2026-01-01", "0.8"), ("EUR", "USD", "2026-02-20", "2"))
    for owner, currency in (("kim", "EUR"), ("ali", "USD")):
        for period in ("2026-01", "2026-02", "2026-Q1"):
            cut = {"owner": owner}
            await put(metrics, kpi="sales_volume", period=period, value="900", currency=currency, cut=cut)
    for group_by, more in (("owner", {}), ("owner,month", {}), ("", {"owner": "ali"}), ("month", {"owner": "kim"})):
        asked = {**QUARTER, "of": "sales_volume", "group_by": group_by, **more}
        answer = await metrics.ask("target_attainment", **asked)
        found = sums(await metrics.leads("target_attainment", **asked, limit=2))
        for group in answer["groups"] if group_by else [answer["total"]]:
            parts = found.pop(tuple(group.get("key", {}).values()), {})
            assert {group["target"]["currency"]: (near(group["numerator"]), group["n"])} == (
                parts or {group["target"]["currency"]: (0, 0)}
            )
        assert not found, "no group is there that has no target"
    (one,) = (one for one in answer["groups"] if one["key"]["month"] == "2026-01")
    behind = await metrics.leads("target_attainment", **asked, group="2026-01")
    assert sum(line["numerator"] for line in behind) == near(one["actual"])


async def test_a_record_that_is_good_adds_one_and_what_others_lack_is_told(metrics: Metrics) -> None:
    told = Told()
    told.tell("a", "LeadCreated", 1, channel="phone", source="x", contacts=["email"])
    told.tell("b", "LeadCreated", 1, channel="phone", contacts=[])
    told.tell("c", "LeadCreated", 1, channel="phone", source="x", contacts=["email", "phone"])
    told.tell("d", "LeadCreated", 1, channel="phone", source="x", contacts=[])
    await metrics.fold(told.facts)
    whole = await metrics.total("data_quality", **QUARTER)
    behind = await metrics.leads("data_quality", **QUARTER)
    assert sorted((one["numerator"], one["denominator"], one["n"]) for one in behind) == [
        (0, 1, 1), (0, 1, 1), (1, 1, 1), (1, 1, 1),
    ]  # fmt: skip
    assert (whole["numerator"], whole["denominator"]) == (2, 4)
    lacking = sorted(sorted(each["measure"] for each in one["counted"]) for one in behind if not one["numerator"])
    assert lacking == [
        ["lead_created", "lead_unreachable", "lead_without_email", "lead_without_phone"],
        ["lead_created", "lead_without_email", "lead_without_phone", "lead_without_source"],
    ]
