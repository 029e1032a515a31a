"""The spool's directory: nobody else's to read, one process's at a time, and a note of how far it was emptied."""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from services.capture.disks import PRIVATE_DIRECTORY, PRIVATE_FILE
from shared.kit.errors import LeadflowError


class SpoolUnusable(LeadflowError):
    """The spool's directory cannot be used as it is; says why and what to do."""


class Place(NamedTuple):
    """A segment and an offset in it."""

    number: int
    offset: int


def claim(directory: Path) -> int:
    """Makes the directory this process's own, until the descriptor that is returned is closed or the process ends,
    however it ends. Raises `SpoolUnusable`."""
    try:
        directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        if directory.stat().st_mode & 0o777 != PRIVATE_DIRECTORY:
            directory.chmod(PRIVATE_DIRECTORY)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    except OSError as error:
        raise SpoolUnusable(
            f"The spool's directory {directory} cannot be used: {error.strerror}. It holds personal data, so it has to be a "
            "directory of this account alone; CAPTURE_SPOOL_DIR names it."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise SpoolUnusable(
            f"The spool's directory {directory} belongs to another process, {holder}. Each process of capture needs one of "
            "its own: end that one, or set CAPTURE_SPOOL_DIR."
        ) from None
    with suppress(OSError):  # on a full disk: it only tells people who holds the lock
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


class Progress:
    """The place up to which the log has everything. Where it was lost, a segment is sent again from its beginning."""

    _FORM = struct.Struct(">QQ")

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)

    def read(self) -> Place | None:
        """What was written last, or None where that cannot be read."""
        data = os.pread(self._descriptor, self._FORM.size + 4, 0)
        place, checksum = data[: self._FORM.size], data[self._FORM.size :]
        if len(data) < self._FORM.size + 4 or crc32(place) != int.from_bytes(checksum, "big"):
            return None
        return Place(*self._FORM.unpack(place))

    def write(self, place: Place) -> None:
        """Keeps a place. Raises `OSError`."""
        data = self._FORM.pack(*place)
        os.pwrite(self._descriptor, data + crc32(data).to_bytes(4, "big"), 0)
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)
