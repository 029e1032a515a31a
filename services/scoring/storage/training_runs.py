"""Trainings: who asked for which, which one is running, how each ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import Row

from shared.kit.database import Transaction

COLUMNS = "id, business_unit, dry_run, asked_by, asked_at, status, started_at, seen_at, finished_at, words, results"
SCHEDULE = "the schedule"

ALONE = "SELECT pg_advisory_xact_lock(hashtext('leadflow-scoring-training'))"


async def ask_training(tx: Transaction, new_id: UUID, business_unit: str | None, *, dry_run: bool, by: str) -> Row[Any]:
    """The same training where one is waiting already, or a new one."""
    await tx.execute(ALONE)
    waiting = await tx.rows(
        f"""
        SELECT {COLUMNS} FROM scoring.training_runs
        WHERE status = 'asked' AND dry_run = :dry_run AND business_unit IS NOT DISTINCT FROM CAST(:unit AS text)
        """,
        dry_run=dry_run,
        unit=business_unit,
    )
    return waiting[0] if waiting else await _asked(tx, new_id, business_unit, dry_run=dry_run, by=by)


async def ask_on_schedule(tx: Transaction, new_id: UUID, *, every: timedelta, least_reached: int) -> bool:
    """Asks for a training of everything where the last is so long ago, and enough leads have come to something since
    the beginning for it to be worth while. Of several replicas one asks."""
    await tx.execute(ALONE)
    [due] = await tx.rows(
        """
        SELECT NOT EXISTS (
                SELECT 1 FROM scoring.training_runs
                WHERE asked_at > :since AND business_unit IS NULL AND NOT dry_run AND status <> 'failed'
                    OR status IN ('asked', 'running') OR asked_at > :lately
            ) AND (SELECT count(*) FROM (
                SELECT 1 FROM scoring.outcomes WHERE kind = 'opened' LIMIT :least
            ) AS reached) >= :least AS due
        """,
        since=tx.now - every,
        lately=tx.now - min(every, timedelta(hours=1)),
        least=least_reached,
    )
    if due.due:
        await _asked(tx, new_id, None, dry_run=False, by=SCHEDULE)
    return bool(due.due)


async def _asked(tx: Transaction, new_id: UUID, unit: str | None, *, dry_run: bool, by: str) -> Row[Any]:
    [made] = await tx.rows(
        f"""
        INSERT INTO scoring.training_runs (id, business_unit, dry_run, asked_by, asked_at, status)
        VALUES (:id, :unit, :dry_run, :by, :now, 'asked') RETURNING {COLUMNS}
        """,
        id=new_id,
        unit=unit,
        dry_run=dry_run,
        by=by,
        now=tx.now,
    )
    return made


async def take_training(tx: Transaction, lost_after: timedelta) -> Row[Any] | None:
    """The next training to do, and from here on ours; None while one is running anywhere. One that nobody has been seen
    at for so long is taken over."""
    await tx.execute(ALONE)
    rows = await tx.rows(
        f"""
        UPDATE scoring.training_runs SET status = 'running', started_at = :now, seen_at = :now
        WHERE id = (
            SELECT id FROM scoring.training_runs
            WHERE status IN ('asked', 'running') AND NOT EXISTS (
                SELECT 1 FROM scoring.training_runs WHERE status = 'running' AND seen_at > :lost
            ) ORDER BY status = 'asked', asked_at, id LIMIT 1
        ) RETURNING {COLUMNS}
        """,
        now=tx.now,
        lost=tx.now - lost_after,
    )
    return rows[0] if rows else None


async def see_training(tx: Transaction, run: Row[Any]) -> bool:
    """Says that somebody is at it. False where another has taken it over."""
    seen = await tx.execute(
        """
        UPDATE scoring.training_runs SET seen_at = :now
        WHERE id = :id AND status = 'running' AND started_at = :started
        """,
        {"id": run.id, "started": run.started_at, "now": tx.now},
    )
    return bool(seen.rowcount)


async def end_training(
    tx: Transaction,
    run: Row[Any],
    status: Literal["finished", "failed"],
    words: str,
    results: Sequence[Any] | None = None,
) -> None:
    """Notes how it ended."""
    await tx.execute(
        """
        UPDATE scoring.training_runs SET status = :status, finished_at = :now, seen_at = :now, words = :words,
            results = CAST(:results AS jsonb)
        WHERE id = :id AND started_at = :started
        """,
        {
            "id": run.id,
            "started": run.started_at,
            "status": status,
            "words": words,
            "results": None if results is None else orjson.dumps(results).decode(),
            "now": tx.now,
        },
    )


async def training_runs(tx: Transaction, run_id: UUID | None = None) -> list[Row[Any]]:
    """One, or the latest twenty."""
    return await tx.rows(
        f"""
        SELECT {COLUMNS} FROM scoring.training_runs WHERE CAST(:id AS uuid) IS NULL OR id = CAST(:id AS uuid)
        ORDER BY asked_at DESC, id LIMIT 20
        """,
        id=run_id,
    )
