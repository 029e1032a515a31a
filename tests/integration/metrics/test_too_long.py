"""A question that takes longer than the database may take is answered with what would be quicker."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.metrics import too_long
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told, day


@pytest.mark.parametrize("path", ["kpis/lead_to_opportunity_cohort", "kpis/leads_created", "kpis/leads_created/leads"])
async def test_who_asks_for_too_much_at_once_is_told_to_ask_for_less(
    migrated_database: Callable[..., str], path: str
) -> None:
    metrics = Metrics(migrated_database("metrics"), statement_timeout_seconds=2)
    await metrics.fold_all(Told().tell("a", "LeadCreated", 1, channel="phone").facts)
    parameters = {"as_of": day(40).isoformat(), "group_by": "channel"}
    async with metrics.database.transaction() as holding:
        await holding.execute("LOCK TABLE metrics.rollups, metrics.entries IN ACCESS EXCLUSIVE MODE")
        answer = await metrics.client.get(f"/v1/{path}", params=parameters)
    told = answer.json()
    assert (answer.status_code, told["type"]) == (504, "urn:leadflow:problem:took-too-long")
    assert told["detail"] == "The question took longer than 2 s."
    assert told["fix"] == too_long.FIX
    assert "Retry-After" not in answer.headers, "the same again takes as long"
    assert (await metrics.client.get(f"/v1/{path}", params=parameters)).status_code == 200
    await metrics.close()
