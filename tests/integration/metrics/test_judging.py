"""Frozen forecasts are judged by all that was won, also by whom nobody had forecast."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.test_freezing import MONDAY, POLICY
from tests.unit.metrics.stories import Told, day


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"), now=MONDAY + timedelta(minutes=5), policy=POLICY)
    yield found
    await found.close()


async def test_who_won_and_was_in_no_forecast_is_judged_by_a_forecast_of_nothing(metrics: Metrics) -> None:
    begin = datetime(2026, 7, 1, tzinfo=UTC)
    first, later = Told(), Told()
    for number in range(6):
        name = f"kim{number}"
        first.tell(name, "LeadCreated", 20 + number).tell(name, "LeadAssigned", 20 + number, owner="kim")
        first.tell(name, "OpportunityWon", 40 + number, opportunity_id=name, amount="100", currency="EUR")
    for name, owner, amount in (("a", "kim", "700"), ("b", "new", "50000"), ("c", "none", "0")):
        later.tell(name, "LeadCreated", 190).tell(name, "LeadAssigned", 190, owner=owner)
        later.tell(name, "OpportunityWon", 200, opportunity_id=name, amount=amount, currency="EUR")
    await metrics.fold_all(first.facts)
    metrics.clock.advance(begin - metrics.clock.now())
    assert (await metrics.client.post("/v1/frozen", json={"name": "forecast", "by": "kim"})).status_code == 201
    await metrics.fold_all(later.facts)
    metrics.clock.advance(day(380) - metrics.clock.now())
    asked = {"start": "2026-07-01", "to": "2026-10-01", "as_of": day(380).isoformat()}
    answer = await metrics.ask("forecast_accuracy", **asked, group_by="owner")
    groups = {one["key"]["owner"]: one for one in answer["groups"]}
    assert (groups["new"]["value"], groups["new"]["bias"], groups["new"]["denominator"]) == (1.0, -1.0, 50_000)
    assert set(groups) == {"kim", "new"}
    assert sum(one["denominator"] for one in groups.values()) == answer["total"]["denominator"]
    alone = await metrics.total("forecast_accuracy", **asked, owner="new")
    assert (alone["value"], alone["denominator"]) == (1.0, 50_000)
