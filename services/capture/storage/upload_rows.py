"""The rows of an upload as it meets them: which events, whether they were known before, and what was wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Row, Uuid
from sqlmodel import Field

from services.capture.storage.tables import CaptureTable, number, text
from shared.kit.database import Database, Transaction, as_array


class UploadMetRow(CaptureTable, table=True):
    """An event that a job has met, at which line, and whether the log had it before. Forgotten when the job is done."""

    __tablename__ = "upload_rows"

    upload_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    line: int = number()
    known: bool = Field(sa_column=Column(Boolean, nullable=False))


class UploadFaultRow(CaptureTable, table=True):
    """What was wrong with a row: its line, the field, never what it said."""

    __tablename__ = "upload_faults"

    upload_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    place: int = Field(sa_column=Column(BigInteger, primary_key=True))
    line: int = number()
    field: str = text()
    fault: str = text()
    fix: str = text()


class Step(NamedTuple):
    """What one stretch of rows came to, from where to where."""

    from_byte: int
    position_byte: int
    position_line: int
    rows_read: int
    accepted: int
    duplicate: int
    rejected: int
    quarantined: int
    rows_per_second: float | None


async def meet(tx: Transaction, upload_id: UUID, met: Sequence[tuple[str, int]]) -> dict[str, tuple[int, bool]]:
    """Notes events and their lines before they are published. Answers, for each, at which line the job met it first and
    whether the log had it before that: what a life that was cut short has noted stands."""
    if not met:
        return {}
    await tx.set_wise(
        """
        INSERT INTO capture.upload_rows (upload_id, event_id, line, known)
        SELECT :upload_id, met.event_id, min(met.line), bool_or(receipts.event_id IS NOT NULL)
        FROM json_to_recordset(CAST(:rows AS json)) AS met (event_id uuid, line bigint)
        LEFT JOIN capture.receipts ON receipts.event_id = met.event_id
        GROUP BY met.event_id ORDER BY met.event_id
        ON CONFLICT (upload_id, event_id) DO NOTHING""",
        [{"event_id": event_id, "line": line} for event_id, line in met],
        upload_id=upload_id,
    )
    rows = await tx.rows(
        """
        SELECT event_id, line, known FROM capture.upload_rows
        WHERE upload_id = :upload_id AND event_id = ANY(CAST(:ids AS uuid[]))""",
        upload_id=upload_id,
        ids=as_array(event_id for event_id, _ in met),
    )
    return {str(row.event_id): (row.line, row.known) for row in rows}


async def advance(
    tx: Transaction,
    upload_id: UUID,
    worker: UUID,
    step: Step,
    faults: Sequence[Mapping[str, object]],
    *,
    max_faults: int,
) -> bool:
    """A stretch of rows was answered. False, with nothing changed, where the job is not this worker's any more, or another
    has come further."""
    moved = await tx.rows(
        """
        UPDATE capture.uploads
        SET position_byte = :position_byte, position_line = :position_line, rows_read = rows_read + :rows_read,
            accepted = accepted + :accepted, duplicate = duplicate + :duplicate, rejected = rejected + :rejected,
            quarantined = quarantined + :quarantined, rows_per_second = :rows_per_second, updated_at = :now
        WHERE upload_id = :upload_id AND worker = :worker AND status = 'running' AND position_byte = :from_byte
        RETURNING 1""",
        upload_id=upload_id,
        worker=worker,
        now=tx.now,
        **step._asdict(),
    )
    if not moved:
        return False
    await tx.set_wise(
        """
        INSERT INTO capture.upload_faults (upload_id, place, line, field, fault, fix)
        SELECT :upload_id, before.places + row_number() OVER (ORDER BY line), line, field, fault, fix
        FROM json_to_recordset(CAST(:rows AS json)) AS added (line bigint, field text, fault text, fix text),
            (SELECT coalesce(max(place), 0) AS places FROM capture.upload_faults WHERE upload_id = :upload_id) AS before
        WHERE before.places < :max_faults""",
        faults,
        upload_id=upload_id,
        max_faults=max_faults,
    )
    return True


async def faults_of(database: Database, upload_id: UUID, *, after: int, limit: int) -> list[Row[Any]]:
    """What was wrong with a job's rows, in their order."""
    return await database.rows(
        """
        SELECT place, line, field, fault, fix FROM capture.upload_faults
        WHERE upload_id = :upload_id AND place > :after ORDER BY place LIMIT :limit""",
        upload_id=upload_id,
        after=after,
        limit=limit,
    )


async def delete_met_rows(tx: Transaction, before: datetime, limit: int) -> int:
    """Forgets what was noted of rows of jobs that were done by then, or whose file is gone; says how many."""
    rows = await tx.rows(
        """
        DELETE FROM capture.upload_rows WHERE (upload_id, event_id) IN (
            SELECT met.upload_id, met.event_id FROM capture.uploads AS job
            CROSS JOIN LATERAL (
                SELECT upload_id, event_id FROM capture.upload_rows WHERE upload_id = job.upload_id LIMIT :limit
            ) AS met
            WHERE job.ended_at <= :before
                AND (job.status = 'done' OR (job.status IN ('failed', 'cancelled') AND job.file_deleted_at IS NOT NULL))
            LIMIT :limit
        ) RETURNING 1""",
        before=before,
        limit=limit,
    )
    return len(rows)
