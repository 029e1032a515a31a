"""A paper seller's orders and visits, read by their mappings and folded account by account, each in no order at all, give the figures computed outside."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid5

import pytest

from services.metrics.domain.facts import Fact
from shared.tabular.converting import converter
from shared.tabular.mapping_file import read_mapping
from shared.tabular.plain import Shape
from shared.tabular.source import SourceFile
from tests.integration.metrics.harness import Metrics

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "parch_posey"
MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
IDS = UUID("3b0c5c3e-55fb-5f5e-9d3b-5a8a5f1b9a01")
DAY = 86_400.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not DATA.exists(), reason="the real data is not here: ../shared/data is absent"),
]


def rows(file: str, mapping: str) -> list[dict[str, Any]]:
    """What the command line would send of a file."""
    with SourceFile(DATA / file) as source:
        convert = converter(source, Shape("history"), read_mapping(MAPPINGS / mapping, "history"), called=mapping)
        made = [each for row in source.rows() for each in convert(row)]
    assert all(each.fault is None for each in made)
    return [dict(each.document or {}) for each in made]


def fact_of(row: dict[str, Any], number: int) -> Fact:
    """A row as the fact that pipeline makes of it."""
    lead = uuid5(IDS, row["external_id"])
    at = datetime.fromisoformat(row["occurred_at"])
    event, data = "LeadTouched", {"kind": row.get("kind"), "channel": row.get("channel")}
    if row["event"] == "order_placed":
        event, data = "OrderPlaced", {name: str(row[name]) for name in ("order_id", "amount", "currency")}
    return Fact(lead, uuid5(lead, str(number)), number, event, at, at, None, row["business_unit"], data)


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"))
    told = [*rows("orders.csv", "parch_posey_orders.yaml"), *rows("web_events.csv", "parch_posey_visits.yaml")]
    facts = [fact_of(row, number) for number, row in enumerate(told, 1)]
    chance, places = Random(7), dict[UUID, float]()
    chance.shuffle(facts)
    facts.sort(key=lambda fact: places.setdefault(fact.lead_id, chance.random()))
    await found.fold_all(facts)
    yield found
    await found.close()


def close(expected: float) -> Any:
    """KPIS.md, rule 11."""
    return pytest.approx(expected, rel=0.01, abs=5e-7)


async def test_the_figures_computed_outside(metrics: Metrics) -> None:
    truth = json.loads((DATA / "ground_truth.json").read_text())
    expected = truth["totals"]
    assert (await metrics.total("leads_created"))["value"] == expected["accounts"]
    assert (await metrics.total("orders"))["value"] == expected["orders"]
    assert (await metrics.total("order_volume"))["value"] == pytest.approx(expected["revenue"], abs=0.005)
    customers = await metrics.total("lead_to_customer_cohort")
    assert customers["numerator"] == expected["accounts_with_order"]
    assert customers["value"] == pytest.approx(expected["account_conversion"], abs=5e-7)
    cycle, days = await metrics.total("sales_cycle_from_lead"), truth["first_web_event_to_first_order_days"]
    assert (cycle["n"], cycle["negative"]) == (days["n"], truth["negative_first_to_order"])
    assert (cycle["mean"] / DAY, cycle["value"] / DAY) == (close(days["mean"]), close(days["median"]))
    for name in ("p75", "p90", "p95"):
        assert cycle["quantiles"][name] / DAY == close(days[name])
    by_channel = truth["by_first_touch_channel"]
    worth = {one["key"]["channel"]: one for one in (await metrics.ask("clv_revenue", group_by="channel"))["groups"]}
    assert worth.keys() == by_channel.keys()
    for channel, figures in by_channel.items():
        assert worth[channel]["denominator"] == figures["with_order"]
        assert worth[channel]["numerator"] == pytest.approx(figures["revenue"], abs=0.005)
    assert (await metrics.audit())["differences"] == []
