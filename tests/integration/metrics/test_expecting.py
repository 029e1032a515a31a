"""The weighted forecast: by hand, at random against a naive computation, for real deals, and by the policy that held."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid5

import pytest

from services.metrics.domain.facts import Fact
from services.metrics.storage import chances
from shared.contracts.policy import Policy, Stage, UnitPolicy
from shared.kit.database import Database, Snapshot
from tests.integration.metrics.brute_force import CURRENCY, ZONES, Deal, people
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.histories import history
from tests.unit.metrics.stories import Told, day

STAGES = (
    Stage(name="first", probability=0.15),
    Stage(name="second", probability=0.4),
    Stage(name="third", probability=0.7),
)
POLICY = Policy(
    version="7",
    defaults=UnitPolicy(pipelines={"default": STAGES, "renewals": (Stage(name="first", probability=0.9),)}),
    business_units={
        "default": UnitPolicy(pipelines={"default": STAGES, "renewals": (Stage(name="first", probability=0.9),)}),
        "tehran": UnitPolicy(
            time_zone="Asia/Tehran", currency="IRR", pipelines={"default": (Stage(name="first", probability=0.25),)}
        ),
    },
)
EVERYBODY = "everybody"
CHANCES = {("default", "first"): 0.15, ("default", "second"): 0.4, ("default", "third"): 0.7, ("tehran", "first"): 0.25}


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> Any:
    found = Metrics(migrated_database("metrics"), policy=POLICY)
    yield found
    await found.close()


def deal(told: Told, name: str, stage: str, amount: str, close: float | None = 60, **more: Any) -> None:
    told.tell(name, "LeadCreated", 1).tell(
        name, "OpportunityOpened", 2, opportunity_id=name, stage=stage, amount=amount, currency="EUR",
        **({} if close is None else {"expected_close": day(close).isoformat()}), **more,
    )  # fmt: skip


async def test_what_is_folded_meanwhile_is_in_all_of_it_or_in_nothing(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, later = Told(), Told()
    deal(told, "a", "third", "100")
    deal(later, "b", "third", "900")
    await metrics.fold(told.facts)
    before = await metrics.total("weighted_forecast")
    after_sums: list[str] = []

    def folding(rows: Any) -> Any:
        async def read(reader: Any, sql: str, **values: Any) -> Any:
            found = await rows(reader, sql, **values)
            if "AS without_chance" in sql and not after_sums:
                after_sums.append(sql)
                await metrics.fold(later.facts)
            return found

        return read

    for reader in (Database, Snapshot):
        monkeypatch.setattr(reader, "rows", folding(reader.rows))
    assert await metrics.total("weighted_forecast") == before
    assert after_sums
    assert (await metrics.total("weighted_forecast"))["open_n"] == 2


async def test_the_vector_with_what_was_won_and_without_what_was_lost(metrics: Metrics) -> None:
    told = Told()
    deal(told, "a", "third", "80000")
    deal(told, "b", "second", "50000")
    deal(told, "c", "first", "120000")
    deal(told, "d", "first", "30000", pipeline="renewals")
    await metrics.fold(told.facts)
    window = {"start": "2026-02-01", "to": "2026-04-01", "as_of": day(40).isoformat()}
    found = await metrics.total("weighted_forecast", **window)
    assert (found["value"], found["n"], found["open"]) == (pytest.approx(121_000), 4, 280_000)
    assert found["sd"] == pytest.approx(62_137, abs=0.5)
    assert found["policy_version"] == "7"
    low, high = found["interval"]["low"], found["interval"]["high"]
    assert 0 <= low < 121_000 < high <= 280_000
    told.tell("a", "OpportunityWon", 35, opportunity_id="a", amount="90000")
    told.tell("b", "OpportunityLost", 36, opportunity_id="b", reason="price")
    await metrics.fold(told.facts[-2:])
    later = await metrics.total("weighted_forecast", **window)
    assert (later["value"], later["won"], later["open_n"]) == (pytest.approx(90_000 + 45_000), 90_000, 2)
    assert later["interval"]["low"] >= 90_000
    before = await metrics.total("weighted_forecast", **{**window, "as_of": day(34).isoformat()})
    assert before["value"] == pytest.approx(121_000), "what was so then is so still"


async def test_a_deal_is_expected_when_it_was_last_said_to_close_and_undated_ones_are_told(metrics: Metrics) -> None:
    told = Told()
    deal(told, "a", "third", "1000", close=20)
    deal(told, "b", "third", "1000", close=None)
    deal(told, "c", "odd", "1000", close=70)
    told.tell("a", "CloseDateChanged", 30, opportunity_id="a", expected_close=day(70).isoformat())
    await metrics.fold(told.facts)
    march = {"start": "2026-03-01", "to": "2026-04-01"}
    slipped = await metrics.total("weighted_forecast", **march, as_of=day(40).isoformat())
    assert (slipped["value"], slipped["open_n"], slipped["without_probability"]) == (pytest.approx(700), 2, 1)
    assert slipped["left_out"] == {"without_expected_close": 1, "overdue": 0}
    overdue = await metrics.total("weighted_forecast", **march, as_of=day(25).isoformat())
    assert (overdue["value"], overdue["left_out"]["overdue"]) == (0, 1)
    january = await metrics.total("weighted_forecast", start="2026-01-01", to="2026-02-01", as_of=day(25).isoformat())
    assert (january["value"], january["overdue"]) == (pytest.approx(700), 1)
    ever = await metrics.ask("weighted_forecast", as_of=day(40).isoformat(), group_by="month")
    assert {one["key"]["month"]: one["value"] for one in ever["groups"]} == {
        "2026-03": pytest.approx(700),
        None: pytest.approx(700),
    }


async def test_chances_are_those_of_the_policy_that_held(metrics: Metrics) -> None:
    told = Told()
    deal(told, "a", "third", "1000")
    await metrics.fold(told.facts)
    other = Policy(version="8", defaults=UnitPolicy(pipelines={"default": (Stage(name="third", probability=0.5),)}))
    for on, policy in ((10, POLICY), (11, POLICY), (20, other)):
        metrics.clock.advance(day(on) - metrics.clock.now())
        metrics.database.clock = metrics.clock
        assert await metrics.database.run(partial(chances.note, policy=policy)) is (on != 11)
    metrics.clock.advance(timedelta(days=5))
    for on, value, version in ((5, 700, "7"), (15, 700, "7"), (25, 500, "8")):
        found = await metrics.total("weighted_forecast", as_of=day(on).isoformat())
        assert (found["value"], found["policy_version"]) == (pytest.approx(value), version)


def dated(facts: list[Fact], random: Random) -> list[Fact]:
    """The same facts, some deals with a day on which they are expected to close, and some that slip."""
    found, more = [], []
    for fact in facts:
        when = day(random.choice((10.0, 30.9, 31.0, 45.0, 80.0))).isoformat()
        if fact.event == "OpportunityOpened" and random.random() < 0.7:
            fact = fact._replace(data={**fact.data, "expected_close": when})
        elif fact.event == "StageChanged" and random.random() < 0.4:
            name = fact.data["opportunity_id"]
            data = {"opportunity_id": name, "expected_close": when}
            more.append(
                fact._replace(
                    event="CloseDateChanged",
                    event_id=_other(fact),
                    data=data,
                    version=fact.version + 500,
                )
            )
        found.append(fact)
    return found + more


def _other(fact: Fact) -> Any:
    return uuid5(fact.event_id, "slips")


def naive(facts: list[Fact], as_of: datetime, start: date, end: date) -> dict[Any, dict[str, tuple[float, float]]]:
    """Mean and variance by owner and currency, and of everybody."""
    found: dict[Any, dict[str, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0, 0.0]))
    for lead in people(facts, as_of):
        for one in lead.deals if not lead.mark else ():
            at = one.expected if one.status == "open" else one.closed if one.status == "won" else None
            if at is None or not start <= at.astimezone(ZONES[lead.unit]).date() < end:
                continue
            amount = one.amount if one.status == "open" else one.close_amount
            currency = (one.currency if one.status == "open" else one.close_currency) or CURRENCY[lead.unit]
            if amount is None:
                continue
            chance = 1.0 if one.status == "won" else CHANCES.get((lead.unit, one.stage or ""), 0.0)
            for key in ((EVERYBODY,), (owner_of(one),)):
                sums = found[key][currency]
                sums[0] += amount * chance
                sums[1] += amount**2 * chance * (1 - chance)
    return {
        key: {currency: (mean, variance) for currency, (mean, variance) in each.items()} for key, each in found.items()
    }


def owner_of(one: Deal) -> str | None:
    at = one.closed if one.status == "won" and one.closed else max(one.owners)
    return one.owners[at]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_it_equals_its_naive_recomputation(metrics: Metrics, seed: int) -> None:
    random = Random(seed)
    facts = dated(history(random, 60), random)
    await metrics.fold_all(random.sample(facts, len(facts)), 50)
    assert (await metrics.audit())["differences"] == []
    seen = 0
    for as_of in (day(4), day(36), day(90)):
        for start, end in ((date(2026, 1, 1), date(2026, 2, 1)), (date(2026, 2, 1), date(2026, 4, 1))):
            expected = naive(facts, as_of, start, end)
            answer = await metrics.ask(
                "weighted_forecast",
                start=start.isoformat(),
                to=end.isoformat(),
                as_of=as_of.isoformat(),
                group_by="owner",
            )
            for key, values in (
                (EVERYBODY, answer["total"]),
                *((one["key"]["owner"], one) for one in answer["groups"]),
            ):
                wanted = expected.get((key,), {})
                parts = values.get("by_currency") or ({values["currency"]: values} if values["currency"] else {})
                assert {name: (part["value"], part["sd"]) for name, part in parts.items()} == {
                    name: (pytest.approx(mean), pytest.approx(math.sqrt(variance), abs=1e-6))
                    for name, (mean, variance) in wanted.items()
                }, (as_of, start, key)
                seen += len(wanted)
    assert seen > 10


async def test_many_deals_are_told_by_their_moments_and_few_one_by_one(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, random = Told(), Random(4)
    for number in range(120):
        deal(
            told,
            f"d{number}",
            random.choice(("first", "second", "third")),
            f"{random.randint(100, 9_000)}",
            close=random.randint(10, 80),
        )
    await metrics.fold(told.facts)
    one_by_one = await metrics.total("weighted_forecast")
    monkeypatch.setattr("services.metrics.storage.expecting.FEW", 10)
    moments = await metrics.total("weighted_forecast")
    assert (one_by_one["interval"].pop("method"), moments["interval"].pop("method")) == ("exact", "moments")
    assert moments.pop("interval") == pytest.approx(one_by_one.pop("interval"), rel=0.02)
    for name in ("value", "sd", "open", "open_n"):
        assert moments[name] == pytest.approx(one_by_one[name])


async def test_coverage_is_what_is_open_for_what_the_target_lacks(metrics: Metrics) -> None:
    told = Told()
    deal(told, "a", "third", "3000", owner="kim")
    deal(told, "b", "first", "2000", owner="kim")
    deal(told, "c", "first", "9000", owner="kim", close=150)
    for name, event in (("w", "OpportunityWon"), ("l", "OpportunityLost"), ("m", "OpportunityLost")):
        told.tell(name, "LeadCreated", 1).tell(
            name, event, 20, opportunity_id=name, amount="1000", currency="EUR", owner="kim", **({} if event.endswith("Won") else {"reason": "price"})
        )  # fmt: skip
    await metrics.fold(told.facts)
    target = {"kpi": "sales_volume", "period": "2026-Q1", "value": "3500", "currency": "EUR", "cut": {"owner": "kim"}}
    assert (await metrics.client.put("/v1/targets", json=target)).status_code == 200
    asked = {"start": "2026-01-01", "to": "2026-04-01", "as_of": day(30).isoformat()}
    found = await metrics.total("pipeline_coverage", **asked, owner="kim")
    assert (found["value"], found["numerator"], found["denominator"]) == (2.0, 5000, 2500)
    assert found["needed"] == pytest.approx(3.0)
    grouped = await metrics.ask("pipeline_coverage", **asked, group_by="owner")
    assert [(one["key"]["owner"], one["value"]) for one in grouped["groups"]] == [("kim", 2.0)]
    assert grouped["total"]["value"] is None, "nobody set a target for everybody"
    await metrics.client.put("/v1/targets", json={**target, "value": "900"})
    assert (await metrics.total("pipeline_coverage", **asked, owner="kim"))["value"] is None, "it is reached already"


MAVEN = Path(__file__).parents[4] / "shared" / "data" / "maven_crm"


@pytest.mark.skipif(not MAVEN.exists(), reason="the folder with real data is not here")
async def test_real_deals_won_are_forecast_at_what_they_brought(metrics: Metrics) -> None:
    told = Told()
    with next(MAVEN.glob("*sales_pipeline*.csv")).open() as file:
        rows = [row for row in csv.DictReader(file) if row["engage_date"]]
    begin = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    wanted = 0.0
    for number, row in enumerate(rows[:3000]):
        opened = (datetime.fromisoformat(row["engage_date"] + "T00:00:00+00:00") - begin) / timedelta(days=1)
        name = f"m{number}"
        told.tell(name, "LeadCreated", opened).tell(
            name, "OpportunityOpened", opened, opportunity_id=name, stage="first"
        )
        if row["deal_stage"] == "Won":
            closed = (datetime.fromisoformat(row["close_date"] + "T00:00:00+00:00") - begin) / timedelta(days=1)
            told.tell(name, "OpportunityWon", closed, opportunity_id=name, amount=row["close_value"], currency="USD")
            wanted += float(row["close_value"]) if row["close_date"] < "2017-07-01" else 0
    await metrics.fold_all(told.facts, 2000)
    found = await metrics.total("weighted_forecast", start="2017-01-01", to="2017-07-01", as_of="2017-08-01")
    assert (found["value"], found["sd"], found["currency"]) == (pytest.approx(wanted), 0, "USD")
