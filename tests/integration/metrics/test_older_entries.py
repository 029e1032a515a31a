"""Entries that an earlier version of the rules made, or did not make, hold nobody up and are put right in passing."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.histories import history


async def test_entries_that_are_there_too_soon_or_missing_are_put_right_by_the_batch_that_is_about_them(
    migrated_database: Callable[..., str],
) -> None:
    facts = sorted(history(Random(5), 60), key=lambda fact: fact.version)
    half = len(facts) // 2
    whole, other = Metrics(migrated_database("metrics")), Metrics(migrated_database("metrics"))
    try:
        await whole.fold(facts)
        await other.fold(facts[:half])
        wanted = await entries(whole)
        before = await entries(other)
        async with other.database.transaction() as tx:
            too_soon = [row for name, row in wanted.items() if name not in before]
            await tx.set_wise(
                """INSERT INTO metrics.entries
                   SELECT * FROM json_populate_recordset(NULL::metrics.entries, CAST(:rows AS json))""",
                too_soon,
            )
            to_change = [name for name, row in before.items() if name in wanted and wanted[name] != row]
            await tx.set_wise(
                """DELETE FROM metrics.entries AS e USING json_to_recordset(CAST(:rows AS json)) AS r(name text)
                   WHERE concat_ws(' ', e.root_id, e.key, e.valid_from) = r.name""",
                [{"name": name} for name in to_change],
            )
        assert too_soon
        assert to_change
        await other.fold(facts[half:])
        assert await entries(other) == wanted
        assert (await other.audit())["differences"] == []
    finally:
        for metrics in (whole, other):
            await metrics.close()


async def entries(metrics: Metrics) -> dict[str, dict[str, Any]]:
    rows = await metrics.database.rows(
        "SELECT concat_ws(' ', e.root_id, e.key, e.valid_from) AS name, to_jsonb(e) AS row FROM metrics.entries e"
    )
    return {row.name: row.row for row in rows}
