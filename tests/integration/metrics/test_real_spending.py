"""A real month of advertising, day by day and campaign by campaign: what was spent, and the leads and orders its book tells of, give
the figures computed outside."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Any

import pytest

from shared.contracts.policy import Policy, UnitPolicy
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.real import DATA, facts_of, truth

MARKETING = DATA / "marketing_spend" / "Marketing.csv"
UNIT = "advertising"
POLICY = Policy(version="real", business_units={UNIT: UnitPolicy(time_zone="Asia/Kolkata", currency="INR")})
OF_ADVERTISING = {"rows", "impressions", "clicks", "CTR", "CPC", "CR1_leads_per_click"}
"""What was shown and clicked is the advertiser's to count: Leadflow begins with the lead."""

pytestmark = pytest.mark.skipif(not MARKETING.exists(), reason="the real data is not here: ../shared/data is absent")


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"), policy=POLICY)
    yield found
    await found.close()


def book() -> list[dict[str, str]]:
    with MARKETING.open(newline="") as file:
        return list(csv.DictReader(file))


def leads_of(line: dict[str, str]) -> list[dict[str, Any]]:
    """As many leads as the line has, each at its own minute of the day, as many of whom bought as it has orders, at even parts."""
    orders = int(line["orders"])
    found = []
    for number in range(int(line["leads"])):
        about = {"business_unit": UNIT, "external_id": f"{line['id']}-{number}"}
        about["occurred_at"] = f"{line['c_date']}T{number // 60 % 24:02}:{number % 60:02}:00+05:30"
        found.append({**about, "event": "lead_created", "source": line["category"], "campaign": line["campaign_name"]})
        if number < orders:
            amount = f"{float(line['revenue']) / orders:.6f}"
            found.append(
                {**about, "event": "won", "opportunity_id": about["external_id"], "amount": amount, "currency": "INR"}
            )
    return found


async def told(metrics: Metrics) -> None:
    text = "date,source,campaign,amount,currency,unit\n"
    for line in book():
        text += f"{line['c_date']},{line['category']},{line['campaign_name']},{line['mark_spent']},INR,{UNIT}\n"
    answer = await metrics.client.post(
        "/v1/spending/import", content=text.encode(), headers={"Content-Type": "text/csv"}
    )
    assert answer.json()["rejected"] == []
    await metrics.fold_all(facts_of((row for line in book() for row in leads_of(line)), in_order=True))


async def figures(metrics: Metrics, cut: str | None) -> dict[str, dict[str, float]]:
    """All that is known of each group, named as the figures computed outside are."""
    found: dict[str, dict[str, float]] = {}

    async def ask(kpi: str, **names: str) -> None:
        answer = await metrics.ask(kpi, start="2021-02-01", to="2021-03-01", **({"group_by": cut} if cut else {}))
        groups = answer["groups"] if cut else [{**answer["total"], "key": {None: "total"}}]
        for group in groups:
            place = found.setdefault(group["key"][cut], {})
            place.update({name: group[part] for name, part in names.items()})

    await ask("cost_per_lead", CPL="value", spend="numerator", leads="denominator")
    await ask("cac", CAC="value", orders="denominator")
    await ask("average_deal_value", AOV="value", revenue="numerator")
    await ask("lead_to_customer_cohort", CR2_orders_per_lead="value")
    await ask("source_romi", ROMI="value", profit="numerator")
    return found


def close_to(expected: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in expected.items() if name not in OF_ADVERTISING}
    return {name: value if value is None else pytest.approx(value, rel=1e-6, abs=6e-7) for name, value in known.items()}


async def test_the_figures_computed_outside(metrics: Metrics) -> None:
    await told(metrics)
    expected = truth("marketing_spend")
    totals = {name: value for name, value in expected["totals"].items() if name not in ("date_min", "date_max", "days")}
    assert await figures(metrics, None) == {"total": close_to(totals)}
    by_day = await figures(metrics, "day")
    assert len(by_day) == expected["totals"]["days"]
    for found, name in (
        (await figures(metrics, "source"), "by_category"), (await figures(metrics, "campaign"), "by_campaign"),
        (by_day, "by_date"),
    ):  # fmt: skip
        assert found == {group: close_to(one) for group, one in expected[name].items()}, name
    weeks = {f"{date.fromisoformat(monday):%G-W%V}": one for monday, one in (await figures(metrics, "week")).items()}
    assert weeks == {group: close_to(one) for group, one in expected["by_iso_week"].items()}
    for number, one in expected["by_weekday_mon0"].items():
        days = [known for day, known in by_day.items() if date.fromisoformat(day).weekday() == int(number)]
        for name in ("spend", "leads", "orders", "revenue", "profit"):
            assert sum(known[name] for known in days) == pytest.approx(one[name], rel=1e-6), (number, name)
