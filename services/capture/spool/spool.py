"""Events on local disk until the log takes them. Whoever appends waits for the disk, and all who wait share one fsync."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from mmap import mmap
from time import perf_counter
from typing import TypeVar
from zlib import crc32

from services.capture.instruments import SpoolInstruments
from services.capture.spool.directory import Place, SpoolUnusable
from services.capture.spool.records import Record, encode
from services.capture.spool.segments import SEGMENT_BYTES, Chunk, Segments
from shared.kit.clock import Clock
from shared.kit.errors import Retryable
from shared.kit.logs import log

SLOTS = 1 << 24
"""Leads are remembered by a hash of so many values, a byte each: what waits for whom costs the same for any number of
them. Two leads of one hash wait for each other, which costs time and no order."""

STUCK = 255
"""A count that stays until nothing waits any more."""

T = TypeVar("T")


class SpoolFull(Retryable):
    """There is no room for more."""

    status = 507
    code = "spool-full"
    title = "No room to keep this until the log is back"


@dataclass(slots=True)
class _Waiting:
    """What one caller appends; `done` becomes the error that it ended in, or None."""

    data: bytes
    keys: list[bytes]
    done: asyncio.Future[Retryable | None]


class Spool:
    """One directory of waiting events. Counts include what is on its way to the disk."""

    def __init__(
        self,
        segments: Segments,
        *,
        max_bytes: int,
        deadline_seconds: float,
        clock: Clock,
        instruments: SpoolInstruments,
    ) -> None:
        self._segments = segments
        self._max_bytes = max_bytes
        self._deadline_seconds = deadline_seconds
        self._clock = clock
        self._instruments = instruments
        self._disk = ThreadPoolExecutor(1, "capture-spool")
        self._slots = mmap(-1, SLOTS)
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._writer: asyncio.Task[None] | None = None
        self._kept = asyncio.Event()
        self._oldest_ms: int | None = None
        self.records = 0
        self.refuses = False
        """Whether the last event was not taken, and nothing has left since."""
        instruments.records.set_function(lambda: self.records)
        instruments.size.set_function(lambda: segments.size)
        instruments.oldest_age.set_function(self._oldest_age_seconds)
        instruments.aside.set_function(segments.aside)
        instruments.limit.set(max_bytes)

    def holds(self, key: bytes) -> bool:
        """Whether events of this key may be waiting. Never False while some are."""
        return self._slots[_slot(key)] > 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Takes over what was left, and leaves to the next process what is still waiting at the end.
        Raises `SpoolUnusable`."""
        try:
            torn = await self._on_disk(self._segments.open, self._seen)
        except OSError as error:
            await self._on_disk(self._segments.close)
            raise SpoolUnusable(f"The spool's files cannot be read: {error.strerror}.") from None
        self._instruments.torn_bytes.inc(torn)
        if self.records:
            log().warning("spool_taken_over", records=self.records)
        try:
            yield
        finally:
            with suppress(TimeoutError):  # a disk that stands still keeps nobody from leaving
                async with asyncio.timeout(self._deadline_seconds):
                    if self._writer is not None:
                        await self._writer
                    await self._on_disk(self._segments.close)
            self._disk.shutdown(wait=False)

    def _seen(self, record: Record) -> None:
        self._enter((record.key,))
        if self._oldest_ms is None:
            self._oldest_ms = record.kept_at_ms

    async def append(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Keys and values, in order. Returns when they are safe on disk; together they are kept, or none is acknowledged.
        Raises `SpoolFull`, or `Retryable` where the disk fails or takes too long."""
        now_ms = int(self._clock.now().timestamp() * 1000)
        data = encode(Record(topic, key, value, now_ms) for key, value in messages)
        if self._segments.size + self._queued_bytes + len(data) > self._max_bytes:
            self._instruments.refused.labels("full").inc(len(messages))
            self.refuses = True
            raise SpoolFull("The spool, where events wait for the log, is full.", retry_after_seconds=30)
        waiting = _Waiting(data, [key for key, _ in messages], asyncio.get_running_loop().create_future())
        self._enter(waiting.keys)
        self._queue.append(waiting)
        self._queued_bytes += len(data)
        if self._oldest_ms is None:
            self._oldest_ms = now_ms
        if self._writer is None:
            self._writer = asyncio.create_task(self._write(), name="spool-writer")
        try:
            async with asyncio.timeout(self._deadline_seconds):
                error = await asyncio.shield(waiting.done)
        except TimeoutError:
            error = Retryable("The spool's disk did not answer in time.", retry_after_seconds=5)
            self._instruments.refused.labels("slow").inc(len(messages))
        if error is not None:
            raise error

    async def _write(self) -> None:
        """Writes until nobody waits, as many as there are at once."""
        while self._queue:
            group: list[_Waiting] = []
            size = 0
            while self._queue and size < SEGMENT_BYTES:
                group.append(self._queue.popleft())
                size += len(group[-1].data)
            started = perf_counter()
            count = sum(len(one.keys) for one in group)
            error: Retryable | None = None
            try:
                await self._on_disk(self._segments.append, b"".join(one.data for one in group))
            except OSError as failed:
                error = self._refusal(failed, count)
                self.refuses = True
            else:
                self.refuses = False
                self._instruments.spooled.inc(count)
                self._kept.set()
            self._instruments.fsync_seconds.observe(perf_counter() - started)
            self._queued_bytes -= size
            for one in group:
                if error is not None:
                    self._leave(one.keys)
                if not one.done.done():
                    one.done.set_result(error)
        self._writer = None

    def _refusal(self, failed: OSError, count: int) -> Retryable:
        log().error("spool_write_failed", error_type=type(failed).__name__, reason=failed.strerror, records=count)
        if failed.errno in (errno.ENOSPC, errno.EDQUOT):
            self._instruments.refused.labels("disk_full").inc(count)
            return SpoolFull("The disk of the spool, where events wait for the log, is full.", retry_after_seconds=30)
        self._instruments.refused.labels("disk_error").inc(count)
        return Retryable("The disk of the spool, where events wait for the log, fails.", retry_after_seconds=10)

    async def next(self, limit: int) -> Chunk:
        """The oldest that wait, at most so many; waits until there are some. Raises `OSError`."""
        while True:
            self._kept.clear()
            chunk = await self._on_disk(self._segments.read, limit)
            if chunk is not None:
                self._oldest_ms = chunk.records[0].kept_at_ms
                return chunk
            if self._writer is None and not self._kept.is_set():
                self._forget()
            await self._kept.wait()

    async def advance(self, records: Sequence[Record], place: Place) -> None:
        """The log has these records, the oldest there were, up to this place."""
        await self._on_disk(self._segments.advance, place)
        self.refuses = False
        self._instruments.drained.inc(len(records))
        self._leave([record.key for record in records])

    async def set_aside(self, record: Record) -> None:
        """Keeps a record that the log refuses for good, for a person to look at. Raises `OSError`."""
        await self._on_disk(self._segments.set_aside, record, self._clock.now().date())

    @property
    def aside(self) -> int:
        """How many files wait for a person."""
        return self._segments.aside()

    async def forget_aside(self, keep: timedelta) -> float | None:
        """Deletes what has waited for a person for so long; since when the youngest waits that is left, in Unix seconds.
        Raises `OSError`."""
        return await self._on_disk(self._segments.forget_aside, (self._clock.now() - keep).timestamp())

    def _enter(self, keys: Sequence[bytes]) -> None:
        self.records += len(keys)
        for key in keys:
            slot = _slot(key)
            if self._slots[slot] < STUCK:
                self._slots[slot] += 1

    def _leave(self, keys: Sequence[bytes]) -> None:
        self.records -= len(keys)
        if self.records <= 0:
            self._forget()
            return
        for key in keys:
            slot = _slot(key)
            if 0 < self._slots[slot] < STUCK:
                self._slots[slot] -= 1

    def _forget(self) -> None:
        """Nothing waits. What could not be read, and so was never sent, is counted no more either."""
        if self.records or self._oldest_ms is not None:
            self.records = 0
            self._oldest_ms = None
            self._slots.close()
            self._slots = mmap(-1, SLOTS)

    def _oldest_age_seconds(self) -> float:
        if self._oldest_ms is None:
            return 0.0
        return max(0.0, self._clock.now().timestamp() - self._oldest_ms / 1000)

    async def _on_disk(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work, *arguments)


def _slot(key: bytes) -> int:
    return crc32(key) & (SLOTS - 1)
