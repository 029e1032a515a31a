"""What an answer costs: rows are read for what differs, not for every lead."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Row

from services.metrics.domain.questions import Question
from services.metrics.domain.statistics import Ages, counts, cumulative_incidence
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told, day

DAY = 86_400.0
LEADS = 120
AS_OF = 60.0


def cohort() -> tuple[Told, Ages]:
    """Leads that all came at moments of their own; some were converted, some archived, most wait. And their ages."""
    told = Told()
    outcome, competing, waiting = [], [], []
    for number in range(LEADS):
        name, came = f"lead {number}", number * 0.25 + number * 1e-4
        told.tell(name, "LeadCreated", came, channel=("web_form", "phone")[number % 2])
        if number % 10 == 3:
            told.tell(name, "OpportunityOpened", came + 5 + number % 20, opportunity_id=name)
            outcome.append(float(5 + number % 20))
        elif number % 10 == 7:
            told.tell(name, "LeadArchived", came + 9, reason="no budget")
            competing.append(9.0)
        else:
            waiting.append(AS_OF - came)
    return told, Ages(*(counts([age * DAY for age in ages]) for ages in (outcome, competing, waiting)))


async def test_a_curve_reads_rows_for_each_outcome_and_not_for_each_lead_that_waits(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, ages = cohort()
    await metrics.fold_all(told.facts)
    read: list[int] = []
    query = metrics.database.rows

    async def counting(sql: str, **parameters: Any) -> list[Row[Any]]:
        rows = await query(sql, **parameters)
        read.append(len(rows))
        return rows

    monkeypatch.setattr(metrics.database, "rows", counting)
    asked = {"as_of": day(AS_OF).isoformat(), "horizon_days": 45, "group_by": "channel"}
    found = await metrics.ask("lead_to_opportunity_incidence", **asked)
    assert found["total"]["value"] == pytest.approx(cumulative_incidence(ages).at(45 * DAY), abs=1e-9)
    assert found["total"]["n"] == ages.n == LEADS
    assert sum(group["n"] for group in found["groups"]) == LEADS
    different = len(ages.outcome) + len(ages.competing) + 1
    groups, measures = 3, 3
    assert max(read) <= groups * measures * different
    assert max(read) < LEADS


async def test_a_rate_per_day_of_a_window_with_a_beginning_is_told_by_sums_as_by_entries(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, _ = cohort()
    await metrics.fold_all(told.facts)
    start = (day(0) - timedelta(days=3)).date().isoformat()
    asked = {"start": start, "to": day(20).date().isoformat(), "group_by": "channel"}
    fitted: list[bool] = []
    fits = Question.fits_rollups

    def noting(question: Question) -> bool:
        fitted.append(fits(question))
        return fitted[-1]

    monkeypatch.setattr(Question, "fits_rollups", noting)
    from_sums = await metrics.ask("lead_generation_rate", **asked)
    without_beginning = await metrics.ask("lead_generation_rate", to=asked["to"])
    assert fitted == [True, True]
    assert without_beginning["total"]["numerator"] == from_sums["total"]["numerator"] > 0
    monkeypatch.setattr(Question, "fits_rollups", lambda *_: False)
    from_entries = await metrics.ask("lead_generation_rate", **asked)
    assert (from_sums["total"], from_sums["groups"]) == (from_entries["total"], from_entries["groups"])
    assert await metrics.ask("lead_generation_rate", to=asked["to"]) == without_beginning, (
        "not even by when the first one came"
    )
