"""Uploads as jobs: how each is read, how far it has come, who works on it. None of it is what a file says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Row, Uuid
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.capture.storage.tables import CaptureTable, moment, number, text
from shared.kit.database import Database, Transaction, as_array, as_json

_ALL = "upload_id = ANY(CAST(:ids AS uuid[]))"


class UploadRow(CaptureTable, table=True):
    """One uploaded file as a job. `home` is the disk that has the file; `worker` works on it until `leased_until`; everything
    before the position was answered."""

    __tablename__ = "uploads"
    __table_args__ = (
        Index("uploads_open", "home", "created_at", postgresql_where=sql_text("status IN ('waiting', 'running')")),
        Index("uploads_by_sender", "sender", "created_at"),
    )

    upload_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    sender: str = text()
    may_backdate: bool = Field(sa_column=Column(Boolean, nullable=False))
    rows_per_second_allowed: float | None = Field(sa_column=Column(Double, nullable=True))
    home: str = text()
    filename: str = text()
    options: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    bytes: int = number()
    digest: str = text()
    status: str = text()
    worker: UUID | None = Field(sa_column=Column(Uuid, nullable=True))
    leased_until: datetime | None = moment(nullable=True)
    last_error: dict[str, Any] | None = Field(sa_column=Column(JSONB, nullable=True))
    form: str | None = text(nullable=True)
    encoding: str | None = text(nullable=True)
    position_byte: int = number()
    position_line: int = number()
    rows_total: int | None = Field(sa_column=Column(BigInteger, nullable=True))
    rows_read: int = number()
    rows_per_second: float | None = Field(sa_column=Column(Double, nullable=True))
    accepted: int = number()
    duplicate: int = number()
    rejected: int = number()
    quarantined: int = number()
    created_at: datetime = moment()
    started_at: datetime | None = moment(nullable=True)
    ended_at: datetime | None = moment(nullable=True)
    updated_at: datetime = moment()
    file_deleted_at: datetime | None = moment(nullable=True)


class NewUpload(NamedTuple):
    """A job as it begins."""

    upload_id: UUID
    sender: str
    may_backdate: bool
    rows_per_second_allowed: float | None
    home: str
    filename: str
    options: str
    bytes: int
    digest: str


class Standing(NamedTuple):
    """Jobs that have not ended, the bytes of all files that are kept, and when any of those jobs last came further."""

    waiting: int
    running: int
    kept_bytes: int
    moved_at: datetime | None


class HeldFile(NamedTuple):
    """An uploaded file that is still on a disk, and when it will be deleted; None while its job has not ended."""

    upload_id: UUID
    sender: str
    home: str
    received_at: datetime
    deleted_at: datetime | None


async def add_upload(tx: Transaction, new: NewUpload) -> Row[Any]:
    """Adds a job that waits; the job there is already where the id is known. One whose file was deleted before its end gets
    this file, on this disk, and can be gone on with: what is left of it was received now, and not when the other was."""
    await tx.execute(
        """
        INSERT INTO capture.uploads AS job
            (upload_id, sender, may_backdate, rows_per_second_allowed, home, filename, options, bytes, digest, status,
             created_at, updated_at)
        VALUES (:upload_id, :sender, :may_backdate, :rows_per_second_allowed, :home, :filename, CAST(:options AS jsonb),
            :bytes, :digest, 'waiting', :now, :now)
        ON CONFLICT (upload_id) DO UPDATE
        SET home = excluded.home, filename = excluded.filename, options = excluded.options, file_deleted_at = NULL,
            status = 'waiting', ended_at = NULL, created_at = :now, updated_at = :now
        WHERE job.file_deleted_at IS NOT NULL AND job.status <> 'done'""",
        {**new._asdict(), "now": tx.now},
    )
    (row,) = await tx.rows("SELECT * FROM capture.uploads WHERE upload_id = :upload_id", upload_id=new.upload_id)
    return row


async def upload_of(database: Database | Transaction, upload_id: UUID, sender: str | None) -> Row[Any] | None:
    """A sender's job; anybody's where no sender is named."""
    rows = await database.rows(
        """
        SELECT * FROM capture.uploads
        WHERE upload_id = :upload_id AND (CAST(:sender AS text) IS NULL OR sender = :sender)""",
        upload_id=upload_id,
        sender=sender,
    )
    return rows[0] if rows else None


async def uploads_of(
    database: Database, sender: str | None, *, status: str | None, before: tuple[datetime, UUID] | None, limit: int
) -> list[Row[Any]]:
    """A sender's jobs, or everybody's, the newest first, and of one moment the one with the greatest id."""
    return await database.rows(
        """
        SELECT * FROM capture.uploads
        WHERE (CAST(:sender AS text) IS NULL OR sender = :sender) AND (CAST(:status AS text) IS NULL OR status = :status)
            AND (CAST(:before AS timestamptz) IS NULL OR (created_at, upload_id) < (:before, CAST(:before_id AS uuid)))
        ORDER BY created_at DESC, upload_id DESC LIMIT :limit""",
        sender=sender,
        status=status,
        before=before[0] if before is not None else None,
        before_id=before[1] if before is not None else None,
        limit=limit,
    )


async def change_upload(
    tx: Transaction,
    upload_id: UUID,
    sender: str | None,
    *,
    status: str,
    instead_of: Sequence[str],
    rights: tuple[bool, float | None] | None = None,
) -> Row[Any] | None:
    """Gives a job another status where it has one of these and its file is there; `rights` are those of the key that goes on
    with it. Answers with the job as it is then."""
    may_backdate, allowed = rights or (None, None)
    await tx.execute(
        """
        UPDATE capture.uploads
        SET status = :status, updated_at = :now,
            ended_at = CASE WHEN :status = 'cancelled' THEN CAST(:now AS timestamptz) END,
            worker = NULL, leased_until = NULL, rows_per_second = NULL,
            may_backdate = coalesce(CAST(:may_backdate AS boolean), may_backdate),
            rows_per_second_allowed = CASE WHEN CAST(:may_backdate AS boolean) IS NULL THEN rows_per_second_allowed
                ELSE CAST(:allowed AS double precision) END
        WHERE upload_id = :upload_id AND (CAST(:sender AS text) IS NULL OR sender = :sender)
            AND status = ANY(CAST(:instead_of AS text[])) AND file_deleted_at IS NULL""",
        {
            "upload_id": upload_id,
            "sender": sender,
            "status": status,
            "instead_of": list(instead_of),
            "may_backdate": may_backdate,
            "allowed": allowed,
            "now": tx.now,
        },
    )
    return await upload_of(tx, upload_id, sender)


async def next_upload(tx: Transaction, home: str, worker: UUID, lease: timedelta) -> Row[Any] | None:
    """The job to go on with: the oldest of this disk that has not ended and that nobody works on. It is this worker's until
    the lease ends, by the database's clock."""
    rows = await tx.rows(
        """
        UPDATE capture.uploads
        SET status = 'running', worker = :worker, leased_until = now() + CAST(:lease AS interval),
            started_at = coalesce(started_at, :now), updated_at = :now
        WHERE upload_id = (
            SELECT upload_id FROM capture.uploads
            WHERE home = :home AND (status = 'waiting' OR (status = 'running'
                AND (leased_until IS NULL OR leased_until < now())))
            ORDER BY created_at, upload_id LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING *""",
        home=home,
        worker=worker,
        lease=lease,
        now=tx.now,
    )
    return rows[0] if rows else None


