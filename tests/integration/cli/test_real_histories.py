"""Real histories, imported by their mapping files, give the figures computed outside the project."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.patience import eventually_blocking
from tests.support.services import API_TOKEN, RunningServices

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
HOUR, DAY = 3_600.0, 86_400.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not DATA.exists(), reason="the real data is not here: ../shared/data is absent"),
]


def truth(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / folder / "ground_truth.json").read_text())
    return found


def shuffled(source: Path, folder: Path) -> Path:
    header, *lines = source.read_text().splitlines()
    random.Random(20120301).shuffle(lines)
    target = folder / source.name
    target.write_text("\n".join([header, *lines]) + "\n")
    return target


def imported(leadflow: RunningServices, file: Path, mapping: str, sender: str = "import") -> str:
    """What the import printed; it has rejected nothing."""
    map_file = str(MAPPINGS / mapping)
    done = leadflow.cli("import", "history", str(file), "--map", map_file, "--sender", sender, timeout_seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def total(leadflow: RunningServices, kpi: str, unit: str, **parameters: str) -> Any:
    return leadflow.kpi(kpi, business_unit=unit, **parameters)["total"]


def groups(leadflow: RunningServices, kpi: str, unit: str, by: str) -> dict[str, Any]:
    found: Any = leadflow.kpi(kpi, business_unit=unit, group_by=by)["groups"]
    return {str(group["key"][by]): group for group in found}


def facts(leadflow: RunningServices) -> int:
    answer = httpx.get(
        f"{leadflow.url('metrics')}/v1/stats",
        headers={"Authorization": f"Bearer {API_TOKEN}"},
        trust_env=False,
        timeout=60,
    )
    return int(answer.json()["facts"])


def wait_for(leadflow: RunningServices, count: int) -> None:
    """Returns when metrics has folded so many facts: a row is one, and so is the creation of each new lead."""
    eventually_blocking(lambda: facts(leadflow) == count, within_seconds=300, every_seconds=0.5)


def close(expected: float) -> Any:
    """KPIS.md, rule 11: the larger of 1 % and half of the last digit given; here half of the sixth decimal."""
    return pytest.approx(expected, rel=0.01, abs=5e-7)


@pytest.fixture(scope="module")
def maven(leadflow: RunningServices, tmp_path_factory: pytest.TempPathFactory) -> RunningServices:
    """maven_crm, its rows in no order at all."""
    file = shuffled(DATA / "maven_crm" / "sales_pipeline.csv", tmp_path_factory.mktemp("maven"))
    before = facts(leadflow)
    imported(leadflow, file, "maven_crm.yaml")
    wait_for(leadflow, before + 8_800 + 15_511)
    return leadflow


@pytest.fixture(scope="module")
def bpic(leadflow: RunningServices, tmp_path_factory: pytest.TempPathFactory) -> RunningServices:
    """bpic2012, the stages before the cases they belong to, and shuffled."""
    folder = tmp_path_factory.mktemp("bpic")
    stages = shuffled(DATA / "bpic2012" / "stage_history_dev.csv", folder)
    before = facts(leadflow)
    imported(leadflow, stages, "bpic2012_stages.yaml")
    imported(leadflow, DATA / "bpic2012" / "cases_dev.csv", "bpic2012_cases.yaml")
    wait_for(leadflow, before + 7_852 + 7_852 + 26_108)
    return leadflow


@pytest.fixture(scope="module")
def parch(leadflow: RunningServices) -> RunningServices:
    """parch_posey, orders before the visits that led to them."""
    before = facts(leadflow)
    imported(leadflow, DATA / "parch_posey" / "orders.csv", "parch_posey_orders.yaml")
    imported(leadflow, DATA / "parch_posey" / "web_events.csv", "parch_posey_visits.yaml")
    wait_for(leadflow, before + 351 + 6_912 + 9_073)
    return leadflow


def test_maven_win_rate_and_value(maven: RunningServices) -> None:
    expected = truth("maven_crm")["totals"]
    rate = total(maven, "win_rate_count", "maven_crm")
    assert (rate["numerator"], rate["denominator"]) == (4_238, 6_711)
    assert rate["value"] == pytest.approx(expected["win_rate"], abs=5e-7)
    assert total(maven, "opportunities_won", "maven_crm")["value"] == expected["won"]
    assert total(maven, "opportunities_lost", "maven_crm")["value"] == expected["lost"]
    assert total(maven, "opportunities_open", "maven_crm")["value"] == 2_089
    volume = total(maven, "sales_volume", "maven_crm")
    assert (volume["value"], volume["currency"]) == (10_005_534, "USD")
    assert total(maven, "average_deal_value", "maven_crm")["value"] == pytest.approx(2_360.9094, abs=5e-5)


def test_maven_cycle_of_won_deals(maven: RunningServices) -> None:
    expected = truth("maven_crm")["cycle_won"]
    cycle = total(maven, "sales_cycle_from_opportunity", "maven_crm")
    assert cycle["n"] == expected["n"]
    assert cycle["mean"] / DAY == pytest.approx(expected["mean"], abs=5e-4)
    assert cycle["value"] / DAY == close(expected["median"])
    for name in ("p75", "p90", "p95"):
        assert cycle["quantiles"][name] / DAY == close(expected[name])


@pytest.mark.parametrize(("cut", "table"), [("owner", "by_sales_agent"), ("product", "by_product")])
def test_maven_by_agent_and_by_product(maven: RunningServices, cut: str, table: str) -> None:
    expected = truth("maven_crm")[table]
    rates = groups(maven, "win_rate_count", "maven_crm", cut)
    volumes = groups(maven, "sales_volume", "maven_crm", cut)
    still_open = groups(maven, "opportunities_open", "maven_crm", cut)
    assert rates.keys() == expected.keys()
    for name, figures in expected.items():
        assert rates[name]["numerator"] == figures["won"]
        assert rates[name]["denominator"] == figures["won"] + figures["lost"]
        assert rates[name]["value"] == pytest.approx(figures["win_rate"], abs=5e-7)
        assert volumes[name]["value"] == figures["won_value"]
        assert still_open.get(name, {"value": 0})["value"] == figures["open"]


def test_maven_month_by_month(maven: RunningServices) -> None:
    expected = truth("maven_crm")["by_close_month"]
    rates = groups(maven, "win_rate_count", "maven_crm", "month")
    found = {month[:7]: (group["numerator"], group["denominator"]) for month, group in rates.items()}
    assert found == {month: (each["won"], each["won"] + each["lost"]) for month, each in expected.items()}


def test_bpic_outcomes(bpic: RunningServices) -> None:
    expected = truth("bpic2012")["dev"]["totals"]
    assert total(bpic, "opportunities_won", "bpic2012")["value"] == expected["won"]
    reasons = groups(bpic, "opportunities_lost", "bpic2012", "reason")
    assert {name: group["value"] for name, group in reasons.items()} == {"declined": 4_639, "cancelled": 1_809}
    assert total(bpic, "opportunities_open", "bpic2012")["value"] == expected["open"]
    assert total(bpic, "leads_created", "bpic2012")["value"] == expected["cases"]
    assert total(bpic, "sales_volume", "bpic2012")["value"] == expected["amount_won_total"]


@pytest.mark.parametrize("stage", ["2 Partly submitted", "3 Pre-accepted", "4 Accepted", "5 Finalized"])
def test_bpic_time_in_stage(bpic: RunningServices, stage: str) -> None:
    expected = truth("bpic2012")["dev"]["time_in_collapsed_stage_hours"][stage]
    found = groups(bpic, "time_in_stage", "bpic2012", "stage")[stage]
    assert found["n"] == expected["n"]
    assert found["mean"] / HOUR == close(expected["mean"])
    assert found["value"] / HOUR == close(expected["median"])
    for name in ("p75", "p90", "p95"):
        assert found["quantiles"][name] / HOUR == close(expected[name])


def test_bpic_cycle_of_won_applications(bpic: RunningServices) -> None:
    expected = truth("bpic2012")["dev"]["cycle_days"]["won"]
    cycle = total(bpic, "sales_cycle_from_opportunity", "bpic2012")
    assert (cycle["n"], cycle["negative"]) == (expected["n"], 0)
    assert cycle["mean"] / DAY == close(expected["mean"])
    assert cycle["value"] / DAY == close(expected["median"])


def test_importing_again_in_another_order_changes_nothing(maven: RunningServices) -> None:
    before_facts = facts(maven)
    before = maven.kpi("sales_volume", business_unit="maven_crm", group_by="owner,product")["groups"]
    said = imported(maven, DATA / "maven_crm" / "sales_pipeline.csv", "maven_crm.yaml")
    assert "15,511 of them known before" in said
    assert total(maven, "leads_created", "maven_crm")["value"] == 8_800
    assert maven.kpi("sales_volume", business_unit="maven_crm", group_by="owner,product")["groups"] == before
    assert facts(maven) == before_facts


def test_parch_accounts_orders_and_revenue(parch: RunningServices) -> None:
    expected = truth("parch_posey")["totals"]
    assert total(parch, "leads_created", "parch_posey")["value"] == expected["accounts"]
    assert total(parch, "orders", "parch_posey")["value"] == expected["orders"]
    volume = total(parch, "order_volume", "parch_posey")
    assert (volume["value"], volume["currency"]) == (pytest.approx(expected["revenue"], abs=0.005), "USD")
    customers = total(parch, "lead_to_customer_cohort", "parch_posey")
    assert customers["numerator"] == expected["accounts_with_order"]
    assert customers["value"] == pytest.approx(expected["account_conversion"], abs=5e-7)


def test_parch_from_the_first_visit_to_the_first_order(parch: RunningServices) -> None:
    expected = truth("parch_posey")["first_web_event_to_first_order_days"]
    cycle = total(parch, "sales_cycle_from_lead", "parch_posey")
    assert (cycle["n"], cycle["negative"]) == (expected["n"], 0)
    assert cycle["mean"] / DAY == close(expected["mean"])
    assert cycle["value"] / DAY == close(expected["median"])
    for name in ("p75", "p90", "p95"):
        assert cycle["quantiles"][name] / DAY == close(expected[name])


def test_parch_by_the_channel_of_the_first_visit(parch: RunningServices) -> None:
    expected = truth("parch_posey")["by_first_touch_channel"]
    accounts = groups(parch, "lead_to_customer_cohort", "parch_posey", "channel")
    worth = groups(parch, "clv_revenue", "parch_posey", "channel")
    assert accounts.keys() == expected.keys()
    for channel, figures in expected.items():
        assert (accounts[channel]["denominator"], accounts[channel]["numerator"]) == (
            figures["accounts"], figures["with_order"],
        )  # fmt: skip
        assert worth[channel]["numerator"] == pytest.approx(figures["revenue"], abs=0.005)
        assert worth[channel]["value"] == pytest.approx(figures["revenue"] / figures["with_order"])


def test_parch_customers_who_come_again_and_who_are_worth_most(parch: RunningServices) -> None:
    """By a second reading of the file itself."""
    bought: dict[str, list[float]] = {}
    with (DATA / "parch_posey" / "orders.csv").open(newline="") as file:
        for line in csv.DictReader(file):
            bought.setdefault(line["account_id"], []).append(float(line["total_amt_usd"]))
    again = total(parch, "repeat_purchase_rate", "parch_posey")
    assert (again["numerator"], again["denominator"]) == (sum(len(one) > 1 for one in bought.values()), len(bought))
    sums = sorted((sum(one) for one in bought.values()), reverse=True)
    top = total(parch, "top_customers", "parch_posey", top="5")
    assert [one["worth"] for one in top["customers"]] == [pytest.approx(one, abs=0.005) for one in sums[:5]]
    assert (top["ranked_by"], top["value"]) == ("revenue", pytest.approx(sum(sums[:5]) / sum(sums)))
    assert total(parch, "clv_observed", "parch_posey")["value"] is None, "nobody said what an order costs"
