"""Times that add up to more than PostgreSQL's largest integers hold are folded, asked about and audited as any others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import pytest

from services.metrics.domain.rollups import CARRIED, RollupKey
from services.metrics.storage import folding, sketched
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told, day

LEADS = 120
CAME, WENT, NOW = -46_000, 900_000, 905_000
"""Days, almost three thousand years apart: so many of such leads stay as long as eighty thousand of four years."""


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    metrics = Metrics(migrated_database("metrics"), now=day(NOW))
    yield metrics
    await metrics.close()


def stories(apart: int) -> Told:
    """Leads that were archived, and a deal of each that was won, so many days after each other."""
    told = Told()
    for number in range(LEADS):
        lead, later = f"l{number}", number * apart
        for who in (lead, f"sold {lead}"):
            told.tell(who, "LeadCreated", CAME + later, channel="phone").tell(
                who, "LeadAssigned", CAME + later, owner="kim"
            )
        told.tell(lead, "LeadArchived", WENT + later, reason="x")
        deal = {"opportunity_id": lead, "amount": "10", "currency": "EUR"}
        told.tell(f"sold {lead}", "OpportunityOpened", WENT + later, stage="a", **deal)
        told.tell(f"sold {lead}", "OpportunityWon", WENT + later, **deal)
    return told


@pytest.mark.parametrize(("apart", "few"), [(0, sketched.FEW), (0, -1), (1, sketched.FEW), (1, -1)])
async def test_every_cut_and_window_tells_the_same_mean(
    metrics: Metrics, apart: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one where there are few, and of sums."""
    monkeypatch.setattr(sketched, "FEW", few)
    await metrics.fold_all(stories(apart).facts, 300)
    assert (await metrics.audit())["differences"] == []
    wanted = pytest.approx((WENT - CAME) * 86_400)
    before_any = {"start": "1900-01-01T08:00:00Z"}
    for kpi, cut in (
        ("time_in_lead_status", "owner"),
        ("time_in_lead_status", "owner,channel"),
        ("sales_cycle_from_lead", "owner"),
        ("sales_cycle_from_lead", "owner,channel"),
        ("time_to_convert", "owner"),
        ("time_to_convert", "owner,channel"),
    ):
        for window in ({}, before_any, {"as_of": day(NOW - 0.5).isoformat()}):
            answer = await metrics.ask(kpi, group_by=cut, **window)
            told = [answer["total"], *answer["groups"]]
            assert [one.get("mean") for one in told] == [wanted] * 2, (kpi, cut, window, told)
    for cut in ("channel", "channel,owner"):
        answer = await metrics.ask("lead_to_opportunity_cohort", group_by=cut)
        assert answer["total"]["denominator"] == 2 * LEADS, cut
    shown = dict(line.rsplit(" ", 1) for line in (await metrics.scrape()).splitlines() if not line.startswith("#"))
    in_total = float(shown['leadflow_sales_cycle_seconds_sum{business_unit="default"}'])
    assert in_total == pytest.approx(LEADS * (WENT - CAME) * 86_400)


async def test_what_becomes_known_is_told_where_times_are_long(metrics: Metrics) -> None:
    await metrics.fold_all(stories(1).facts, 300)
    known = [day(WENT - 1).isoformat(), day(NOW).isoformat()]
    window = {"from": "1900-01-01", "to": "4500-01-01"}
    response = await metrics.client.get("/v1/kpis/sales_cycle_from_lead/why", params={**window, "known": known})
    assert response.status_code == 200, response.text


async def test_what_is_added_and_taken_away_in_any_order_is_what_is_left(metrics: Metrics) -> None:
    random = Random(3)
    key = RollupKey("default", "toy", day(0).date(), "", "", -1, "")
    wanted = 0
    for _ in range(60):
        more = random.choice((1, -1)) * random.randrange(10 ** random.randrange(1, 22))
        wanted += more
        async with metrics.database.transaction() as tx:
            await folding.add_sums(tx, [row(key, more)])
        assert await kept(metrics) == wanted
    async with metrics.database.transaction() as tx:
        await folding.add_sums(tx, [row(key, -wanted)])
    (left,) = await metrics.database.rows("SELECT duration_microseconds, duration_carried FROM metrics.rollups")
    assert tuple(left) == (0, 0)


def row(key: RollupKey, microseconds: int) -> dict[str, Any]:
    return {**key._asdict(), "count": 1, "durations": 1, "duration_microseconds": str(microseconds), "amount": "0"}


async def kept(metrics: Metrics) -> int:
    (found,) = await metrics.database.rows("SELECT duration_microseconds, duration_carried FROM metrics.rollups")
    return int(found.duration_microseconds) + CARRIED * int(found.duration_carried)