async def renew_lease(tx: Transaction, upload_id: UUID, worker: UUID, lease: timedelta) -> bool:
    """Whether the job is still this worker's, and is from now on for another lease."""
    rows = await tx.rows(
        """
        UPDATE capture.uploads SET leased_until = now() + CAST(:lease AS interval)
        WHERE upload_id = :upload_id AND worker = :worker AND status = 'running' RETURNING 1""",
        upload_id=upload_id,
        worker=worker,
        lease=lease,
    )
    return bool(rows)


async def let_go(tx: Transaction, home: str, worker: UUID | None) -> None:
    """Ends the leases of one worker, or of all who ever worked from this disk."""
    await tx.execute(
        """
        UPDATE capture.uploads SET leased_until = NULL, worker = NULL
        WHERE home = :home AND status = 'running' AND (CAST(:worker AS uuid) IS NULL OR worker = :worker)""",
        {"home": home, "worker": worker},
    )


async def note_prepared(
    tx: Transaction, upload_id: UUID, worker: UUID, *, form: str, encoding: str, rows_total: int
) -> None:
    """What the file was found to be."""
    await tx.execute(
        """
        UPDATE capture.uploads SET form = :form, encoding = :encoding, rows_total = :rows_total, updated_at = :now
        WHERE upload_id = :upload_id AND worker = :worker""",
        {
            "upload_id": upload_id,
            "worker": worker,
            "form": form,
            "encoding": encoding,
            "rows_total": rows_total,
            "now": tx.now,
        },
    )


