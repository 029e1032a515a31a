"""Dry runs: asked for, taken in hand a page of leads at a time, looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson

from services.pipeline.domain.access import Units
from services.pipeline.domain.ledger import Ledger
from services.pipeline.storage import loading
from shared.kit.database import Database, Transaction

KEPT = 50
"""How many that have ended are kept."""


async def ask(transaction: Transaction, job_id: UUID, *, policy: str, version: str, units: Units, actor: str) -> bool:
    """Asks for a dry run, once for each id. False where that id was used for another one."""
    await transaction.execute(
        """
        INSERT INTO pipeline.dry_runs (job_id, status, version, policy, units, actor, asked_at, updated_at, leads, seen,
            counts)
        SELECT :job_id, 'waiting', :version, :policy, CAST(:units AS text[]), :actor, :now, :now, count(*), 0, CAST('{}' AS jsonb)
        FROM pipeline.leads WHERE lead_id = root_id AND (CAST(:units AS text[]) IS NULL OR business_unit = ANY(:units))
        ON CONFLICT (job_id) DO NOTHING""",
        {
            "job_id": job_id,
            "version": version,
            "policy": policy,
            "units": _listed(units),
            "actor": actor,
            "now": transaction.now,
        },
    )
    await transaction.execute(
        """
        DELETE FROM pipeline.dry_runs WHERE ended_at IS NOT NULL AND job_id NOT IN
            (SELECT job_id FROM pipeline.dry_runs ORDER BY asked_at DESC LIMIT :kept)""",
        {"kept": KEPT},
    )
    row = await one(transaction, job_id)
    return row is not None and (row.policy, row.units) == (policy, _listed(units))


async def one(source: Database | Transaction, job_id: UUID) -> Any | None:
    """A dry run's row."""
    rows = await source.rows("SELECT * FROM pipeline.dry_runs WHERE job_id = :id", id=job_id)
    return rows[0] if rows else None


async def recent(source: Database | Transaction, units: Units) -> list[Any]:
    """The last ones, newest first, of those that counted in these units alone."""
    return await source.rows(
        """
        SELECT * FROM pipeline.dry_runs WHERE CAST(:units AS text[]) IS NULL OR units <@ CAST(:units AS text[])
        ORDER BY asked_at DESC LIMIT :most""",
        units=_listed(units),
        most=KEPT,
    )


async def take(transaction: Transaction) -> Any | None:
    """The dry run that was asked for first and is not done, held until the transaction ends; None where there is none that
    nobody else has in hand."""
    rows = await transaction.rows(
        """
        SELECT * FROM pipeline.dry_runs WHERE ended_at IS NULL ORDER BY asked_at LIMIT 1 FOR UPDATE SKIP LOCKED"""
    )
    return rows[0] if rows else None


async def page(
    transaction: Transaction, after: UUID | None, units: list[str] | None, limit: int
) -> tuple[Ledger, list[UUID]]:
    """The next leads in the order of their ids, with their groups and stories, and nobody kept from them meanwhile."""
    rows = await transaction.rows(
        """
        SELECT lead_id FROM pipeline.leads
        WHERE lead_id = root_id AND (CAST(:after AS uuid) IS NULL OR lead_id > :after)
            AND (CAST(:units AS text[]) IS NULL OR business_unit = ANY(:units))
        ORDER BY lead_id LIMIT :limit""",
        after=after,
        units=units,
        limit=limit,
    )
    lead_ids = [row.lead_id for row in rows]
    ledger = await loading.read_groups(transaction, lead_ids)
    await loading.load_stories(transaction, ledger, lead_ids)
    return ledger, lead_ids


async def go_on(
    transaction: Transaction, job_id: UUID, *, position: UUID, seen: int, counts: Mapping[str, Any]
) -> None:
    """A page was counted."""
    await transaction.execute(
        """
        UPDATE pipeline.dry_runs SET status = 'running', position = :position, seen = seen + :seen,
            counts = CAST(:counts AS jsonb), updated_at = :now WHERE job_id = :id""",
        {
            "id": job_id,
            "position": position,
            "seen": seen,
            "counts": orjson.dumps(counts).decode(),
            "now": transaction.now,
        },
    )


async def end(transaction: Transaction, job_id: UUID, problem: str | None = None) -> None:
    """Every lead was counted, or no more can be."""
    await transaction.execute(
        """
        UPDATE pipeline.dry_runs SET status = :status, problem = :problem, ended_at = :now, updated_at = :now WHERE job_id = :id""",
        {"id": job_id, "status": "failed" if problem else "done", "problem": problem, "now": transaction.now},
    )


def _listed(units: Units) -> list[str] | None:
    return sorted(units) if units is not None else None
