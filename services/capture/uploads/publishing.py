"""Rows to the log, through the same intake and within the same bounds as what is posted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Row as Record

from services.capture.domain.uploads import MAX_FAULTS, row_event_id
from services.capture.handlers import Batch, Caller, Intake
from services.capture.instruments import UploadInstruments
from services.capture.storage import upload_rows
from services.capture.storage import uploads as storage
from services.capture.storage.upload_rows import Step
from services.capture.uploads.stretches import STRETCH_BYTES, FileReader, Stretch, fault_of
from shared.kit import failpoints
from shared.kit.database import Database
from shared.kit.errors import Retryable
from shared.kit.logs import log

MAX_STRETCH_ROWS = 500
STRETCHES_A_SECOND = 4
LONGEST_PAUSE_SECONDS = 5.0
LOOKS_FOR_ROOM, LOOK_SECONDS = 20, 0.05
"""How often, and how far apart, a stretch looks whether those who send live leave room: at most a second in all."""

SMOOTHING = 0.2


class NotOurs(Exception):
    """Somebody ended the job, or another worker has it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast rows go, and when they give way. `room` is a place among the requests in flight for so many bytes, as whoever
    posts needs one too; for more than `room_bytes` at once there never is one. `busy` says that so much is being worked on that
    what can wait should."""

    rows_per_second: float
    room: Callable[[int], AbstractContextManager[None]]
    busy: Callable[[], bool]
    room_bytes: int = 2 * STRETCH_BYTES


class Publisher:
    """Publishes files, whoever's they are."""

    def __init__(self, database: Database, intake: Intake, instruments: UploadInstruments, pace: Pace) -> None:
        self._database = database
        self._intake = intake
        self._instruments = instruments
        self._pace = pace

    async def publish(self, job: Record[Any], reader: FileReader, worker: UUID) -> None:
        """Every row that is left. Raises `NotOurs`."""
        caller = Caller(job.sender, job.may_backdate)
        rate = min(self._pace.rows_per_second, job.rows_per_second_allowed or self._pace.rows_per_second)
        max_rows = max(1, min(MAX_STRETCH_ROWS, int(rate / STRETCHES_A_SECOND)))
        max_bytes = min(STRETCH_BYTES, self._pace.room_bytes // 2)
        due, began, measured = monotonic(), monotonic(), None
        while (stretch := await asyncio.to_thread(reader.next, max_rows, max_bytes)) is not None:
            await self._give_way()
            await self._take(job, caller, stretch, worker, measured)
            due = max(due, monotonic() - 1.0) + stretch.rows / rate
            await asyncio.sleep(max(due - monotonic(), 0.0))
            now = stretch.rows / max(monotonic() - began, 0.001)
            measured = now if measured is None else measured + SMOOTHING * (now - measured)
            began = monotonic()

    async def _give_way(self) -> None:
        for _ in range(LOOKS_FOR_ROOM):
            if not self._pace.busy():
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _take(
        self, job: Record[Any], caller: Caller, stretch: Stretch, worker: UUID, rows_per_second: float | None
    ) -> None:
        """Notes a stretch, publishes it, counts it. Raises `NotOurs`."""
        upload_id = job.upload_id
        ids = [row_event_id(body, caller.sender) for body in stretch.bodies]
        met = [(one, line) for one, line in zip(ids, stretch.lines, strict=True) if one is not None]
        known = await self._database.run(lambda tx: upload_rows.meet(tx, upload_id, met), deadline_seconds=30.0)
        failpoints.reach("upload-noted")
        problems = await self._send(job, caller, stretch)
        failpoints.reach("upload-published")
        counts: Counter[str] = Counter()
        faults = list(stretch.faults)
        for event_id, line, problem in zip(ids, stretch.lines, problems, strict=True):
            first_line, before = known.get(event_id or "", (line, False))
            if problem is not None:
                faults += _faults(line, problem)
                counts["rejected"] += 1
                counts["quarantined"] += "quarantine_id" in problem
            else:
                counts["duplicate" if before or first_line != line else "accepted"] += 1
        counts["rejected"] += len(stretch.faults)
        faults.sort(key=lambda fault: cast(int, fault["line"]))
        step = Step(
            from_byte=stretch.before.byte,
            position_byte=stretch.after.byte,
            position_line=stretch.after.line,
            rows_read=stretch.rows,
            accepted=counts["accepted"],
            duplicate=counts["duplicate"],
            rejected=counts["rejected"],
            quarantined=counts["quarantined"],
            rows_per_second=rows_per_second,
        )
        ours = await self._database.run(
            lambda tx: upload_rows.advance(tx, upload_id, worker, step, faults, max_faults=MAX_FAULTS),
            deadline_seconds=30.0,
        )
        if not ours:
            raise NotOurs
        failpoints.reach("upload-advanced")
        for outcome in ("accepted", "duplicate", "rejected"):
            self._instruments.rows.labels(outcome).inc(counts[outcome])

    async def _send(self, job: Record[Any], caller: Caller, stretch: Stretch) -> list[dict[str, Any] | None]:
        """What was wrong with each lead, None where it is on the log. What the log cannot take now is tried until it can."""
        problems: list[dict[str, Any] | None] = [None] * len(stretch.bodies)
        left = list(range(len(stretch.bodies)))
        pause, told = 0.25, False
        while left:
            bodies = [stretch.bodies[place] for place in left]
            try:
                with self._pace.room(min(stretch.bytes, self._pace.room_bytes)):
                    batch = await self._intake.take_many("lead", bodies, caller, None, job.created_at)
            except Retryable:
                await asyncio.sleep(pause)  # no room among the requests in flight
                continue
            left = _left(left, batch, problems)
            if left:
                if not told:
                    told = True
                    await self._note(job.upload_id, batch)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return problems

    async def _note(self, upload_id: UUID, batch: Batch) -> None:
        """Tells that the job waits, where that can be told."""
        detail = "The log does not take leads now." if batch.unavailable is None else str(batch.unavailable)
        log().warning("upload_waits", upload_id=str(upload_id))
        error = {"at": self._database.clock.now(), "detail": detail, "fix": "It goes on by itself."}
        try:
            await self._database.run(lambda tx: storage.note_error(tx, upload_id, error))
        except Retryable:
            return


def _left(places: Sequence[int], batch: Batch, problems: list[dict[str, Any] | None]) -> list[int]:
    """Those that were not taken for now; what is wrong with others is written down."""
    again = []
    for place, item in zip(places, batch.items, strict=True):
        status = cast(int, item["status"])
        if status in (503, 507):
            again.append(place)
        elif status != 202:
            problems[place] = cast(dict[str, Any], item["problem"])
    return again


def _faults(line: int, problem: dict[str, Any]) -> list[dict[str, object]]:
    """A refusal as reports have it, one entry a field."""
    errors = problem.get("errors")
    if isinstance(errors, list) and errors:
        return [
            {"line": line, **{name: str(one.get(name, "")) for name in ("field", "fault", "fix")}} for one in errors
        ]
    told = fault_of(line, str(problem.get("detail", "cannot be taken")))
    return [{**told, "field": str(problem.get("field") or told["field"]), "fix": str(problem.get("fix") or "")}]
