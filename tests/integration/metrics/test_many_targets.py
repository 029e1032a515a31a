"""More targets than anybody reads at once are all there."""

from __future__ import annotations

from datetime import date

from services.metrics.storage import targets
from tests.integration.metrics.harness import Metrics

OWNERS = 10_001


async def test_every_target_is_held_against_what_there_is_however_many_there_are(metrics: Metrics) -> None:
    async with metrics.database.transaction() as tx:
        await tx.rows(
            """
            INSERT INTO metrics.targets (target_id, version, kpi, cut, first_day, after_day, starts_at, value, reading,
                direction, set_by, set_at, withdrawn)
            SELECT gen_random_uuid(), 1, 'leads_created', jsonb_build_object('owner', 'owner ' || n), '2026-03-01',
                '2026-04-01', '2026-03-01T00:00Z', 10, 'absolute', 'at_least', 'kim', '2026-02-01T00:00Z', false
            FROM generate_series(1, CAST(:owners AS integer)) AS n RETURNING 1""",
            owners=OWNERS,
        )
    found = await targets.found(metrics.database, kpi="leads_created", start=date(2026, 3, 1), end=date(2026, 4, 1))
    assert len({target.aim.cut["owner"] for target in found}) == OWNERS
    assert len(await targets.found(metrics.database, limit=100)) == 100
