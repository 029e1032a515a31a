"""What of uploads is deleted when its time has come, and what is measured of them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.capture.instruments import UploadInstruments
from services.capture.storage import uploads as storage
from services.capture.uploads.files import UploadDirectory
from shared.kit.background import again_and_again
from shared.kit.database import Database

SWEEP_SECONDS = 30.0
LEFT_BEHIND = timedelta(days=1)
"""Files that nobody knows of, of a request that was cut short, are as old as that before they go."""


class Sweeper:
    """Deletes files of ended jobs after their time. In the database first: who resumes a job at that moment keeps its file."""

    def __init__(
        self,
        database: Database,
        directory: UploadDirectory,
        instruments: UploadInstruments,
        keep_file: timedelta,
    ) -> None:
        self._database = database
        self._directory = directory
        self._instruments = instruments
        self._keep_file = keep_file

    async def run(self) -> None:
        """Goes on until it is cancelled. While the database is away, nothing is due."""
        await again_and_again(self.once, SWEEP_SECONDS, "uploads_not_swept")

    async def once(self) -> None:
        """Everything that is due now."""
        now = self._database.clock.now()
        overdue = await storage.overdue_files(self._database, self._directory.home, now - self._keep_file)
        gone = await self._database.run(lambda tx: storage.note_deleted(tx, overdue)) if overdue else []
        old = (now - LEFT_BEHIND).timestamp()
        behind = await asyncio.to_thread(self._directory.left_behind, old)
        orphans = set(behind) - await storage.files_of(self._database, behind) if behind else set()
        for upload_id in (*gone, *orphans):
            await asyncio.to_thread(self._directory.delete, upload_id)
        await asyncio.to_thread(self._directory.forget_incoming, old)
        now_there = await storage.uploads_standing(self._database)
        self._instruments.tell(now_there.waiting, now_there.running, now_there.kept_bytes, now_there.moved_at)