async def note_error(tx: Transaction, upload_id: UUID, error: Mapping[str, object]) -> None:
    """What holds the job up now, or did last."""
    await tx.execute(
        "UPDATE capture.uploads SET last_error = CAST(:error AS jsonb) WHERE upload_id = :upload_id",
        {"upload_id": upload_id, "error": as_json(error)},
    )


async def end_upload(
    tx: Transaction, upload_id: UUID, worker: UUID, status: str, error: Mapping[str, object] | None
) -> None:
    """The job has ended, unless somebody ended it before."""
    await tx.execute(
        """
        UPDATE capture.uploads
        SET status = :status, ended_at = :now, updated_at = :now, worker = NULL, leased_until = NULL,
            rows_per_second = NULL, last_error = coalesce(CAST(:error AS jsonb), last_error)
        WHERE upload_id = :upload_id AND worker = :worker AND status = 'running'""",
        {
            "upload_id": upload_id,
            "worker": worker,
            "status": status,
            "error": None if error is None else as_json(error),
            "now": tx.now,
        },
    )


async def held_files(database: Database, keep: timedelta) -> list[HeldFile]:
    """Every uploaded file that still holds what its rows say; those of ended jobs go when they were kept so long. What is
    erased meanwhile is in such a file until then."""
    rows = await database.rows(
        """
        SELECT upload_id, sender, home, created_at, ended_at + CAST(:keep AS interval) AS deleted_at
        FROM capture.uploads WHERE file_deleted_at IS NULL ORDER BY created_at, upload_id""",
        keep=keep,
    )
    return [HeldFile._make(row) for row in rows]


async def overdue_files(database: Database, home: str, ended_before: datetime) -> list[UUID]:
    """Jobs of this disk that ended before then and whose file is still there."""
    rows = await database.rows(
        """
        SELECT upload_id FROM capture.uploads
        WHERE home = :home AND file_deleted_at IS NULL AND ended_at <= :before
            AND status NOT IN ('waiting', 'running') LIMIT 100""",
        home=home,
        before=ended_before,
    )
    return [row.upload_id for row in rows]


async def note_deleted(tx: Transaction, upload_ids: Sequence[UUID]) -> list[UUID]:
    """Their files may go: those that have not been gone on with meanwhile. With a file goes what it was called and the text of
    its mapping, which may say whom it is about."""
    rows = await tx.rows(
        f"""
        UPDATE capture.uploads SET file_deleted_at = :now,
            filename = 'file' || coalesce(substring(filename FROM '[.][A-Za-z0-9]{{1,5}}$'), ''),
            options = jsonb_set(options, '{{mapping}}', '""', false)
        WHERE {_ALL} AND status NOT IN ('waiting', 'running') RETURNING upload_id""",
        ids=as_array(upload_ids),
        now=tx.now,
    )
    return [row.upload_id for row in rows]


async def files_of(database: Database, upload_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the ids that are jobs whose file is to be there."""
    rows = await database.rows(
        f"SELECT upload_id FROM capture.uploads WHERE {_ALL} AND file_deleted_at IS NULL", ids=as_array(upload_ids)
    )
    return {row.upload_id for row in rows}


async def uploads_standing(database: Database) -> Standing:
    """What there is of jobs that have not ended, and of files."""
    (row,) = await database.rows(
        """
        SELECT count(*) FILTER (WHERE status = 'waiting') AS waiting, count(*) FILTER (WHERE status = 'running') AS running,
            coalesce(sum(bytes) FILTER (WHERE file_deleted_at IS NULL), 0)::bigint AS kept_bytes,
            max(updated_at) FILTER (WHERE status IN ('waiting', 'running')) AS moved_at
        FROM capture.uploads WHERE status IN ('waiting', 'running') OR file_deleted_at IS NULL"""
    )
    return Standing._make(row)


async def delete_uploads(tx: Transaction, before: datetime, limit: int) -> int:
    """Forgets jobs that ended before then, with their reports; says how many."""
    rows = await tx.rows(
        """
        WITH gone AS (
            DELETE FROM capture.uploads WHERE upload_id IN (
                SELECT upload_id FROM capture.uploads
                WHERE ended_at < :before AND file_deleted_at IS NOT NULL AND status NOT IN ('waiting', 'running')
                LIMIT :limit
            ) RETURNING upload_id
        ), faults AS (
            DELETE FROM capture.upload_faults WHERE upload_id IN (SELECT upload_id FROM gone)
        ), met AS (
            DELETE FROM capture.upload_rows WHERE upload_id IN (SELECT upload_id FROM gone)
        )
        SELECT upload_id FROM gone""",
        before=before,
        limit=min(limit, 50),
    )
    return len(rows)
