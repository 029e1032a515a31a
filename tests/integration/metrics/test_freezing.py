"""Frozen numbers: once each moment whoever is at it, missed when nothing ran, moved by nothing, and what forecasts are judged by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from services.metrics import forecasts as forecasting
from services.metrics.domain.findings import Kind, Place
from services.metrics.domain.forecasting import METHODS
from services.metrics.domain.freezing import LEAD_DAYS, NEAR
from services.metrics.freezing import Freezing, faults
from services.metrics.instruments import FreezingMetrics
from services.metrics.rebuilding import Rebuilding
from services.metrics.storage.frozen import Wanted, forecasts, forget
from shared.contracts.envelope import EARLIEST
from shared.contracts.policy import Policy, UnitPolicy
from shared.contracts.policy.snapshots import FrozenKpi, Snapshots
from shared.kit.errors import Retryable
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_expecting import STAGES
from tests.integration.metrics.test_forecasts import business
from tests.support.exposition import sample_sum
from tests.unit.metrics.stories import day

WEEKLY = Snapshots(
    weekday="monday",
    sets={
        "board": (
            FrozenKpi(kpi="leads_created", period="year", group_by=("channel",)),
            FrozenKpi(kpi="opportunities_open"),
        )
    },
)
POLICY = Policy(version="7", defaults=UnitPolicy(pipelines={"default": STAGES}, snapshots=WEEKLY))
LATER = {"start": "2026-07-01", "to": "2027-01-01"}
MONDAY = datetime(2026, 9, 7, 6, tzinfo=UTC)


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"), now=MONDAY + timedelta(minutes=5), policy=POLICY)
    yield found
    await found.close()


async def listed(metrics: Metrics, **parameters: Any) -> list[dict[str, Any]]:
    answer = await metrics.client.get("/v1/frozen", params=parameters)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def content(metrics: Metrics, frozen_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await metrics.client.get(f"/v1/frozen/{frozen_id}")).json()
    return found


async def test_each_moment_is_frozen_once_by_any_number_of_replicas(metrics: Metrics) -> None:
    await metrics.fold_all(business(1, 200).facts)
    replicas = [Freezing(metrics.database, POLICY, metrics.clock, interval_seconds=60) for _ in range(4)]
    for _ in range(3):
        await asyncio.gather(*(one.once() for one in replicas))
    found = await listed(metrics)
    assert sorted((one["name"], one["status"], one["as_of"]) for one in found) == [
        ("board", "taken", "2026-09-07T06:00:00Z"),
        ("forecast", "taken", "2026-09-07T06:00:00Z"),
    ]
    board = await content(metrics, next(one["frozen_id"] for one in found if one["name"] == "board"))
    assert (board["policy_version"], board["taken_by"], board["scheduled"]) == ("7", "schedule", True)
    created, still_open = board["content"]["kpis"]
    now = await metrics.ask(
        "leads_created", start="2026-01-01", to="2027-01-01", as_of=MONDAY.isoformat(), group_by="channel"
    )
    assert (created["total"], created["groups"]) == (now["total"], now["groups"])
    assert still_open["kpi"] == "opportunities_open"


async def test_what_was_missed_is_said_to_be_and_not_made_up(metrics: Metrics) -> None:
    await metrics.fold_all(business(1, 200).facts)
    await metrics.freezing.once()
    metrics.clock.advance(timedelta(days=21, hours=20))
    await metrics.freezing.once()
    await metrics.freezing.once()
    found = await listed(metrics, name="forecast")
    assert [(one["status"], one["as_of"][:10]) for one in found] == [
        ("taken", "2026-09-28"),
        ("missed", "2026-09-21"),
        ("missed", "2026-09-14"),
        ("taken", "2026-09-07"),
    ]
    assert (await content(metrics, found[1]["frozen_id"]))["content"] is None


async def test_what_is_due_and_what_was_missed_lately_is_on_metrics(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = FreezingMetrics(metrics.freezing, metrics.registry, max_age_seconds=0)

    async def shown() -> tuple[float, float]:
        await seen.refresh()
        exposition = await metrics.scrape()
        names = ("leadflow_frozen_oldest_due_timestamp_seconds", "leadflow_frozen_missed")
        return sample_sum(exposition, names[0]), sample_sum(exposition, names[1])

    async def away(*_: Any) -> None:
        raise Retryable("The database does not answer.", retry_after_seconds=2)

    assert await shown() == (MONDAY.timestamp(), 0)
    await metrics.freezing.once()
    assert await shown() == (0, 0)
    monkeypatch.setattr("services.metrics.freezing.forecasts_of", away)
    metrics.clock.advance(timedelta(days=7))
    await metrics.freezing.once()
    assert await shown() == ((MONDAY + timedelta(days=7)).timestamp(), 0), "one is not frozen yet"
    metrics.clock.advance(timedelta(days=2))
    assert await shown() == (0, 1), "missed, whether that is noted yet or not"
    await metrics.freezing.once()
    assert await shown() == (0, 1)
    metrics.clock.advance(timedelta(days=6, hours=20))
    assert (await shown())[1] == 2, "both of the week after; of the first it is too long ago"


async def test_what_cannot_be_taken_keeps_nothing_else_from_being_taken(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise Retryable("The database does not answer.", retry_after_seconds=2)

    with monkeypatch.context() as patched:
        patched.setattr("services.metrics.freezing.forecasts_of", away)
        await metrics.freezing.once()
    assert [(one["name"], one["status"]) for one in await listed(metrics)] == [("board", "taken")]
    await metrics.freezing.once()
    assert {(one["name"], one["status"]) for one in await listed(metrics)} == {
        ("board", "taken"),
        ("forecast", "taken"),
    }


async def test_pages_that_end_among_those_of_one_moment_lose_none(metrics: Metrics) -> None:
    await metrics.freezing.once()
    await metrics.client.post("/v1/frozen", json={"name": "board", "business_unit": "default"})
    metrics.clock.advance(timedelta(days=7))
    await metrics.freezing.once()
    everything = await listed(metrics)
    pages: list[dict[str, Any]] = []
    parameters: dict[str, Any] = {"limit": 1}
    for _ in range(len(everything) + 1):
        page = (await metrics.client.get("/v1/frozen", params=parameters)).json()
        pages += page["items"]
        if page["next"] is None:
            break
        parameters["before"] = page["next"]
    assert pages == everything
    assert len({one["as_of"] for one in everything}) < len(everything)
    for wrong in ("soon", "W10=", "2026-09-07T06:00:00Z"):
        refused = await metrics.client.get("/v1/frozen", params={"before": wrong})
        assert (refused.status_code, refused.json()["field"]) == (422, "before")


async def test_nothing_moves_what_is_frozen(metrics: Metrics) -> None:
    told = business(1, 200)
    await metrics.fold_all(told.facts)
    await metrics.freezing.once()
    taken = [await content(metrics, one["frozen_id"]) for one in await listed(metrics)]
    before = await metrics.total("leads_created")
    for number in range(0, 40, 2):
        told.tell(f"l{number}", "LeadMerged", 201, into_lead_id=str(told.facts[0].lead_id), matched_on="email")
    told.tell("late", "LeadCreated", 3).tell("l1", "LeadMarked", 201, mark="test")
    await metrics.fold(told.facts[-22:])
    rebuilding = Rebuilding(metrics.database, POLICY.unit, interval_seconds=60)
    await rebuilding.ask()
    await rebuilding.until_done()
    assert (await metrics.total("leads_created"))["value"] != before["value"]
    assert [await content(metrics, one["frozen_id"]) for one in await listed(metrics)] == taken
    for change in ("UPDATE metrics.frozen SET content = '{}'", "DELETE FROM metrics.frozen"):
        with pytest.raises(DBAPIError, match="stays as it is"):
            async with metrics.database.transaction() as tx:
                await tx.execute(change)


async def test_what_need_not_be_kept_any_longer_is_forgotten(metrics: Metrics) -> None:
    await metrics.freezing.once()
    async with metrics.database.transaction() as tx:
        await tx.execute(
            """
            INSERT INTO metrics.frozen SELECT gen_random_uuid(), business_unit, name, due_at - interval '9 years', status, scheduled,
                taken_at, taken_by, folded_to, policy_version, now() - interval '1 day', content FROM metrics.frozen"""
        )
    assert len(await listed(metrics)) == 4
    assert await metrics.database.run(forget) == 2
    assert len(await listed(metrics)) == 2


async def test_somebody_may_ask_for_one_at_any_time(metrics: Metrics) -> None:
    await metrics.fold_all(business(1, 200).facts)
    answer = await metrics.client.post("/v1/frozen", json={"name": "forecast", "by": "kim"})
    assert answer.status_code == 201, answer.text
    taken = answer.json()
    assert (taken["scheduled"], taken["taken_by"], taken["as_of"]) == (False, "kim", "2026-09-07T06:05:00+00:00")
    assert {(one["period"], one["by"]) for one in taken["content"]["forecasts"]} == {
        (period, by) for period in ("quarter", "half_year", "year") for by in ("owner", "team")
    }
    now = (await metrics.client.get("/v1/forecast", params={"by": "owner", "periods": 3})).json()
    assert taken["content"]["forecasts"][0]["periods"] == now["periods"]
    assert (await metrics.client.post("/v1/frozen", json={"name": "nothing"})).status_code == 422
    assert (await metrics.client.get("/v1/frozen/00000000-0000-0000-0000-000000000000")).status_code == 404
    await metrics.freezing.once()
    assert [one["scheduled"] for one in await listed(metrics, name="forecast")] == [False, True]


async def test_forecasts_are_judged_by_what_was_frozen_and_by_nothing_else(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A business that is told as it happens, and frozen in some weeks: in the others nothing ran. In the first of them no version was
    kept."""
    facts = sorted(business(5, 420).facts, key=lambda fact: fact.occurred_at)
    begins = {"2026-Q3": datetime(2026, 7, 1, tzinfo=UTC), "2026-Q4": datetime(2026, 10, 1, tzinfo=UTC)}
    at = 0
    for wanted in sorted(begin - timedelta(days=lead) for begin in begins.values() for lead in (90, 60, 30, 0)):
        monday = wanted - timedelta(days=wanted.weekday() or 7) + timedelta(hours=8)
        metrics.clock.advance(monday - metrics.clock.now())
        until = next(n for n, fact in enumerate(facts) if fact.occurred_at > monday)
        await metrics.fold_all(facts[at:until])
        at = until
        monkeypatch.setattr(forecasting, "VERSION", 7 if monday > datetime(2026, 6, 20, tzinfo=UTC) else None)
        await metrics.freezing.once()
    await metrics.fold_all(facts[at:])
    frozen = {}
    for item in await listed(metrics, name="forecast", limit=1000):
        if item["status"] == "missed":
            continue
        one = await content(metrics, item["frozen_id"])
        for period in one["content"]["forecasts"][0]["periods"]:
            frozen[period["period"], datetime.fromisoformat(one["as_of"])] = period["total"]["combined"]["value"]
    metrics.clock.advance(day(380) - metrics.clock.now())
    judged = await metrics.ask("forecast_accuracy", **LATER, as_of=day(380).isoformat(), group_by="quarter")
    came = {
        one["key"]["quarter"]: one["value"]
        for one in (await metrics.ask("sales_volume", as_of=day(380).isoformat(), group_by="quarter"))["groups"]
    }
    for lead in judged["total"]["by_lead_time"]:
        pairs = []
        for quarter, begin in begins.items():
            near = [
                when
                for name, when in frozen
                if name == quarter
                and timedelta() <= begin - timedelta(days=lead["lead_days"]) - when <= timedelta(days=8)
            ]
            if near:
                pairs.append((frozen[quarter, max(near)], came[quarter]))
        assert lead["combined"]["n"] == len(pairs)
        total = sum(actual for _, actual in pairs)
        assert lead["combined"]["wape"] == (
            pytest.approx(sum(abs(told - actual) for told, actual in pairs) / total) if pairs else None
        )
        assert lead["combined"]["bias"] == (
            pytest.approx(sum(told - actual for told, actual in pairs) / total) if pairs else None
        )
    assert judged["total"]["by_lead_time"][-1]["combined"]["n"] == 2
    assert judged["total"]["value"] == judged["total"]["by_lead_time"][-1]["combined"]["wape"]
    assert {one["key"]["quarter"] for one in judged["groups"]} == set(begins)
    assert [one["version"] for one in judged["total"]["versions"]] == [None, 7]
    assert judged["total"]["alike_from"] == "2026-10-01"
    alike = await metrics.total("forecast_accuracy", start="2026-10-01", to=LATER["to"], as_of=day(380).isoformat())
    assert [one["version"] for one in alike["versions"]] == [7]
    quarters = {"before_from": "2026-07-01", "before_to": "2026-10-01", "from": "2026-10-01", "to": "2027-01-01"}
    why = await metrics.client.get("/v1/kpis/forecast_accuracy/why", params=quarters)
    assert why.status_code == 200, why.text
    (change,) = why.json()["changes"]
    earlier = await metrics.total("forecast_accuracy", start="2026-07-01", to="2026-10-01", as_of=day(380).isoformat())
    assert change["change"] == pytest.approx(alike["value"] - earlier["value"])
    assert {part["cause"] for part in change["parts"]} == {"above", "below"}
    assert sum(Fraction(part["exact"]) for part in change["parts"]) == Fraction(change["exact"])
    assert "same rules" in change["note"]
    refused = await metrics.client.get(
        "/v1/kpis/forecast_accuracy/why", params={**quarters, "group_by": "owner", "owner": "kim"}
    )
    assert (refused.status_code, refused.json()["field"]) == (422, "group_by")
    by_owner = await metrics.ask("forecast_accuracy", **LATER, as_of=day(380).isoformat(), group_by="owner,quarter")
    assert {one["key"]["owner"] for one in by_owner["groups"]} >= {"kim", "ali"}
    assert by_owner["total"]["value"] == judged["total"]["value"]
    over = await metrics.total("forecast_accuracy", **LATER, as_of=day(200).isoformat())
    assert (over["value"], over["n"]) == (None, 0), "none of the quarters was over"
    for unknown, field in (
        ({"channel": "phone"}, "business_unit"),
        ({"owner": ["kim", "ali"]}, "business_unit"),
        ({"owner": "kim", "team": "a"}, "business_unit"),
        ({"group_by": "month"}, "group_by"),
        ({"owner": "kim", "group_by": "team"}, "group_by"),
    ):
        refused = await metrics.client.get("/v1/kpis/forecast_accuracy", params=unknown)
        assert (refused.status_code, refused.json()["field"]) == (422, field)


