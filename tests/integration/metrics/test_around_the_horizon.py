"""Of the day that the horizon ends on leads are looked at one by one where they are few; of more as many count as grown as of the day
has passed: within what came that day, and groups add up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, time, timedelta
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from services.metrics.domain.facts import Fact
from services.metrics.storage import around
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.worlds import POLICY, ZONES
from tests.unit.metrics.stories import DAY_0, Told, day

HORIZON = 30
LAST = 87.0
"""Berlin's clocks went forward on the 87th day: the horizon ends on that day where it is asked 30 days later."""
MOMENTS = (LAST + HORIZON + 0.3, LAST + HORIZON + 0.97, LAST + HORIZON - 0.6)
CHANNELS = ("web_form", "phone", None)


class Lead(NamedTuple):
    """One that came at a moment, and whether it was decided at once."""

    unit: str
    came: float
    channel: str | None
    decided: bool


def leads(seed: int) -> list[Lead]:
    random = Random(seed)
    return [
        Lead(
            random.choice(list(ZONES)), LAST - 2.5 + random.random() * 5, random.choice(CHANNELS), random.random() < 0.3
        )
        for _ in range(160)
    ]


def facts(told: Iterable[Lead]) -> list[Fact]:
    found: list[Fact] = []
    for number, one in enumerate(told):
        story = Told(one.unit).tell(f"lead {number}", "LeadCreated", one.came, channel=one.channel)
        if one.decided:
            story.tell(f"lead {number}", "OpportunityOpened", one.came + 0.01, opportunity_id=f"deal {number}")
        found += story.facts
    return found


def grown(one: Lead, cutoff: datetime, *, alone: bool = False) -> float:
    """How much of a lead is decided or older than the horizon: of one that came on the day of the cutoff, as much as had passed of it."""
    if alone:
        return float(one.decided or day(one.came) <= cutoff)
    zone = ZONES[one.unit]
    came, now = (at.astimezone(zone).date() for at in (day(one.came), cutoff))
    if one.decided or came != now:
        return float(one.decided or came < now)
    begins, ends = (_midnight(now + timedelta(days=more), zone) for more in (0, 1))
    return (cutoff.timestamp() - begins) / (ends - begins)


def _midnight(on: Any, zone: ZoneInfo) -> float:
    return datetime.combine(on, time(), zone).timestamp()


@pytest.fixture
def units(migrated_database: Callable[..., str]) -> Metrics:
    """Units in four zones."""
    return Metrics(migrated_database("metrics"), policy=POLICY)


CUTS: tuple[Mapping[str, str], ...] = (
    {}, {"group_by": "channel"}, {"group_by": "business_unit"}, {"group_by": "day,channel", "calendar": "gregorian"}, {"business_unit": "berlin"},
    {"business_unit": "tehran", "group_by": "channel"}, {"channel": "phone"},
)  # fmt: skip


def of(key: Mapping[str, str | None], told: Iterable[Lead]) -> list[Lead]:
    """The leads of a group."""
    found = []
    for one in told:
        own = {"channel": one.channel, "business_unit": one.unit}
        own["day"] = day(one.came).astimezone(ZONES[one.unit]).date().isoformat()
        if all(own[name] == value for name, value in key.items()):
            found.append(one)
    return found


