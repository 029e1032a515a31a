"""Rescores: who asked for what, and how far each has come."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.kit.database import Transaction

COLUMNS = "id, policy_version, requested_at, after_id, leads, done, changed, failed, status, finished_at"


async def ask_rescore(tx: Transaction, new_id: UUID, policy_version: str) -> Row[Any]:
    """The rescore by this policy that is running, or a new one, which takes the place of any by another policy."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('leadflow-scoring-rescore'))")
    running = await tx.rows(f"SELECT {COLUMNS} FROM scoring.rescores WHERE status = 'running' FOR UPDATE")
    for row in running:
        if row.policy_version == policy_version:
            return row
    await tx.execute(
        "UPDATE scoring.rescores SET status = 'superseded', finished_at = :now WHERE status = 'running'",
        {"now": tx.now},
    )
    [made] = await tx.rows(
        f"""
        INSERT INTO scoring.rescores (id, policy_version, requested_at, leads, done, changed, failed, status)
        SELECT :id, :policy_version, :now, count(*), 0, 0, 0, 'running' FROM scoring.leads WHERE root_id = lead_id
        RETURNING {COLUMNS}
        """,
        id=new_id,
        policy_version=policy_version,
        now=tx.now,
    )
    return made


async def running_rescore(tx: Transaction, policy_version: str) -> Row[Any] | None:
    """The rescore there is to go on with, locked; None without one, or while another replica is at it."""
    rows = await tx.rows(
        f"""
        SELECT {COLUMNS} FROM scoring.rescores
        WHERE status = 'running' AND policy_version = :policy_version FOR UPDATE SKIP LOCKED
        """,
        policy_version=policy_version,
    )
    return rows[0] if rows else None


async def next_roots(tx: Transaction, after: UUID | None, limit: int) -> list[UUID]:
    """The leads that come next."""
    rows = await tx.rows(
        """
        SELECT lead_id FROM scoring.leads
        WHERE root_id = lead_id AND (CAST(:after AS uuid) IS NULL OR lead_id > CAST(:after AS uuid))
        ORDER BY lead_id LIMIT :limit
        """,
        after=after,
        limit=limit,
    )
    return [row.lead_id for row in rows]


async def advance_rescore(
    tx: Transaction, rescore: Row[Any], roots: list[UUID], changed: int, failed: int, *, last: bool
) -> None:
    """Notes what is done."""
    await tx.execute(
        """
        UPDATE scoring.rescores SET done = done + :done, changed = changed + :changed, failed = failed + :failed,
            after_id = coalesce(CAST(:after AS uuid), after_id),
            status = CASE WHEN :last THEN 'finished' ELSE status END,
            finished_at = CASE WHEN :last THEN :now ELSE finished_at END
        WHERE id = :id
        """,
        {
            "id": rescore.id,
            "done": len(roots),
            "changed": changed,
            "failed": failed,
            "after": roots[-1] if roots else None,
            "last": last,
            "now": tx.now,
        },
    )


async def rescores(tx: Transaction, rescore_id: UUID | None = None) -> list[Row[Any]]:
    """One, or the latest twenty."""
    return await tx.rows(
        f"""
        SELECT {COLUMNS} FROM scoring.rescores WHERE CAST(:id AS uuid) IS NULL OR id = CAST(:id AS uuid)
        ORDER BY requested_at DESC LIMIT 20
        """,
        id=rescore_id,
    )
