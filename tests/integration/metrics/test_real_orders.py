"""A paper seller's orders and visits, read by their mappings and folded account by account, each in no order at all, give the figures
computed outside; regions too, where it is said which team an account belongs to."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import yaml

from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.real import (
    DATA,
    DAY,
    MAPPINGS,
    assert_behind,
    assert_spread,
    facts_of,
    real_data,
    rows,
    truth,
)

FOLDER = DATA / "parch_posey"
pytestmark = real_data


def table(file: str, key: str, value: str) -> dict[str, str]:
    with (FOLDER / file).open(newline="") as lines:
        return {line[key]: line[value] for line in csv.DictReader(lines)}


def with_regions(mapping: Path, folder: Path) -> Path:
    """The mapping of visits with another template: at each visit the account is its representative's, in the region's team. The
    representative, and the region, stand in other files, so that the mapping has them as tables."""
    names, regions = table("region.csv", "id", "name"), table("sales_reps.csv", "id", "region_id")
    reps = table("accounts.csv", "id", "sales_rep_id")
    document = yaml.safe_load(mapping.read_text())
    visit = document["events"][0]
    assigned = {name: visit[name] for name in ("business_unit", "external_id", "occurred_at")}
    assigned["event"] = "assigned"
    assigned["owner"] = {"column": "account_id", "values": reps}
    assigned["team"] = {"column": "account_id", "values": {one: names[regions[rep]] for one, rep in reps.items()}}
    document["events"].append(assigned)
    found = folder / "visits.yaml"
    found.write_text(yaml.safe_dump(document))
    return found


@pytest.fixture
async def metrics(migrated_database: Callable[..., str], tmp_path: Path) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"))
    orders = rows(FOLDER / "orders.csv", MAPPINGS / "parch_posey_orders.yaml")
    visits = rows(FOLDER / "web_events.csv", with_regions(MAPPINGS / "parch_posey_visits.yaml", tmp_path))
    await found.fold_all(facts_of([*orders, *visits]), 100)
    yield found
    await found.close()


async def test_the_figures_computed_outside(metrics: Metrics) -> None:
    expected = truth("parch_posey")
    totals = expected["totals"]
    assert (await metrics.total("leads_created"))["value"] == totals["accounts"]
    assert (await metrics.total("orders"))["value"] == totals["orders"]
    assert (await metrics.total("order_volume"))["value"] == pytest.approx(totals["revenue"], abs=0.005)
    customers = await metrics.total("lead_to_customer_cohort")
    assert customers["numerator"] == totals["accounts_with_order"]
    assert customers["value"] == pytest.approx(totals["account_conversion"], abs=5e-7)
    cycle, days = await metrics.total("sales_cycle_from_lead"), expected["first_web_event_to_first_order_days"]
    assert cycle["negative"] == expected["negative_first_to_order"]
    assert_spread(cycle, days, DAY)
    await assert_behind(metrics, "sales_cycle_from_lead", days, DAY)
    for cut, name in (("channel", "by_first_touch_channel"), ("team", "by_region")):
        accounts = {
            one["key"][cut]: one for one in (await metrics.ask("lead_to_customer_cohort", group_by=cut))["groups"]
        }
        worth = {one["key"][cut]: one for one in (await metrics.ask("clv_revenue", group_by=cut))["groups"]}
        assert accounts.keys() == worth.keys() == expected[name].keys()
        for group, figures in expected[name].items():
            assert (accounts[group]["denominator"], accounts[group]["numerator"]) == (
                figures["accounts"],
                figures["with_order"],
            )
            assert worth[group]["denominator"] == figures["with_order"]
            assert worth[group]["numerator"] == pytest.approx(figures["revenue"], abs=0.005)
    last = expected["orders_last_touch_30d_lookback"]
    for kpi, name in (("orders", "orders"), ("order_volume", "revenue")):
        found = await metrics.ask(kpi, group_by="channel", attribution="last")
        assert {one["key"]["channel"]: one["value"] for one in found["groups"]} == {
            channel: pytest.approx(figures[name], abs=0.005) for channel, figures in last.items()
        }
    assert (await metrics.audit())["differences"] == []