@pytest.mark.parametrize("few", [1_000, -1], ids=["one by one", "by the day"])
async def test_cohorts_are_as_mature_as_of_their_last_day_has_passed(
    units: Metrics, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(around, "FEW", few)
    told = leads(7)
    await units.fold_all(facts(told), 100)
    for moment in MOMENTS:
        as_of = day(moment)
        asked = {"as_of": as_of.isoformat(), "horizon_days": HORIZON}
        cutoff = as_of - timedelta(days=HORIZON)
        for cut in CUTS:
            answer = await units.ask("lead_to_opportunity_cohort", **asked, **cut)
            narrow = {name: value for name, value in cut.items() if name in ("business_unit", "channel")}
            for values in (answer["total"], *answer["groups"]):
                those = of({**narrow, **values.get("key", {})}, told)
                wanted = sum(grown(one, cutoff, alone=few > 0) for one in those)
                place = f"{moment} {cut} {values}"
                assert values["n"] == len(those), place
                assert values["maturity"] * len(those) == pytest.approx(wanted, abs=0.001), place
            parts = sum(one["maturity"] * one["n"] for one in answer["groups"])
            assert not answer["groups"] or parts == pytest.approx(answer["total"]["maturity"] * answer["total"]["n"])
    await units.close()


NUMBERS = (
    "lead_to_opportunity_cohort",
    "speed_to_lead",
    "cost_per_lead",
    "source_romi",
    "clv_revenue",
    "lead_to_opportunity_incidence",
)


async def test_maturity_by_the_day_is_off_by_less_than_what_came_on_that_day(
    units: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = leads(8)
    await units.fold_all(facts(told), 100)
    for moment in MOMENTS:
        asked = {"as_of": day(moment).isoformat(), "horizon_days": HORIZON, "group_by": "channel"}
        cutoff = day(moment) - timedelta(days=HORIZON)
        near = [one for one in told if grown(one, cutoff) not in (0.0, 1.0)]
        assert near, "or nothing is tried"
        for kpi in NUMBERS:
            monkeypatch.setattr(around, "FEW", 1_000)
            exact = await units.ask(kpi, **asked)
            monkeypatch.setattr(around, "FEW", -1)
            found = await units.ask(kpi, **asked)
            for one, other in zip([exact["total"], *exact["groups"]], [found["total"], *found["groups"]], strict=True):
                those, few = of(one.get("key", {}), told), of(one.get("key", {}), near)
                difference = abs((one.pop("maturity") or 0) - (other.pop("maturity") or 0)) * len(those)
                assert difference <= len(few), (kpi, moment, one)
                assert one == other, "nothing else is told by the day"
    await units.close()


async def test_leads_that_have_long_stood_are_whole_ones_and_add_up(
    units: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = leads(9)
    await units.fold_all(facts(told), 100)
    as_of = DAY_0 + timedelta(days=LAST + 60.4)
    asked = {"as_of": as_of.isoformat()}
    exact = (await units.total("data_quality", **asked))["stale"]
    assert 0 < exact["numerator"] < exact["denominator"]
    monkeypatch.setattr(around, "FEW", -1)
    cutoff = as_of - timedelta(days=60)
    near = [one for one in told if grown(one, cutoff) not in (0.0, 1.0)]
    for cut in ("channel", "business_unit", "owner"):
        answer = await units.ask("data_quality", **asked, group_by=cut)
        whole = answer["total"]["stale"]
        assert (
            whole["denominator"] == exact["denominator"] == sum(one["stale"]["denominator"] for one in answer["groups"])
        )
        assert whole["numerator"] == sum(one["stale"]["numerator"] for one in answer["groups"])
        assert all(isinstance(one["stale"]["numerator"], int) for one in answer["groups"])
        assert abs(whole["numerator"] - exact["numerator"]) <= len(near)
    await units.close()


@pytest.mark.parametrize(("few", "reads"), [(1_000, True), (0, False)])
async def test_no_lead_is_read_where_there_are_many_of_a_day(
    units: Metrics, few: int, reads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await units.fold_all(facts(leads(10)), 100)
    monkeypatch.setattr(around, "FEW", few)
    query, read = units.database.rows, []

    async def noting(sql: str, **parameters: Any) -> Any:
        read.append(sql)
        return await query(sql, **parameters)

    monkeypatch.setattr(units.database, "rows", noting)
    asked = {"as_of": day(MOMENTS[0]).isoformat(), "horizon_days": HORIZON}
    await units.ask("lead_to_opportunity_cohort", **asked)
    assert any("metrics.entries" in sql for sql in read) is reads
    read.clear()
    await units.ask("lead_to_opportunity_cohort", **asked, to="2026-02-01")
    assert not any("metrics.entries" in sql for sql in read), "nobody came around the horizon"
    await units.close()