async def test_of_what_was_frozen_no_more_is_read_than_forecasts_are_judged_by(metrics: Metrics) -> None:
    await metrics.fold_all(business(1, 200).facts)
    weeks = 18
    for _ in range(weeks):
        await metrics.freezing.once()
        metrics.clock.advance(timedelta(days=7))
    wanted = Wanted("", "quarter", "owner", EARLIEST.date(), date(2027, 4, 1), metrics.clock.now())
    rows = await forecasts(metrics.database, wanted, METHODS, LEAD_DAYS, NEAR)
    assert {row.period for row in rows} == {"2026-Q4", "2027-Q1"}
    assert len(rows) <= 2 * len(LEAD_DAYS) * 2 < 2 * weeks
    taken = {one["as_of"]: one["frozen_id"] for one in await listed(metrics, name="forecast")}
    for row in rows:
        whole = await content(metrics, taken[row.due_at.isoformat().replace("+00:00", "Z")])
        by_owner = next(
            one for one in whole["content"]["forecasts"] if (one["period"], one["by"]) == ("quarter", "owner")
        )
        period = next(one for one in by_owner["periods"] if one["period"] == row.period)
        assert row.total == {method: period["total"][method]["value"] for method in METHODS}
        assert dict(row.groups) == {
            one["key"]["owner"]: {method: one[method]["value"] for method in METHODS} for one in period["groups"]
        }


