"""A made-up company's leads, taken in as history in no order at all, became customers as often and as fast as its tables say."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from random import Random
from statistics import mean, median
from typing import Any

import pytest
from pyarrow.parquet import read_table

from services.pipeline.domain.ledger import Ledger
from tests.unit.pipeline.test_real_stages import taken_in

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "synthetic_leadforge"
TABLES = DATA / "dev_seed42" / "tables"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the real data is not here: ../shared/data is absent")


def rows() -> list[dict[str, Any]]:
    """A lead is created, has an owner and perhaps a deal, which stands in its last stage, was won or was lost."""
    found: list[dict[str, Any]] = []
    for lead in read_table(TABLES / "leads.parquet").to_pylist():
        about = {"external_id": lead["lead_id"], "occurred_at": lead["lead_created_at"]}
        found.append({**about, "event": "lead_created", "source": lead["lead_source"]})
        found.append({**about, "event": "assigned", "owner": lead["owner_rep_id"]})
    for deal in read_table(TABLES / "opportunities.parquet").to_pylist():
        about = {"external_id": deal["lead_id"], "opportunity_id": deal["opportunity_id"]}
        stage = None if deal["close_outcome"] else deal["stage"]
        opened = {"event": "opportunity_opened", "occurred_at": deal["created_at"], "amount": deal["estimated_acv"]}
        found.append({**about, **opened, "stage": stage})
        if deal["close_outcome"]:
            ended = "won" if deal["close_outcome"] == "closed_won" else "lost"
            found.append({**about, "event": ended, "occurred_at": deal["closed_at"]})
    Random(42).shuffle(found)
    return found


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return taken_in(rows())


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "ground_truth.json").read_text())["dev_seed42"]
    return found


def days_between(start: datetime | None, end: datetime | None) -> float:
    assert start is not None
    assert end is not None
    return (end - start).total_seconds() / 86_400


def test_deals_ended_or_stand_where_the_tables_say(ledger: Ledger, truth: dict[str, Any]) -> None:
    expected = truth["opportunities"]
    deals = [deal for lead in ledger for deal in lead.state.deals.values()]
    stands = Counter(deal.value("stage") if deal.status == "open" else f"closed_{deal.status}" for deal in deals)
    assert (len(deals), stands) == (expected["n"], expected["stage"])
    won = [deal for deal in deals if deal.status == "won"]
    assert sum(float(deal.value("amount")) for deal in won) == expected["won_acv"]
    cycle = [days_between(deal.began_at, deal.closed_at) for deal in won]
    assert mean(cycle) == pytest.approx(expected["cycle_won_days"]["mean"], abs=1e-4)
    assert median(cycle) == expected["cycle_won_days"]["median"]


@pytest.mark.parametrize(("cut", "table"), [("source", "by_source"), ("owner", "by_rep")])
def test_leads_became_customers_by_source_and_by_owner(
    ledger: Ledger, truth: dict[str, Any], cut: str, table: str
) -> None:
    leads: Counter[str | None] = Counter()
    customers: Counter[str | None] = Counter()
    for lead in ledger:
        touch, assigned = lead.state.first_touch, lead.state.assigned
        name = (touch.source if touch else None) if cut == "source" else (assigned.owner if assigned else None)
        leads[name] += 1
        customers[name] += lead.state.status == "customer"
    found = {name: (leads[name], customers[name]) for name in leads}
    assert found == {name: (one["leads"], one["converted"]) for name, one in truth[table].items()}


def test_customers_took_as_long_from_their_first_day(ledger: Ledger, truth: dict[str, Any]) -> None:
    days = [
        days_between(lead.state.created_at, deal.closed_at)
        for lead in ledger
        for deal in lead.state.deals.values()
        if deal.status == "won"
    ]
    expected = truth["days_to_convert"]
    assert (len(days), median(days)) == (expected["n"], expected["median"])
    assert mean(days) == pytest.approx(expected["mean"], abs=1e-4)
