"""Answers cut by the periods of each unit's calendar, and compared with earlier ones, equal a recount."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from random import Random
from statistics import median
from zoneinfo import ZoneInfo

import pytest

from services.metrics.domain.facts import Fact
from shared.contracts.policy import Policy, Stage, UnitPolicy
from shared.contracts.policy.calendar import PERIODS, Calendar, Period
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told, day

CALENDARS = {
    "tehran": Calendar(system="jalali", week_starts="saturday"),
    "delft": Calendar(),
    "sydney": Calendar(week_starts="sunday", fiscal_year_starts=7),
}
ZONES = {"tehran": "Asia/Tehran", "delft": "Europe/Amsterdam", "sydney": "Australia/Sydney"}
POLICY = Policy(
    version="test",
    business_units={unit: UnitPolicy(calendar=CALENDARS[unit], time_zone=ZONES[unit]) for unit in CALENDARS},
)
LATER, AMID = day(900), day(300)


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"), LATER, POLICY)
    yield found
    await found.close()


def lives(random: Random, leads: int = 60) -> list[Fact]:
    """Leads of each unit over more than two years, a deal won with most."""
    facts = []
    for unit in CALENDARS:
        told = Told(unit)
        for number in range(leads):
            name, created, cycle = f"{unit}-{number}", random.uniform(0, 800), random.uniform(1, 40)
            told.tell(name, "LeadCreated", created, channel=random.choice(["web_form", "phone"]))
            if number % 4:
                told.tell(name, "OpportunityOpened", created + 1, opportunity_id=name)
                told.tell(
                    name, "OpportunityWon", created + 1 + cycle, opportunity_id=name, amount="100", currency="EUR"
                )
        facts += told.facts
    return facts


def named(fact: Fact, period: Period) -> str:
    calendar = CALENDARS[fact.business_unit]
    local = fact.occurred_at.astimezone(ZoneInfo(ZONES[fact.business_unit])).date()
    return calendar.name_of(period, calendar.first_of(period, local))


@pytest.mark.parametrize("as_of", [LATER, AMID], ids=["from sums", "from entries"])
async def test_each_period_of_each_calendar_has_its_leads(metrics: Metrics, as_of: datetime) -> None:
    facts = lives(Random(7))
    await metrics.fold_all(facts)
    created = [fact for fact in facts if fact.event == "LeadCreated" and fact.occurred_at <= as_of]
    for period in PERIODS:
        answer = await metrics.ask("leads_created", group_by=f"{period},channel", as_of=as_of.isoformat())
        expected = Counter((named(fact, period), fact.data["channel"]) for fact in created)
        assert {(one["key"][period], one["key"]["channel"]): one["value"] for one in answer["groups"]} == expected
        assert answer["total"]["value"] == len(created)
        one_unit = await metrics.ask("leads_created", business_unit="tehran", group_by=period, as_of=as_of.isoformat())
        mine = Counter(named(fact, period) for fact in created if fact.business_unit == "tehran")
        assert {one["key"][period]: one["value"] for one in one_unit["groups"]} == mine


async def test_a_median_by_month_is_that_of_the_units_months(metrics: Metrics) -> None:
    facts = lives(Random(8))
    await metrics.fold_all(facts)
    opened = {fact.data["opportunity_id"]: fact.occurred_at for fact in facts if fact.event == "OpportunityOpened"}
    cycles: dict[str, list[float]] = {}
    for fact in facts:
        if fact.event == "OpportunityWon":
            seconds = (fact.occurred_at - opened[fact.data["opportunity_id"]]).total_seconds()
            cycles.setdefault(named(fact, "month"), []).append(seconds)
    answer = await metrics.ask("sales_cycle_from_opportunity", group_by="month")
    found = {one["key"]["month"]: one["value"] for one in answer["groups"]}
    assert found == {month: pytest.approx(median(seconds)) for month, seconds in cycles.items()}
    cohort = await metrics.ask("lead_to_opportunity_incidence", group_by="quarter", business_unit="tehran")
    quarters = {
        named(fact, "quarter") for fact in facts if fact.business_unit == "tehran" and fact.event == "LeadCreated"
    }
    assert {one["key"]["quarter"] for one in cohort["groups"]} == quarters


def between(facts: list[Fact], unit: str, start: date, end: date) -> int:
    zone = ZoneInfo(ZONES[unit])
    return sum(
        fact.event == "LeadCreated"
        and fact.business_unit == unit
        and start <= fact.occurred_at.astimezone(zone).date() < end
        for fact in facts
    )


@pytest.mark.parametrize(
    ("how", "before"),
    [("previous", (date(2026, 12, 22), date(2027, 3, 21))), ("last_year", (date(2026, 3, 21), date(2026, 6, 22)))],
)
async def test_a_jalali_quarter_is_compared_with_another(metrics: Metrics, how: str, before: tuple[date, date]) -> None:
    facts = lives(Random(9), 200)
    await metrics.fold_all(facts)
    start, end = date(2027, 3, 21), date(2027, 6, 22)
    answer = await metrics.ask(
        "leads_created", business_unit="tehran", start=start.isoformat(), to=end.isoformat(), compare=how
    )
    now, then = between(facts, "tehran", start, end), between(facts, "tehran", *before)
    assert answer["total"]["value"] == now
    compared = answer["comparison"]
    assert (compared["from"], compared["to"]) == tuple(one.isoformat() for one in before)
    assert compared["total"]["value"] == then
    assert compared["change"] == {"absolute": now - then, "relative": pytest.approx((now - then) / then)}


@pytest.mark.parametrize(
    ("kpi", "parameters", "fix"),
    [
        ("leads_created", {"compare": "yesterday"}, "previous or last_year"),
        ("leads_created", {"compare": "previous", "from": "2026-01-01", "to": "2026-02-01"}, "business_unit"),
        ("leads_created", {"compare": "previous", "business_unit": "delft", "from": "2026-01-01"}, "as dates"),
        ("opportunities_open", {"compare": "previous", "business_unit": "delft"}, "another as_of"),
        (
            "leads_created",
            {"compare": "previous", "business_unit": "delft", "from": "1900-01-01", "to": "8900-01-01"},
            "later",
        ),
    ],
)
async def test_what_cannot_be_compared_is_refused_with_what_to_do(
    metrics: Metrics, kpi: str, parameters: dict[str, str], fix: str
) -> None:
    refused = await metrics.client.get(f"/v1/kpis/{kpi}", params=parameters)
    assert refused.status_code == 422
    assert refused.json()["field"] == "compare"
    assert fix in refused.json()["fix"]


async def test_nothing_is_compared_with_nothing_without_a_change(metrics: Metrics) -> None:
    window = {"start": "2026-01-01", "to": "2026-02-01", "business_unit": "delft", "compare": "previous"}
    assert (await metrics.ask("win_rate_count", **window))["comparison"]["change"] is None
    counted = await metrics.ask("leads_created", **window)
    assert counted["comparison"]["change"] == {"absolute": 0, "relative": None}


async def test_a_fact_of_long_ago_has_its_period(metrics: Metrics) -> None:
    told = Told("tehran")
    ago = (datetime(1900, 1, 1, 1, tzinfo=UTC) - day(0)) / timedelta(days=1)
    told.tell("old", "LeadCreated", ago, channel="phone")
    await metrics.fold_all(told.facts)
    answer = await metrics.ask("leads_created", group_by="year,day")
    assert [one["key"] for one in answer["groups"]] == [{"year": "1278", "day": "1278-10-11"}]


async def test_days_are_named_of_any_window(metrics: Metrics) -> None:
    asked = {"business_unit": "tehran", "group_by": "day"}
    for start, to in (("1900-01-01", "2026-02-01"), ("2026-01-01", "2026-02-01")):
        assert (await metrics.ask("leads_created", **asked, start=start, to=to))["groups"] == []


FAR = {
    Calendar(system="jalali"): {"year": "1464", "half_year": "1464-H2", "quarter": "1464-Q3", "month": "1464-09", "week": "1464-09-27", "day": "1464-09-27"},
    Calendar(fiscal_year_starts=4): {"year": "2085/86", "half_year": "2085/86-H2", "quarter": "2085/86-Q3", "month": "2085-12", "week": "2085-12-17", "day": "2085-12-17"},
    Calendar(week_starts="saturday"): {"year": "2085", "quarter": "2085-Q4", "month": "2085-12", "week": "2085-12-15", "day": "2085-12-17"},
}  # fmt: skip


@pytest.mark.parametrize("calendar", FAR)
async def test_a_deal_that_is_to_close_in_sixty_years_is_of_its_own_period(
    migrated_database: Callable[..., str], calendar: Calendar
) -> None:
    own = UnitPolicy(calendar=calendar, pipelines={"default": (Stage(name="first", probability=0.5),)})
    metrics = Metrics(migrated_database("metrics"), policy=Policy(version="test", business_units={"default": own}))
    try:
        told = Told()
        for name, closes in (("a", "2026-04-10"), ("b", "2085-12-17"), ("c", "2085-12-18"), ("d", "2095-01-01")):
            told.tell(
                name, "OpportunityOpened", 1, opportunity_id=name, stage="first", amount="100", currency="EUR",
                expected_close=f"{closes}T12:00:00+00:00",
            )  # fmt: skip
        await metrics.fold(told.facts)
        for window in ({}, {"start": "2026-01-01"}, {"start": "2080-01-01", "to": "2090-01-01"}):
            for period, name in FAR[calendar].items():
                asked = {"group_by": period, "as_of": day(30).isoformat(), **window}
                answer = await metrics.ask("weighted_forecast", **asked)
                values = {one["key"][period]: one["value"] for one in answer["groups"]}
                assert None not in values, (period, window)
                assert values[name] == (50 if period == "day" else 100), (period, window, values)
                behind = await metrics.leads("weighted_forecast", **asked, group=name)
                assert len(behind) == (1 if period == "day" else 2), (period, window)
    finally:
        await metrics.close()
