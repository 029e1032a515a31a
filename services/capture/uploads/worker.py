"""The worker: one job at a time, stretch by stretch, at a bounded rate and behind whoever sends live.

A stretch is noted, published, and only then counted and passed, each in a transaction of its own. Killed anywhere between,
the job goes on with the same stretch: its rows have the same ids, so the log has each of them as one event, and what was
noted tells which of them the log had before this job. Who works on a job holds a lease on it; whoever lost it, since it stood
still for too long, changes nothing any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row as Record

from services.capture.domain.uploads import Options
from services.capture.instruments import UploadInstruments
from services.capture.storage import uploads as storage
from services.capture.uploads.files import UploadDirectory
from services.capture.uploads.jobs import UploadJobs
from services.capture.uploads.publishing import NotOurs, Publisher
from services.capture.uploads.stretches import FileReader
from shared.kit.database import Database
from shared.kit.errors import Retryable
from shared.kit.logs import log
from shared.kit.transient import is_transient, name_of
from shared.tabular.apart import prepare_apart
from shared.tabular.errors import Unreadable
from shared.tabular.preparing import MAX_UNPACKED_BYTES, Prepared
from shared.tabular.source import Position

LEASE = timedelta(seconds=15)
BEAT_SECONDS = 4.0
LOOK_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 5.0


class UploadWorker:
    """Works on the jobs whose files are in this directory."""

    def __init__(
        self,
        *,
        database: Database,
        directory: UploadDirectory,
        jobs: UploadJobs,
        publisher: Publisher,
        instruments: UploadInstruments,
    ) -> None:
        self._database = database
        self._directory = directory
        self._jobs = jobs
        self._publisher = publisher
        self._instruments = instruments
        self._name = uuid4()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Works while the block runs. At its end the stretch in hand is dropped, and gone on with in the next life."""
        task = asyncio.create_task(self.run(), name="capture-uploads")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=5.0)
            with suppress(Exception):
                async with asyncio.timeout(1.0):
                    await self._database.run(lambda tx: storage.let_go(tx, self._directory.home, self._name))
            self._directory.unlock()

    async def run(self) -> None:
        """Until it is cancelled: jobs while there are any, else a look now and then."""
        pause, began = 0.25, False
        while True:
            worked = False
            try:
                if not began and self._directory.lock():
                    # No other living process has this directory, so whoever worked from it is dead.
                    await self._database.run(lambda tx: storage.let_go(tx, self._directory.home, None))
                began = True
                worked = await self._work()
                pause = 0.25
            except Exception as error:
                self._tell(error)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                await asyncio.sleep(pause)
            if not worked:
                self._jobs.added.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._jobs.added.wait()

    def _tell(self, error: Exception) -> None:
        if not isinstance(error, Retryable) and not is_transient(error):
            log().error("upload_worker_failed", error_type=name_of(error))

    async def _work(self) -> bool:
        """One job, as far as it goes; False where there is none."""
        job = await self._database.run(lambda tx: storage.next_upload(tx, self._directory.home, self._name, LEASE))
        if job is None:
            return False
        log().info("upload_running", upload_id=str(job.upload_id), line=job.position_line)
        work = asyncio.create_task(self._import(job), name="capture-upload")
        try:
            while not work.done():
                await asyncio.wait([work], timeout=BEAT_SECONDS)
                if not work.done() and not await self._is_ours(job.upload_id):
                    log().info("upload_left", upload_id=str(job.upload_id))
                    break
        finally:
            work.cancel()
            await asyncio.wait([work])
        if not work.cancelled():
            work.result()
        return True

    async def _is_ours(self, upload_id: UUID) -> bool:
        """Renews the lease. While the database is away nobody else can take it either."""
        try:
            return await self._database.run(lambda tx: storage.renew_lease(tx, upload_id, self._name, LEASE))
        except Retryable:
            return True

    async def _import(self, job: Record[Any]) -> None:
        """Every row of the file that is left, and the job's end."""
        try:
            await self._publish_rows(job)
        except NotOurs:
            log().info("upload_left", upload_id=str(job.upload_id))
            return
        except Unreadable as unreadable:
            error = {"at": self._database.clock.now(), "detail": unreadable.detail, "fix": unreadable.fix}
            await self._end(job, "failed", error)
            return
        await self._end(job, "done", None)

    async def _end(self, job: Record[Any], status: str, error: dict[str, object] | None) -> None:
        await self._database.run(
            lambda tx: storage.end_upload(tx, job.upload_id, self._name, status, error), deadline_seconds=30.0
        )
        self._instruments.ended.labels(status).inc()
        log().info("upload_ended", upload_id=str(job.upload_id), status=status)

    async def _publish_rows(self, job: Record[Any]) -> None:
        options = Options(**job.options)
        options.file_mapping()
        copy = await self._prepared(job, options)
        reader = await asyncio.to_thread(FileReader, copy, options, may_backdate=job.may_backdate)
        try:
            reader.begin(Position(job.position_byte, job.position_line))
            await self._publisher.publish(job, reader, self._name)
        finally:
            reader.close()

    async def _prepared(self, job: Record[Any], options: Options) -> Prepared:
        """The file as it can be read, made once."""
        name = job.upload_id
        ready = self._directory.ready(name)
        if ready is None:
            if not self._directory.raw(name).exists():
                raise Unreadable("The file is gone from the disk.", "Send it again: rows that are in are recognised.")
            target = self._directory.target(name)
            found = await prepare_apart(
                self._directory.raw(name),
                target,
                encoding=options.encoding,
                sheet=options.sheet,
                delimiter=options.delimiter,
                max_bytes=min(MAX_UNPACKED_BYTES, self._directory.room),
            )
            rows = await asyncio.to_thread(self._directory.made, name, target, found)
        else:
            rows, found = ready
        await self._database.run(
            lambda tx: storage.note_prepared(
                tx, name, self._name, form=found.form, encoding=found.encoding, rows_total=found.rows
            )
        )
        return found.at(rows)
