"""A bank's loan applications, read by their mappings and folded in no order at all, give the figures computed outside, by themselves
and by the applications behind them."""

from __future__ import annotations

import csv
import gzip
import statistics
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.policy import Policy, UnitPolicy
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.real import (
    DATA,
    DAY,
    HOUR,
    MAPPINGS,
    assert_behind,
    assert_spread,
    close,
    facts_of,
    real_data,
    rows,
    truth,
)

pytestmark = real_data
BANK = DATA / "bpic2012"
FIRST_TOUCHES = "bank_people"
"""The same applications, in a unit where only what people themselves are named for is a touch."""
POLICY = Policy(
    version="real",
    business_units={name: UnitPolicy(time_zone="Europe/Amsterdam") for name in ("bpic2012", FIRST_TOUCHES)},
)
OWN = {"business_unit": "bpic2012"}
STAGES = ("1 Submitted", "2 Partly submitted", "3 Pre-accepted", "4 Accepted", "5 Finalized")
NAMES = {
    "A_SUBMITTED": "1 Submitted", "A_PARTLYSUBMITTED": "2 Partly submitted", "A_PREACCEPTED": "3 Pre-accepted",
    "A_ACCEPTED": "4 Accepted", "A_FINALIZED": "5 Finalized", "A_DECLINED": "declined", "A_CANCELLED": "cancelled",
}  # fmt: skip
BANDS = (("<=5k", 5_000), ("5-10k", 10_000), ("10-15k", 15_000), ("15-25k", 25_000), ("25-50k", 50_000), (">50k", 1e12))
LATENCIES = (("<=15m", 0.25), ("15m-1h", 1), ("1-4h", 4), ("4-12h", 12), ("12-24h", 24), ("24-72h", 72), (">72h", 1e9))


def of_work(folder: Path, sift: Callable[[dict[str, str]], bool], each: int) -> Path:
    """The log's events that are sifted, the first few of each application."""
    seen: Counter[str] = Counter()
    target = folder / f"work{each}.csv"
    with gzip.open(BANK / "events_dev.csv.gz", "rt", newline="") as file, target.open("w", newline="") as out:
        reader = csv.DictReader(file)
        writer = csv.DictWriter(out, reader.fieldnames or ())
        writer.writeheader()
        for line in reader:
            if sift(line) and seen[line["case_id"]] < each:
                seen[line["case_id"]] += 1
                writer.writerow({**line, "lifecycle": "START"})
    return target


@pytest.fixture
async def metrics(migrated_database: Callable[..., str], tmp_path: Path) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"), policy=POLICY)
    cases = rows(BANK / "cases_dev.csv", MAPPINGS / "bpic2012_cases.yaml")
    stages = rows(BANK / "stage_history_dev.csv", MAPPINGS / "bpic2012_stages.yaml")
    begun = rows(of_work(tmp_path, lambda line: line["lifecycle"] == "START", 1), MAPPINGS / "bpic2012_work.yaml")
    people = rows(
        of_work(tmp_path, lambda line: line["resource"] not in ("", "112"), 1), MAPPINGS / "bpic2012_work.yaml"
    )
    elsewhere = [{**row, "business_unit": FIRST_TOUCHES} for row in (*cases, *people)]
    await found.fold_all(facts_of([*cases, *stages, *begun, *elsewhere]), 1_000)
    yield found
    await found.close()


@dataclass(frozen=True, slots=True)
class Application:
    """One, as the lines behind numbers tell of it."""

    opened_at: datetime
    outcome: str
    seconds: float | None
    amount: float


async def applications(metrics: Metrics) -> dict[str, Application]:
    """Every application by its id."""
    ended: dict[str, tuple[str, float | None, float]] = {}
    for outcome, kpi, sifted in (
        ("open", "opportunities_open", {}), ("won", "opportunities_won", {}), ("declined", "opportunities_lost", {"reason": "declined"}),
        ("cancelled", "opportunities_lost", {"reason": "cancelled"}),
    ):  # fmt: skip
        for line in await metrics.leads(kpi, **OWN, **sifted, limit=1000):
            (one,) = line["counted"]
            ended[line["opportunity_id"]] = (outcome, one.get("seconds"), one["amount"])
    found = {}
    for line in await metrics.leads("opportunities_opened", **OWN, limit=1000):
        name, (one,) = line["opportunity_id"], line["counted"]
        found[name] = Application(datetime.fromisoformat(one["at"]), *ended[name])
    return found


