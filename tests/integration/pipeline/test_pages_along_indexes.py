"""A page of a list is read along an index, however many leads there are in each stretch of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.pipeline.storage import lead_list
from shared.kit.database import Database

LEADS = 20_000


class Explained(Database):
    """A database that tells how it finds what it is asked for."""

    def __init__(self, url: str) -> None:
        super().__init__(url, schema="pipeline")
        self.plans: list[str] = []

    async def rows(self, sql: str, **parameters: Any) -> Any:
        if "WITH page" in sql:
            plan = await super().rows(f"EXPLAIN {sql}", **parameters)
            self.plans.append("\n".join(row[0] for row in plan))
        return await super().rows(sql, **parameters)


async def test_a_unit_of_very_many_leads_of_one_status_is_not_sorted_for_a_page(
    migrated_database: Callable[..., str],
) -> None:
    database = Explained(migrated_database("pipeline"))
    async with database.transaction() as transaction:
        await transaction.execute(
            f"""
            INSERT INTO pipeline.leads (lead_id, business_unit, root_id, version, status, created_at, first_fact_at, personal,
                conflicts, updated_at, words)
            SELECT id, 'default', id, 1, 'new', timestamptz '2026-01-01' + n * interval '1 second', now(),
                jsonb_build_object('message', repeat('x', 700)), 0, now(), ''
            FROM (SELECT n, CAST(lpad(to_hex(n), 32, '0') AS uuid) AS id FROM generate_series(1, {LEADS}) n) made"""
        )
        await transaction.execute("ANALYZE pipeline.leads")
    found, after = await lead_list.listed(
        database, units=frozenset({"default"}), status=None, only={"source": "nowhere"}, after=None, limit=50
    )
    await database.close()
    assert (found, after is not None) == ([], True)
    (plan,) = database.plans
    assert "leads_listed" in plan
    assert "Seq Scan on leads" not in plan
