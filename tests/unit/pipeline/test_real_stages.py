"""A bank's applications, taken in as history in no order at all, were in each stage for as long as its log says, and ended so."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import mean, median
from typing import Any

import pytest

from services.pipeline.domain.deal_state import DealState
from services.pipeline.domain.history_import import record_row
from services.pipeline.domain.history_rows import read_row
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.stays import stays_of
from shared.contracts.identity import external_identity, identity, lead_id_from
from shared.contracts.policy import Policy
from tests.unit.pipeline.builders import SECRET

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "bpic2012"
POLICY = Policy(version="test-1")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ENDED = {"A_ACTIVATED": "won", "A_DECLINED": "lost", "A_CANCELLED": "lost"}
REASONS = {"A_DECLINED": "declined", "A_CANCELLED": "cancelled"}
STAGES = ("A_PARTLYSUBMITTED", "A_PREACCEPTED", "A_ACCEPTED", "A_FINALIZED")

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the real data is not here: ../shared/data is absent")


def rows() -> list[dict[str, Any]]:
    """As the data's README says."""
    found: list[dict[str, Any]] = []
    with (DATA / "cases_dev.csv").open() as file:
        for case in csv.DictReader(file):
            opened = {"event": "opportunity_opened", "occurred_at": case["reg_date"], "stage": "1 Submitted"}
            found.append({**_about(case), "amount": case["amount_req"], **opened})
    with (DATA / "stage_history_dev.csv").open() as file:
        for row in csv.DictReader(file):
            about, activity = {**_about(row), "occurred_at": row["entered_at_utc"]}, row["activity"]
            if activity in STAGES:
                found.append({**about, "event": "stage_changed", "stage": row["stage"]})
            elif activity in ENDED:
                found.append({**about, "event": ENDED[activity], "reason": REASONS.get(activity)})
    Random(20120301).shuffle(found)
    return found


def _about(case: dict[str, str]) -> dict[str, Any]:
    return {"external_id": case["case_id"], "opportunity_id": case["case_id"]}


def taken_in(found: list[dict[str, Any]]) -> Ledger:
    """Everybody of whom these rows tell, taken in as they come."""
    ledger = Ledger()
    for place, raw in enumerate(found):
        row = read_row(raw, place=place, sender="bank", policy=POLICY, now=NOW)
        who = identity(SECRET, row.business_unit, "external", external_identity("bank", row.external_id))
        record_row(ledger, lead_id_from([who], row.event_id), row, sender="bank", unit=POLICY.unit("default"))
    return ledger


@pytest.fixture(scope="module")
def deals() -> list[DealState]:
    return [deal for lead in taken_in(rows()) for deal in lead.state.deals.values()]


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "ground_truth.json").read_text())["dev"]
    return found


def test_every_application_ended_as_the_log_says(deals: list[DealState], truth: dict[str, Any]) -> None:
    totals = truth["totals"]
    ends = Counter((deal.status, deal.reason) for deal in deals)
    assert ends == {
        ("won", None): totals["won"],
        ("lost", "declined"): totals["lost_declined"],
        ("lost", "cancelled"): totals["lost_cancelled"],
        ("open", None): totals["open"],
    }
    assert sum(float(deal.value("amount")) for deal in deals if deal.status == "won") == totals["amount_won_total"]


@pytest.mark.parametrize("stage", ["1 Submitted", "2 Partly submitted", "3 Pre-accepted", "4 Accepted", "5 Finalized"])
def test_applications_were_in_each_stage_for_as_long(deals: list[DealState], truth: dict[str, Any], stage: str) -> None:
    hours: dict[str, list[float]] = defaultdict(list)
    for deal in deals:
        for stay in stays_of(deal.moves, ()):
            if stay.left_at is not None:
                hours[stay.stage].append(stay.seconds(NOW) / 3600)
    expected, found = truth["time_in_collapsed_stage_hours"][stage], hours[stage]
    assert len(found) == expected["n"]
    assert mean(found) == pytest.approx(expected["mean"], abs=1e-6)
    assert median(found) == pytest.approx(expected["median"], abs=1e-6)
    assert (min(found), max(found)) == pytest.approx((expected["min"], expected["max"]), abs=1e-6)


def test_won_applications_took_as_long_from_their_beginning(deals: list[DealState], truth: dict[str, Any]) -> None:
    days = [
        (deal.closed_at - deal.began_at).total_seconds() / 86_400
        for deal in deals
        if deal.status == "won" and deal.closed_at is not None
    ]
    expected = truth["cycle_days"]["won"]
    assert len(days) == expected["n"]
    assert mean(days) == pytest.approx(expected["mean"], abs=1e-6)
