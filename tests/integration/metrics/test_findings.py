"""Findings of histories in which something was changed, and of those in which nothing was."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from services.metrics.storage import finding
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told, day

AS_OF = 200


def lived(random: Random, *, slower: float = 1.0, lost: float = 0.2, more: float = 1.0) -> Told:
    """Two leads a day for 140 days, each with a deal that stays in a stage for some days and then moves on or is lost. Since day 172
    stays are slower, since day 144 more of them are lost, in the last week there are more."""
    told = Told()
    for born in range(60, AS_OF):
        times = more if born >= AS_OF - 7 else 1.0
        for number in range(round(2 * times)):
            name, at = f"{born}-{number}", born + random.random()
            told.tell(name, "LeadCreated", at, channel="phone")
            told.tell(name, "OpportunityOpened", at, opportunity_id=name, stage="first", position=0)
            left = at + random.expovariate(1 / (4 * (slower if at >= AS_OF - 28 else 1)))
            if left >= AS_OF:
                continue
            if random.random() < (lost if at >= AS_OF - 56 else 0.2):
                told.tell(name, "OpportunityLost", left, opportunity_id=name, reason="price")
            else:
                told.tell(name, "StageChanged", left, opportunity_id=name, stage="second", position=1)
    return told


async def look(metrics: Metrics, **parameters: Any) -> dict[str, Any]:
    response = await metrics.client.get("/v1/findings", params={"as_of": day(AS_OF).isoformat(), **parameters})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def agrees(metrics: Metrics, findings: list[dict[str, Any]]) -> int:
    """Where a query is said to answer what is told, it does; how often that is said."""
    seen = 0
    for one in findings:
        for side in (one["before"], one["after"]):
            answer = await metrics.client.get(side["query"])
            assert answer.status_code == 200, answer.text
            if side["query_answers"] in ("value", "numerator", "denominator"):
                seen += 1
                assert answer.json()["total"][side["query_answers"]] == pytest.approx(side["value"]), side["query"]
    return seen


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_each_planted_change_is_found_with_the_numbers_behind_it(metrics: Metrics) -> None:
    await metrics.fold_all(lived(Random(3), slower=4, lost=0.6, more=3).facts)
    found = await look(metrics)
    kinds = {(one["kind"], one["kpi"], one["cut"].get("stage"), one["direction"]) for one in found["findings"]}
    assert ("dwell", "time_in_stage", "first", "up") in kinds
    assert ("drop_off", "stage_drop_off", "first", "up") in kinds
    assert ("level", "leads_created", None, "up") in kinds
    assert await look(metrics) == found
    dropped = next(one for one in found["findings"] if one["kind"] == "drop_off")
    assert dropped["after"]["value"] > dropped["before"]["value"] + 0.05
    assert dropped["q"] <= found["false_share"]
    assert (dropped["before"]["n"], dropped["after"]["n"]) == (2 * 84, 2 * 28)
    await agrees(metrics, found["findings"])
    asked = (await metrics.client.get(dropped["after"]["query"])).json()
    assert (asked["kpi"], asked["total"]["n"]) == ("stage_drop_off", 2 * 28)
    risen = next(
        one
        for one in found["findings"]
        if one["kpi"] == "leads_created" and not one["cut"] and one["after"]["value"] == 42
    )
    assert (await metrics.client.get(risen["after"]["query"])).json()["total"]["value"] == 42
    only = await look(metrics, kind="level", business_unit="default")
    assert only["findings"] == [one for one in found["findings"] if one["kind"] == "level"]


async def test_where_nothing_changed_nothing_is_told(metrics: Metrics) -> None:
    await metrics.fold_all(lived(Random(4)).facts)
    found = await look(metrics)
    assert found["tests"] >= 6
    assert found["findings"] == []


async def test_a_target_off_its_pace_is_told_without_a_test(metrics: Metrics) -> None:
    await metrics.fold_all([fact for fact in lived(Random(5)).facts if fact.occurred_at > day(180)])
    aim = {"kpi": "leads_created", "from": "2026-07-01", "to": "2026-08-01", "value": "1000"}
    put = await metrics.client.put("/v1/targets", params={"by": "kim"}, json=aim)
    assert put.status_code < 300, put.text
    (one,) = (await look(metrics, kind="pace"))["findings"]
    assert (one["kpi"], one["direction"], one["p"]) == ("leads_created", "down", None)
    assert one["effect"] < 0.5


async def test_a_target_off_its_pace_names_the_number_that_it_tells(metrics: Metrics) -> None:
    told = Told()
    for number, (owner, currency) in enumerate((("kim", "EUR"), ("kim", "USD"), ("ali", "EUR"))):
        name = f"l{number}"
        told.tell(name, "LeadCreated", 170, channel="phone").tell(name, "LeadAssigned", 171, owner=owner)
        told.tell(name, "OpportunityWon", 185, opportunity_id=name, amount="100", currency=currency)
    await metrics.fold(told.facts)
    rate = {"currency": "USD", "into": "EUR", "day": "2026-01-01", "rate": "0.5"}
    assert (await metrics.client.post("/v1/rates", json={"rows": [rate]})).status_code == 200
    days = {"from": "2026-06-01", "to": "2026-08-01"}
    for aim in (
        {"kpi": "leads_created", "value": "1000"},
        {"kpi": "sales_volume", "value": "9000", "currency": "EUR"},
        {"kpi": "sales_volume", "value": "9000", "currency": "EUR", "cut": {"owner": "kim"}},
        {"kpi": "leads_created", "value": "1000", "business_unit": "default"},
    ):
        assert (await metrics.client.put("/v1/targets", json={**aim, **days})).status_code == 200
    found = (await look(metrics, kind="pace"))["findings"]
    assert sorted(one["after"]["value"] for one in found) == [3, 3, 150, 250]
    for one in found:
        assert [one[side]["query_answers"] for side in ("before", "after")] == ["denominator", "value"]
    assert await agrees(metrics, found) == 8


async def test_nothing_counted_is_nothing_found(metrics: Metrics) -> None:
    assert (await look(metrics))["findings"] == []


async def test_stays_of_a_stage_that_are_too_many_are_counted_and_not_loaded(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    await metrics.fold_all([fact for fact in lived(Random(6)).facts if fact.occurred_at > day(180)])
    monkeypatch.setattr(finding, "MOST_STAYS", 12)
    loaded: list[Any] = []
    rows = metrics.database.rows

    async def seen(sql: str, **values: Any) -> Any:
        found = await rows(sql, **values)
        if "array_agg(seconds)" in sql:
            stays: list[Any] = [one for row in found for one in tuple(row)[1:]]
            loaded.extend(len(one) for one in stays if isinstance(one, list))
        return found

    monkeypatch.setattr(metrics.database, "rows", seen)
    found = await look(metrics)
    assert any("time_in_stage of first, default: more than 12 stays" in one for one in found["not_tested"])
    assert sum(loaded) <= 12 * 4
    assert max(loaded, default=0) <= 12
