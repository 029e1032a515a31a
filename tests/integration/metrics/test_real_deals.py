"""A computer seller's deals, and a made-up company's leads, folded in no order at all, give the figures computed outside."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.contracts.policy import Policy, UnitPolicy
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.real import (
    DATA,
    DAY,
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
POLICY = Policy(
    version="real",
    business_units={
        "leadforge": UnitPolicy(currency="USD"),
        "maven_crm": UnitPolicy(currency="USD"),
        "maven_managers": UnitPolicy(currency="USD"),
    },
)  # fmt: skip
MAVEN = DATA / "maven_crm"


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"), policy=POLICY)
    yield found
    await found.close()


async def by(metrics: Metrics, kpi: str, cut: str, **asked: Any) -> dict[str, Any]:
    found = await metrics.ask(kpi, group_by=cut, **asked)
    return {str(one["key"][cut]): one for one in found["groups"]}


def column(file: str, key: str, value: str) -> dict[str, str]:
    with (MAVEN / file).open(newline="") as lines:
        return {line[key]: line[value] for line in csv.DictReader(lines)}


def maven(folder: Path, unit: str, team: dict[str, str], product: dict[str, str]) -> list[dict[str, Any]]:
    """Its deals with a team and a product line from other files; each lead came from its account's sector and place."""
    document = yaml.safe_load((MAPPINGS / "maven_crm.yaml").read_text())
    document["shared"]["business_unit"] = {"constant": unit}
    document["shared"]["team"] = {"column": "sales_agent", "values": team}
    document["shared"]["product"] = {"column": "product", "values": product}
    of_accounts = {
        name: {"column": "account", "values": column("accounts.csv", "account", of), "default": "(null)"}
        for name, of in (("source", "sector"), ("campaign", "office_location"))
    }
    engaged = {"column": "engage_date", "date_format": "%Y-%m-%d", "default": "2018-01-01"}
    document["events"].append({"event": "lead_created", "occurred_at": engaged, **of_accounts})
    mapping = folder / f"{unit}.yaml"
    mapping.write_text(yaml.safe_dump(document))
    return rows(MAVEN / "sales_pipeline.csv", mapping)


async def assert_table(metrics: Metrics, unit: str, cut: str, expected: dict[str, Any]) -> None:
    """All that a table says of each of its lines."""
    opened, won, lost, still_open, rates, values, cycles, velocity = [
        await by(metrics, kpi, cut, business_unit=unit)
        for kpi in (
            "opportunities_opened", "opportunities_won", "opportunities_lost", "opportunities_open", "win_rate_count",
            "average_deal_value", "sales_cycle_from_opportunity", "sales_velocity",
        )
    ]  # fmt: skip
    for name, figures in expected.items():
        for found, of in ((opened, "opportunities"), (won, "won"), (lost, "lost"), (still_open, "open")):
            assert found.get(name, {"value": 0})["value"] == figures[of], (cut, name, of)
        if not figures["won"]:
            continue
        assert rates[name]["value"] == pytest.approx(figures["win_rate"], abs=1e-6)
        assert values[name]["numerator"] == figures["won_value"]
        assert values[name]["value"] == pytest.approx(figures["avg_won_value"], abs=1e-4)
        assert values[name]["median"] == close(figures["median_won_value"])
        assert cycles[name]["mean"] / DAY == pytest.approx(figures["cycle_won_mean"], abs=1e-4)
        assert cycles[name]["value"] / DAY == close(figures["cycle_won_median"])
        assert cycles[name]["quantiles"]["p90"] / DAY == close(figures["cycle_won_p90"])
        assert velocity[name]["value"] == pytest.approx(figures["sales_velocity_per_day_all_opps"], rel=1e-6)


async def test_a_computer_seller(metrics: Metrics, tmp_path: Path) -> None:
    expected = truth("maven_crm")
    prices, series = (column("products.csv", "product", of) for of in ("product", "series"))

    def aliased(table: dict[str, str]) -> dict[str, str]:
        return {**table, "GTXPro": table["GTX Pro"]}

    offices, managers = (column("sales_teams.csv", "sales_agent", of) for of in ("regional_office", "manager"))
    told = maven(tmp_path, "maven_crm", offices, aliased(prices))
    told += maven(tmp_path, "maven_managers", managers, aliased(series))
    await metrics.fold_all(facts_of(told), 100)
    for cut, name, unit in (
        ("owner", "by_sales_agent", "maven_crm"), ("team", "by_regional_office", "maven_crm"), ("product", "by_product", "maven_crm"),
        ("source", "by_sector", "maven_crm"), ("campaign", "by_office_location", "maven_crm"),
        ("team", "by_manager", "maven_managers"), ("product", "by_series", "maven_managers"),
    ):  # fmt: skip
        await assert_table(metrics, unit, cut, expected[name])
    own = {"business_unit": "maven_crm"}
    totals = expected["totals"]
    assert (await metrics.total("sales_velocity", **own))["value"] == pytest.approx(
        totals["sales_velocity_per_day_all_opps"], abs=5e-4
    )
    assert (await metrics.total("average_deal_value", **own))["median"] == close(totals["median_won_value"])
    assert_spread(await metrics.total("sales_cycle_from_opportunity", **own), expected["cycle_won"], DAY)
    await assert_behind(metrics, "opportunities_won", expected["cycle_won"], DAY, **own)
    await assert_behind(metrics, "opportunities_lost", expected["cycle_lost"], DAY, **own)
    for name, cut, kpis in (
        ("by_close_month", "month", "close"),
        ("by_close_quarter", "quarter", "close"),
        ("by_engage_month", "month", "engage"),
    ):
        table = {key.replace("Q", "-Q").replace("--", "-"): one for key, one in expected[name].items()}
        if kpis == "engage":
            cohorts = await by(metrics, "opportunity_to_won_cohort", cut, **own, to="2018-01-01")
            found = {key: (one["numerator"], one["denominator"]) for key, one in cohorts.items()}
            assert found == {key: (one["won"], one["opportunities"]) for key, one in table.items()}
            continue
        rates = await by(metrics, "win_rate_count", cut, **own)
        assert {key: (one["numerator"], one["denominator"]) for key, one in rates.items()} == {
            key: (one["won"], one["opportunities"]) for key, one in table.items()
        }
        volumes = await by(metrics, "average_deal_value", cut, **own)
        cycles = await by(metrics, "sales_cycle_from_opportunity", cut, **own)
        for key, one in table.items():
            assert volumes[key]["numerator"] == one["won_value"]
            assert volumes[key]["median"] == close(one["median_won_value"])
            assert cycles[key]["mean"] / DAY == pytest.approx(one["cycle_won_mean"], abs=1e-4)
            assert cycles[key]["quantiles"]["p90"] / DAY == close(one["cycle_won_p90"])