def assert_cohort(found: Iterable[Application], expected: dict[str, Any]) -> None:
    """All that a table says of the applications of one of its lines."""
    these = list(found)
    won = [one for one in these if one.outcome == "won"]
    counts = {"cases": len(these), **Counter(one.outcome for one in these)}
    for name in ("cases", "won", "declined", "cancelled", "open"):
        assert counts.get(name, 0) == expected.get(name, counts.get(name, 0)), name
    assert len(won) / len(these) == pytest.approx(expected["conversion_rate"], abs=1e-6)
    days = statistics.median(one.seconds / DAY for one in won if one.seconds is not None)
    assert days == pytest.approx(expected["won_cycle_days_median"], abs=1e-6)
    if "amount_won" in expected:
        assert sum(one.amount for one in won) == expected["amount_won"]


async def test_the_figures_computed_outside(metrics: Metrics) -> None:
    expected = truth("bpic2012")["dev"]
    await assert_outcomes(metrics, expected)
    await assert_stages(metrics, expected)
    await assert_first_touches(metrics, expected)
    await assert_cohorts(metrics, expected)


async def assert_outcomes(metrics: Metrics, expected: dict[str, Any]) -> None:
    totals = expected["totals"]
    for kpi, name in (
        ("leads_created", "cases"), ("opportunities_won", "won"), ("opportunities_open", "open"), ("sales_volume", "amount_won_total"),
    ):  # fmt: skip
        assert (await metrics.total(kpi, **OWN))["value"] == totals[name], kpi
    reasons = {
        one["key"]["reason"]: one
        for one in (await metrics.ask("opportunities_lost", **OWN, group_by="reason"))["groups"]
    }
    assert {name: one["value"] for name, one in reasons.items()} == {
        "declined": totals["lost_declined"], "cancelled": totals["lost_cancelled"]
    }  # fmt: skip
    for kpi, name in (("opportunity_to_won_cohort", "conversion_rate_all"), ("win_rate_count", "win_rate_closed")):
        assert (await metrics.total(kpi, **OWN))["value"] == pytest.approx(totals[name], abs=1e-6)
    value = await metrics.total("average_deal_value", **OWN)
    assert value["value"] == pytest.approx(totals["amount_mean_won"], abs=1e-4)
    asked = await metrics.total("win_rate_value", **OWN)
    still = (await metrics.total("weighted_forecast", **OWN))["open"]
    assert asked["denominator"] + still == totals["amount_requested_total"]
    assert (asked["denominator"] + still) / totals["cases"] == pytest.approx(totals["amount_mean_all"], abs=1e-4)
    velocity = (await metrics.total("sales_velocity", **OWN))["value"]
    of_all = velocity * totals["conversion_rate_all"] / totals["win_rate_closed"]  # theirs is with those that are open
    assert of_all == pytest.approx(expected["sales_velocity_amount_per_day"]["value"], rel=1e-5)
    cycles = expected["cycle_days"]
    assert_spread(await metrics.total("sales_cycle_from_opportunity", **OWN), cycles["won"], DAY)
    await assert_behind(metrics, "opportunities_won", cycles["won"], DAY, **OWN)
    for reason in ("declined", "cancelled"):
        await assert_behind(metrics, "opportunities_lost", cycles[reason], DAY, **OWN, reason=reason)
    by_owner = {}
    for kpi in ("average_deal_value", "sales_cycle_from_opportunity"):
        by_owner[kpi] = {
            one["key"]["owner"]: one for one in (await metrics.ask(kpi, **OWN, group_by="owner"))["groups"]
        }
    for owner, figures in expected["won_by_resource_min20"].items():
        value, cycle = by_owner["average_deal_value"][owner], by_owner["sales_cycle_from_opportunity"][owner]
        assert (value["n"], value["numerator"]) == (figures["won"], figures["amount"])
        assert cycle["mean"] / DAY == pytest.approx(figures["cycle_days_mean"], abs=1e-6)
        assert cycle["value"] / DAY == close(figures["cycle_days_median"])


