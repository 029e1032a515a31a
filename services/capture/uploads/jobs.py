"""What senders do with uploads: begin one, look at it, read its report, cancel it, go on with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row

from services.capture.answers import needs_database
from services.capture.domain.uploads import GOES_ON, MAX_FAULTS, Options, Status, plain_filename, upload_id
from services.capture.storage import upload_rows
from services.capture.storage import uploads as storage
from services.capture.storage.uploads import NewUpload
from services.capture.uploads.files import UploadDirectory
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.errors import Rejected
from shared.kit.logs import log

Shown = dict[str, Any]

PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Sending:
    """Who sends a file, and what their key lets its rows do."""

    sender: str
    may_backdate: bool
    rows_per_second: float | None


@dataclass(frozen=True, slots=True)
class Received:
    """A file that is on the disk, in the folder it came in by."""

    folder: Path
    filename: str
    size: int
    digest: str


class UploadJobs:
    """Jobs of one deployment. Without a database or a directory there are none, and each call says so."""

    def __init__(self, database: Database | None, directory: UploadDirectory | None, clock: Clock) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self.added = asyncio.Event()

    def directory(self) -> UploadDirectory:
        """Where files go. Raises `Rejected` where this deployment takes none."""
        if self._directory is None:
            raise Rejected(
                "This capture takes no uploads.",
                status=409,
                code="no-uploads",
                fix="Set CAPTURE_UPLOAD_DIR and restart, or send batches.",
            )
        self._stored()
        return self._directory

    async def add(self, sending: Sending, options: Options, received: Received) -> Shown:
        """The job of a file: a new one, or the one it has been before."""
        directory = self.directory()
        name = upload_id(sending.sender, received.digest, options)
        known = await storage.upload_of(self._stored(), name, sending.sender)
        if known is not None and (known.file_deleted_at is None or known.status == "done"):
            return {**self._shown(known), "repeated": True}
        await asyncio.to_thread(directory.keep, received.folder, name)
        new = NewUpload(
            name,
            sending.sender,
            sending.may_backdate,
            sending.rows_per_second,
            directory.home,
            plain_filename(received.filename),
            orjson.dumps(options.given()).decode(),
            received.size,
            received.digest,
        )
        row = await self._stored().run(lambda tx: storage.add_upload(tx, new))
        log().info("upload_received", upload_id=str(name), bytes=received.size)
        self.added.set()
        return self._shown(row)

    async def show(self, name: UUID, sender: str | None) -> Shown:
        """A job. Raises `Rejected` with 404."""
        row = await storage.upload_of(self._stored(), name, sender)
        if row is None:
            raise _unknown()
        return self._shown(row)

    async def list(
        self, sender: str | None, *, status: Status | None, before: tuple[datetime, UUID] | None, limit: int
    ) -> Shown:
        """A sender's jobs, or everybody's, the newest first."""
        rows = await storage.uploads_of(self._stored(), sender, status=status, before=before, limit=limit)
        following = f"{rows[-1].created_at.isoformat()}/{rows[-1].upload_id}" if len(rows) == limit else None
        return {"items": [self._shown(row) for row in rows], "next_before": following}

    async def faults(self, name: UUID) -> AsyncIterator[Row[Any]]:
        """What was wrong with a job's rows, page by page."""
        after = 0
        while page := await upload_rows.faults_of(self._stored(), name, after=after, limit=PAGE):
            for fault in page:
                yield fault
            after = page[-1].place

    async def cancel(self, name: UUID, sender: str | None) -> Shown:
        """Ends a job. What it has brought in stays; its file goes when its time comes. Raises `Rejected`: 404, 409."""
        return await self._change(name, sender, "cancelled", ("waiting", "running"), None)

    async def resume(self, name: UUID, sender: str | None, rights: tuple[bool, float | None] | None) -> Shown:
        """Goes on with a job that was cancelled or failed, from where it had come. Raises `Rejected`: 404, 409."""
        done = await self._change(name, sender, "waiting", GOES_ON, rights)
        self.added.set()
        return done

    async def _change(
        self,
        name: UUID,
        sender: str | None,
        status: Status,
        instead_of: tuple[Status, ...],
        rights: tuple[bool, float | None] | None,
    ) -> Shown:
        row = await self._stored().run(
            lambda tx: storage.change_upload(tx, name, sender, status=status, instead_of=instead_of, rights=rights)
        )
        if row is None:
            raise _unknown()
        if row.status != status:
            raise _wrong_state(row, status, instead_of)
        log().info("upload_changed", upload_id=str(name), status=row.status)
        return self._shown(row)

    def _shown(self, row: Row[Any]) -> Shown:
        return shown(row, self._clock.now())

    def _stored(self) -> Database:
        if self._database is None:
            raise needs_database("uploads", otherwise=", or send batches")
        return self._database


def _unknown() -> Rejected:
    return Rejected(
        "This sender has no such upload.",
        status=404,
        code="not-found",
        field="upload_id",
        fix="List them with GET /v1/uploads; each key sees those of its own sender.",
    )


def _wrong_state(row: Row[Any], status: Status, instead_of: tuple[Status, ...]) -> Rejected:
    verb = "resumed" if status == "waiting" else "cancelled"
    if row.file_deleted_at is not None and row.status in instead_of:
        why, fix = "its file is deleted by now", "Send the same file again: it goes on from where it had come."
    else:
        why, fix = f"it is {row.status}", f"Only one that is {' or '.join(instead_of)} can be {verb}."
    return Rejected(f"The upload cannot be {verb}: {why}.", status=409, code="wrong-state", fix=fix)


def shown(row: Row[Any], now: datetime) -> Shown:
    """A job as the API tells of it."""
    left = None if row.rows_total is None else max(0, row.rows_total - row.rows_read)
    rate = row.rows_per_second if row.status == "running" else None
    return {
        "upload_id": row.upload_id,
        "status": row.status,
        "sender": row.sender,
        "filename": row.filename,
        "bytes": row.bytes,
        "sha256": row.digest,
        "options": {**row.options, **({"mapping": True} if "mapping" in row.options else {})},
        "form": row.form,
        "encoding": row.encoding,
        "rows": {"total": row.rows_total, "read": row.rows_read},
        "leads": {name: getattr(row, name) for name in ("accepted", "duplicate", "rejected", "quarantined")},
        "line": row.position_line,
        "rows_per_second": None if rate is None else round(rate, 1),
        "done_at": None if not rate or left is None else now + timedelta(seconds=left / rate),
        "created_at": row.created_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "updated_at": row.updated_at,
        "file_deleted_at": row.file_deleted_at,
        "last_error": row.last_error,
        "report": f"/v1/uploads/{row.upload_id}/report",
        "report_limit": MAX_FAULTS,
    }
