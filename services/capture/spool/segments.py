"""The spool's files. Records are appended to the newest segment and taken from the oldest; a segment whose records the log
has is deleted. Every method waits for the disk, so all are called from one thread beside the event loop."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

from services.capture.disks import PRIVATE_FILE, sync_directory
from services.capture.spool.directory import Place, Progress, claim
from services.capture.spool.records import Record, encode, find
from shared.kit.failpoints import reach
from shared.kit.logs import log

SEGMENT_BYTES = 4 * 1024 * 1024
SUFFIX, ASIDE = ".spool", ".aside"


@dataclass(slots=True)
class Segment:
    """One file. Only its first `length` bytes are known to be on disk, and only they are read; the log has those before
    `done`."""

    number: int
    path: Path
    length: int = 0
    done: int = 0


class Chunk(NamedTuple):
    """Records to send, in order, and the place behind each."""

    records: list[Record]
    places: list[Place]


class Segments:
    """Everything that waits, oldest first."""

    def __init__(self, directory: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._segments: deque[Segment] = deque()
        self._last_number = 0
        self._lock: int | None = None
        self._progress: Progress | None = None
        self._newest: int | None = None
        self.size = 0
        """Bytes of all segments, also those of the oldest that the log has already."""

    def open(self, seen: Callable[[Record], None]) -> int:
        """Claims the directory and finds what an earlier process has left, calling `seen` with each record that waits.
        Returns how many bytes of a write that was cut short were cut off. Raises `SpoolUnusable` or `OSError`."""
        self._lock = claim(self._directory)
        self._progress = Progress(self._directory / "progress")
        done = self._progress.read() or Place(0, 0)
        self._last_number = done.number
        torn = 0
        paths = sorted(self._directory.glob(f"*{SUFFIX}"), key=_number)
        for path in paths:
            segment = Segment(_number(path), path)
            self._last_number = max(self._last_number, segment.number)
            if segment.number == done.number:
                segment.done = done.offset
            torn += self._recover(segment, seen, newest=path == paths[-1])
            if segment.length > segment.done:
                self._segments.append(segment)
                self.size += segment.length
            else:
                path.unlink()
        return torn

    def _recover(self, segment: Segment, seen: Callable[[Record], None], *, newest: bool) -> int:
        """Only the newest segment can end in a write that was cut short; anything else that cannot be read is damage."""
        data = segment.path.read_bytes()
        segment.length = len(data)
        begin = 0
        for record, end in find(data):
            if record is not None:
                if begin >= segment.done:
                    seen(record)
            elif newest and end == len(data):
                segment.length = begin
                os.truncate(segment.path, begin)
                log().warning("spool_tail_cut_off", path=segment.path.name, offset=begin, count=end - begin)
            else:
                self._damaged(segment, begin, end)
            begin = end
        return len(data) - segment.length

    def append(self, data: bytes) -> None:
        """Returns when the disk has these records. Raises `OSError`, and then none of them is there."""
        if self._newest is not None and self._segments[-1].length >= self._segment_bytes:
            self._finish_newest()
        if self._newest is None:
            self._begin_segment()
        assert self._newest is not None
        segment = self._segments[-1]
        try:
            _write(self._newest, data)
            reach("spool-before-fsync")
            os.fsync(self._newest)
        except OSError:
            # What the disk holds behind the last good byte is unknown from here on, so nothing is ever added to it.
            with suppress(OSError):
                os.ftruncate(self._newest, segment.length)
                os.fsync(self._newest)
            self._finish_newest()
            if not segment.length:
                self._segments.pop()
                with suppress(OSError):
                    segment.path.unlink()
            raise
        segment.length += len(data)
        self.size += len(data)
        reach("spool-after-fsync")

    def _begin_segment(self) -> None:
        self._last_number += 1
        path = self._directory / f"{self._last_number:016d}{SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, PRIVATE_FILE)
        try:
            sync_directory(self._directory)
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise
        self._newest = descriptor
        self._segments.append(Segment(self._last_number, path))

    def _finish_newest(self) -> None:
        if self._newest is not None:
            os.close(self._newest)
            self._newest = None

    def read(self, limit: int) -> Chunk | None:
        """The next records that the log does not have, at most so many; None when there are none. Raises `OSError`."""
        while self._segments:
            oldest = self._segments[0]
            chunk = self._next_of(oldest, limit)
            if chunk.records:
                return chunk
            self._remove_oldest()
        return None

    def _next_of(self, segment: Segment, limit: int) -> Chunk:
        with segment.path.open("rb") as file:
            file.seek(segment.done)
            data = file.read(segment.length - segment.done)
        chunk, begin = Chunk([], []), 0
        for record, end in find(data):
            if record is None:
                self._damaged(segment, segment.done + begin, segment.done + end)
            else:
                chunk.records.append(record)
                chunk.places.append(Place(segment.number, segment.done + end))
                if len(chunk.records) == limit:
                    break
            begin = end
        return chunk

    def advance(self, place: Place) -> None:
        """The log has everything before this place."""
        oldest = self._segments[0]
        assert oldest.number == place.number
        assert self._progress is not None
        oldest.done = place.offset
        try:
            self._progress.write(place)
        except OSError as error:  # should this process die now, more is sent again, and changes nothing
            log().warning("spool_progress_not_kept", error_type=type(error).__name__, reason=error.strerror)
        if oldest.done >= oldest.length:
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        removed = self._segments.popleft()
        if not self._segments:
            self._finish_newest()
        self.size -= removed.length
        removed.path.unlink(missing_ok=True)

    def set_aside(self, record: Record, day: date) -> None:
        """Keeps what the log refuses for good where a person finds it, a file a day. Raises `OSError`."""
        path = self._directory / f"refused-{day}{ASIDE}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        try:
            _write(descriptor, encode([record]))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        log().error("spool_record_refused", path=path.name)

    def _damaged(self, segment: Segment, begin: int, end: int) -> None:
        """Gives the file a second name, under which it stays once its readable records are sent."""
        with suppress(FileExistsError):
            os.link(segment.path, segment.path.with_suffix(ASIDE))
            log().error("spool_damaged", path=segment.path.name, first_offset=begin, end_offset=end)

    def aside(self) -> int:
        """How many files wait for a person."""
        return sum(1 for _ in self._directory.glob(f"*{ASIDE}"))

    def forget_aside(self, before: float) -> float | None:
        """Deletes files that wait for a person since before then, in Unix seconds; since when the youngest waits that is left.
        Raises `OSError`."""
        youngest: float | None = None
        for path in self._directory.glob(f"*{ASIDE}"):
            since = path.stat().st_ctime  # a name was added or taken away, or a record added
            if since < before:
                path.unlink()
                log().error("spool_aside_forgotten", path=path.name)
            else:
                youngest = max(youngest or since, since)
        return youngest

    def close(self) -> None:
        """Lets the directory go; what waits stays."""
        self._finish_newest()
        if self._progress is not None:
            self._progress.close()
            self._progress = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _number(path: Path) -> int:
    return int(path.stem)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
