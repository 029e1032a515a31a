"""Who was erased, and the statements that leave of their touches only what they did."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.contracts.erasure_events import ErasureOrdered
from shared.kit.database import Database, Transaction, as_array

OF_LEADS = """
    (lead_id = ANY(CAST(:ids AS uuid[])) OR attached_to = ANY(CAST(:ids AS uuid[])))
    AND (job_title IS NOT NULL OR attributes IS NOT NULL OR value IS NOT NULL)"""
"""The touches that count for leads, or were recorded under their ids, and say more than what happened."""


async def stand_beside(tx: Transaction) -> None:
    """Lets erasures wait until this transaction has ended. To come before any lock on leads."""
    await tx.execute("SELECT pg_advisory_xact_lock_shared(hashtext('leadflow-scoring-erasures'))")


async def stand_alone(tx: Transaction) -> None:
    """Waits until nobody records, and lets nobody begin before this transaction has ended."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('leadflow-scoring-erasures'))")


async def latest(tx: Transaction) -> datetime | None:
    """The moment of the latest erasure: nothing that was recorded after it can be erased."""
    (row,) = await tx.rows("SELECT max(until) AS until FROM scoring.erased")
    until: datetime | None = row.until
    return until


async def erased(tx: Transaction, lead_ids: Iterable[UUID]) -> dict[UUID, datetime]:
    """Which of these leads were erased, and up to when."""
    rows = await tx.rows(
        "SELECT name, until FROM scoring.erased WHERE name = ANY(CAST(:names AS text[]))", names=as_array(lead_ids)
    )
    return {UUID(row.name): row.until for row in rows}


async def erase(tx: Transaction, order: ErasureOrdered) -> set[str]:
    """Remembers the names of an order; which of them were not erased up to then before."""
    rows = await tx.rows(
        """
        INSERT INTO scoring.erased AS e (name, until, erasure_id, erased_at)
        SELECT name, :until, :erasure_id, :now FROM unnest(CAST(:names AS text[])) AS name ORDER BY name
        ON CONFLICT (name) DO UPDATE SET until = excluded.until, erasure_id = excluded.erasure_id, erased_at = excluded.erased_at
        WHERE e.until < excluded.until RETURNING name""",
        names=sorted({*map(str, order.lead_ids), *order.tokens}),
        until=order.until,
        erasure_id=order.erasure_id,
        now=tx.now,
    )
    return {row.name for row in rows}


async def strip(tx: Transaction, lead_ids: Collection[UUID], until: datetime) -> int:
    """Leaves of touches that were known by then only what happened; how many there were."""
    rows = await tx.rows(
        f"""
        UPDATE scoring.touches SET job_title = NULL, attributes = NULL, value = NULL
        WHERE {OF_LEADS} AND (known_at IS NULL OR known_at <= :until) RETURNING 1""",
        ids=as_array(lead_ids),
        until=until,
    )
    return len(rows)


REASONS = "jsonb_array_length(contributions) > 0 OR jsonb_array_length(customer_contributions) > 0"
"""Leads of which it is kept what speaks for them."""

OWN_OR_ROOTS = """
    (lead_id = ANY(CAST(:ids AS uuid[])) OR lead_id IN (
        SELECT root_id FROM scoring.leads WHERE lead_id = ANY(CAST(:ids AS uuid[]))))"""
"""Leads, and those they were merged into."""


async def forget_reasons(tx: Transaction, lead_ids: Collection[UUID]) -> int:
    """Takes from leads what speaks for them; how many there were. How likely models say they are stays, until they are asked
    again."""
    ids = as_array(lead_ids)
    # Whoever scores one of them just now is waited for, and whoever does so later reads what is left.
    waits = "" if tx.may_wait_for("leads") else "NOWAIT"
    await tx.rows(f"SELECT 1 FROM scoring.leads WHERE {OWN_OR_ROOTS} ORDER BY lead_id FOR UPDATE {waits}", ids=ids)
    rows = await tx.rows(
        f"""
        UPDATE scoring.leads SET
            contributions = CASE WHEN contributions IS NOT NULL THEN CAST('[]' AS jsonb) END,
            customer_contributions = CASE WHEN customer_contributions IS NOT NULL THEN CAST('[]' AS jsonb) END
        WHERE {OWN_OR_ROOTS} AND ({REASONS}) RETURNING 1""",
        ids=ids,
    )
    return len(rows)


async def reasons_held(database: Database, lead_ids: Collection[UUID], until: datetime | None) -> int:
    """Of how many of these leads, or of those they were merged into, it is kept what speaks for them. Where a moment is given
    that they were erased up to, what was said since then does not count."""
    (row,) = await database.rows(
        f"""
        SELECT count(*) AS held FROM scoring.leads WHERE {OWN_OR_ROOTS}
            AND ({REASONS}) AND NOT EXISTS (
                SELECT FROM scoring.erased e WHERE e.name = CAST(lead_id AS text)
                    AND e.until >= CAST(:until AS timestamptz) AND scored_at >= e.erased_at)""",
        ids=as_array(lead_ids),
        until=until,
    )
    held: int = row.held
    return held


async def touches_held(database: Database, lead_ids: Collection[UUID], until: datetime | None) -> Sequence[Row[Any]]:
    """The touches of leads that say more than what happened, known up to a moment where one is given."""
    return await database.rows(
        f"""
        SELECT * FROM scoring.touches WHERE {OF_LEADS}
            AND (CAST(:until AS timestamptz) IS NULL OR known_at IS NULL OR known_at <= :until)
        ORDER BY occurred_at, event_id""",
        ids=as_array(lead_ids),
        until=until,
    )


async def leads_held(database: Database, lead_ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """How these leads are scored."""
    return await database.rows(
        "SELECT * FROM scoring.leads WHERE lead_id = ANY(CAST(:ids AS uuid[])) ORDER BY lead_id", ids=as_array(lead_ids)
    )


async def scored_before_erasure(tx: Transaction, roots: Collection[UUID]) -> set[UUID]:
    """Of these leads those whose score rests on what they, or who was merged into them, no longer say."""
    rows = await tx.rows(
        """
        WITH member AS (
            SELECT lead_id, root_id FROM scoring.leads WHERE lead_id = ANY(CAST(:ids AS uuid[]))
            UNION ALL
            SELECT lead_id, root_id FROM scoring.leads WHERE root_id = ANY(CAST(:ids AS uuid[])) AND root_id <> lead_id
        )
        SELECT DISTINCT root.lead_id FROM member
        JOIN scoring.erased e ON e.name = CAST(member.lead_id AS text)
        JOIN scoring.leads root ON root.lead_id = member.root_id AND root.scored_at <= e.erased_at""",
        ids=as_array(roots),
    )
    return {row.lead_id for row in rows}


async def is_erased(database: Database, names: Collection[str], until: datetime) -> bool:
    """Whether this service was told of an erasure: of all these names, up to then."""
    (row,) = await database.rows(
        "SELECT count(*) AS told FROM scoring.erased WHERE name = ANY(CAST(:names AS text[])) AND until >= :until",
        names=list(names),
        until=until,
    )
    return bool(row.told == len(names))