async def test_a_target_for_how_far_off_forecasts_are_may_be_a_units_or_an_owners(metrics: Metrics) -> None:
    facts = sorted(business(5, 420).facts, key=lambda fact: fact.occurred_at)
    until = next(n for n, fact in enumerate(facts) if fact.occurred_at > MONDAY)
    await metrics.fold_all(facts[:until])
    metrics.clock.advance(timedelta(days=21))
    for unit in ({}, {"business_unit": "default"}):
        answer = await metrics.client.post("/v1/frozen", json={"name": "forecast", "by": "kim", **unit})
        assert answer.status_code == 201, answer.text
    await metrics.fold_all(facts[until:])
    metrics.clock.advance(day(380) - metrics.clock.now())
    aims: tuple[dict[str, Any], ...] = (
        {}, {"business_unit": "default"}, {"cut": {"owner": "kim"}}, {"business_unit": "default", "cut": {"owner": "kim"}},
    )  # fmt: skip
    days = {"from": LATER["start"], "to": LATER["to"]}
    for aim in aims:
        answer = await metrics.client.put(
            "/v1/targets", json={"kpi": "forecast_accuracy", "value": "0.2", **days, **aim}
        )
        assert answer.status_code == 200, answer.text
    standing = (await metrics.client.get("/v1/targets/standing", params={"on": "2026-12-01"})).json()["items"]
    assert len(standing) == len(aims)
    for one in standing:
        unit = {"business_unit": one["business_unit"]} if one["business_unit"] else {}
        told = await metrics.ask("forecast_accuracy", **LATER, **unit, group_by="owner" if one["cut"] else "")
        values = {group["key"]["owner"]: group["value"] for group in told["groups"]}
        assert one["actual"] == (values["kim"] if one["cut"] else told["total"]["value"])
        assert one["actual"] is not None
        place = Place(
            Kind.PACE,
            one["kpi"],
            one["business_unit"] or "",
            one["cut"],
            (date(2026, 7, 1), date(2027, 1, 1)),
            (day(0).date(),) * 2,
        )
        alone = await metrics.client.get(place.query(place.after, metrics.clock.now()))
        assert alone.status_code == 200, alone.text
        assert alone.json()["total"]["value"] == one["actual"], "a finding of its pace says where to ask for it"
        by_quarter = await metrics.ask("forecast_accuracy", **LATER, **unit, **one["cut"], group_by="owner,quarter")
        if one["cut"]:
            assert {group["key"]["owner"] for group in by_quarter["groups"]} == {"kim"}


def test_a_set_of_numbers_that_there_are_not_is_a_fault_of_the_policy() -> None:
    wrong = Snapshots(
        weekday="friday", sets={"a": (FrozenKpi(kpi="lead_created"),), "forecast": (FrozenKpi(kpi="cac"),)}
    )
    found = faults(Policy(version="1", business_units={"europe": UnitPolicy(snapshots=wrong)}))
    assert len(found) == 2
    assert faults(POLICY) == []