async def test_a_computer_seller_as_of_the_ends_of_quarters(metrics: Metrics, tmp_path: Path) -> None:
    expected = truth("maven_crm")
    await metrics.fold_all(facts_of(rows(MAVEN / "sales_pipeline.csv", MAPPINGS / "maven_crm.yaml")), 100)
    for day, figures in expected["as_of_snapshots_excl_prospecting"].items():
        asked = {"as_of": f"{day}T23:59:59+00:00"}
        for kpi, of in (
            ("opportunities_opened", "engaged_to_date"), ("opportunities_won", "won"), ("opportunities_lost", "lost"),
            ("opportunities_open", "open"), ("sales_volume", "won_value"),
        ):  # fmt: skip
            assert (await metrics.total(kpi, **asked))["value"] == figures[of], (day, kpi)
        assert (await metrics.total("weighted_forecast", **asked))["open"] == figures["open_list_value"]
    pipeline = expected["open_pipeline_as_of_2017_12_31"]
    still = await by(metrics, "time_in_stage", "stage", as_of="2017-12-31T00:00:00+00:00")
    assert_spread(still["Engaging"]["open"], pipeline["engaging_age_days"], DAY)
    stages = await by(metrics, "opportunities_open", "stage")
    assert {name: one["value"] for name, one in stages.items()} == {
        "Engaging": pipeline["engaging"], "Prospecting": pipeline["prospecting"]
    }  # fmt: skip
    assert (await metrics.total("weighted_forecast"))["open"] == pipeline["open_value_at_list_price"]


async def test_a_made_up_company(metrics: Metrics) -> None:
    expected, tables = (
        truth("synthetic_leadforge")["dev_seed42"],
        DATA / "synthetic_leadforge" / "dev_seed42" / "tables",
    )
    told = rows(tables / "leads.parquet", MAPPINGS / "leadforge_leads.yaml")
    told += rows(tables / "opportunities.parquet", MAPPINGS / "leadforge_deals.yaml")
    await metrics.fold_all(facts_of(told), 100)
    deals = expected["opportunities"]
    assert (await metrics.total("opportunities_opened"))["value"] == deals["n"]
    assert (await metrics.total("win_rate_count"))["value"] == pytest.approx(deals["win_rate_closed"], abs=1e-6)
    value = await metrics.total("average_deal_value")
    assert (value["numerator"], value["value"]) == (deals["won_acv"], pytest.approx(deals["avg_won_acv"], abs=1e-4))
    stages = {name: one["value"] for name, one in (await by(metrics, "opportunities_open", "stage")).items()}
    assert {**stages, "closed_won": deals["won"], "closed_lost": deals["lost"]} == deals["stage"]
    assert_spread(await metrics.total("sales_cycle_from_opportunity"), deals["cycle_won_days"], DAY)
    await assert_behind(metrics, "opportunities_won", deals["cycle_won_days"], DAY)
    assert_spread(await metrics.total("sales_cycle_from_lead"), expected["days_to_convert"], DAY)
    await assert_behind(metrics, "sales_cycle_from_lead", expected["days_to_convert"], DAY)
    for cut, name in (("source", "by_source"), ("owner", "by_rep"), ("month", "by_month")):
        customers = await by(metrics, "lead_to_customer_cohort", cut)
        assert {group: (one["denominator"], one["numerator"]) for group, one in customers.items()} == {
            group: (one["leads"], one["converted"]) for group, one in expected[name].items()
        }
        if cut != "month":
            days = await by(metrics, "sales_cycle_from_lead", cut)
            for group, one in expected[name].items():
                assert days[group]["value"] / DAY == close(one["days_median"])
                assert days[group]["mean"] / DAY == pytest.approx(one["days_mean"], abs=1e-4)