async def assert_stages(metrics: Metrics, expected: dict[str, Any]) -> None:
    stays = {
        one["key"]["stage"]: one for one in (await metrics.ask("time_in_stage", **OWN, group_by="stage"))["groups"]
    }
    entered = {
        one["key"]["stage"]: one for one in (await metrics.ask("stage_conversion", **OWN, group_by="stage"))["groups"]
    }
    for stage in STAGES:
        figures = expected["time_in_collapsed_stage_hours"][stage]
        assert entered[stage]["denominator"] == figures["entered"]
        assert stays[stage]["negative"] == expected["negative_time_in_state"]
        each = (await metrics.total("time_in_stage", **OWN, stage=stage))["each"]
        assert each["n"] == stays[stage]["n"], "nobody is in a stage twice"
        assert_spread(stays[stage], figures, HOUR)
        behind = {name: value for name, value in figures.items() if name != "entered"}
        await assert_behind(metrics, "time_in_stage", behind, HOUR, **OWN, stage=stage)
    assert expected["max_repeats_of_an_A_state_in_a_case"] == 1
    for name, figures in expected["time_in_state_hours"].items():
        if name in NAMES and NAMES[name] in STAGES:
            assert entered[NAMES[name]]["denominator"] == expected["cases_reaching"][name]
            assert stays[NAMES[name]]["n"] == figures["n"]
            assert entered[NAMES[name]]["denominator"] - figures["n"] == figures["no_exit"]
    lost: Counter[tuple[str, str]] = Counter()
    for one in (await metrics.ask("opportunities_lost", **OWN, group_by="stage,reason"))["groups"]:
        lost[one["key"]["stage"], one["key"]["reason"]] += one["value"]
    ways = {
        tuple(NAMES.get(name, "") for name in way.split(" -> ")): one["n"]
        for way, one in expected["transitions"].items()
    }
    assert lost == {way: n for way, n in ways.items() if way[1] in ("declined", "cancelled")}
    for (stage, following), n in ways.items():
        if following in STAGES:
            assert entered[following]["denominator"] == n, (stage, following)
    for moment, figures in expected["stage_snapshot_as_of"].items():
        asked = {**OWN, "as_of": f"{moment.partition(' ')[0]}T23:59:59.999999+01:00"}
        still = {
            one["key"]["stage"]: one["value"]
            for one in (await metrics.ask("opportunities_open", **asked, group_by="stage"))["groups"]
        }
        ended = {
            f"7 Lost - {one['key']['reason']}": one["value"]
            for one in (await metrics.ask("opportunities_lost", **asked, group_by="reason"))["groups"]
        }
        assert {**still, **ended, "6 Won": (await metrics.total("opportunities_won", **asked))["value"]} == figures, (
            moment
        )


async def assert_first_touches(metrics: Metrics, expected: dict[str, Any]) -> None:
    starts = await metrics.total("speed_to_lead", **OWN)
    assert_spread(starts, expected["first_start_hours"], HOUR)
    assert starts["never_contacted"] == expected["cases_without_any_START"]
    assert_spread(
        await metrics.total("speed_to_lead", business_unit=FIRST_TOUCHES), expected["first_human_touch_hours"], HOUR
    )
    for unit, name in ((OWN["business_unit"], "first_start_hours"), (FIRST_TOUCHES, "first_human_touch_hours")):
        await assert_behind(metrics, "speed_to_lead", expected[name], HOUR, business_unit=unit)
    won = {line["lead_id"] for line in await metrics.leads("opportunities_won", **OWN, limit=1000)}
    after: dict[str, list[bool]] = defaultdict(list)
    for line in await metrics.leads("speed_to_lead", **OWN, limit=1000):
        for one in line["counted"]:
            if one.get("seconds") is not None:
                latency = next(name for name, hours in LATENCIES if one["seconds"] <= hours * HOUR)
                after[latency].append(line["lead_id"] in won)
    assert {name: (len(these), sum(these)) for name, these in after.items()} == {
        name: (one["cases"], one["won"]) for name, one in expected["conversion_by_first_start_latency"].items()
    }


async def assert_cohorts(metrics: Metrics, expected: dict[str, Any]) -> None:
    by_month = (await metrics.ask("opportunity_to_won_cohort", **OWN, group_by="month"))["groups"]
    table = expected["by_registration_month_local"]
    assert {one["key"]["month"]: (one["numerator"], one["denominator"]) for one in by_month} == {
        month: (one["won"], one["cases"]) for month, one in table.items()
    }
    every = await applications(metrics)
    zone = POLICY.unit("bpic2012").zone
    for month, figures in table.items():
        assert_cohort((one for one in every.values() if f"{one.opened_at.astimezone(zone):%Y-%m}" == month), figures)
    for month, figures in expected["by_registration_month_utc"].items():
        year, number = map(int, month.split("-"))
        window = {"start": f"{month}-01T00:00:00Z", "to": f"{year + number // 12}-{number % 12 + 1:02}-01T00:00:00Z"}
        found = await metrics.total("opportunity_to_won_cohort", **OWN, **window)
        assert (found["numerator"], found["denominator"]) == (figures["won"], figures["cases"])
        assert_cohort((one for one in every.values() if f"{one.opened_at:%Y-%m}" == month), figures)
    bands: dict[str, list[Application]] = defaultdict(list)
    for one in every.values():
        bands[next(name for name, most in BANDS if one.amount <= most)].append(one)
    for name, figures in expected["by_amount_band"].items():
        assert_cohort(bands[name], figures)
