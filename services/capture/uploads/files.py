"""The directory of uploads: one folder an upload, readable by this account alone.

`incoming/` has what is on its way in, `files/` a folder for each job: `file` as it came, then `rows`, made ready to be read,
with `found.json` beside it. `home` names the disk, so that a job knows where its file is.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO
from uuid import UUID, uuid4

from services.capture.disks import PRIVATE_DIRECTORY, PRIVATE_FILE, sync_directory
from shared.kit.errors import LeadflowError, Rejected
from shared.tabular.apart import Found

LEAST_FREE_BYTES = 256 * 1024 * 1024
"""What uploads leave free on the disk for everything else."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class UnusableUploadDirectory(LeadflowError):
    """The directory cannot be written. Names the variable."""


def no_room() -> Rejected:
    """There is no place for a file now."""
    return Rejected(
        "There is no room for this file.",
        status=507,
        code="no-room",
        title="No room",
        fix="Wait until other uploads are done, or give CAPTURE_UPLOAD_DIR a larger disk.",
    )


class UploadDirectory:
    """`CAPTURE_UPLOAD_DIR`, which several processes may share."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._incoming, self._files = path / "incoming", path / "files"
        self._lock: IO[str] | None = None
        try:
            for folder in (path, self._incoming, self._files):
                folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIRECTORY)
            self.home = self._named()
        except OSError as error:
            raise UnusableUploadDirectory(
                f"{path} cannot be written ({error.strerror}); give it to this account, or set CAPTURE_UPLOAD_DIR."
            ) from None

    def _named(self) -> str:
        """The name of this disk, made by whoever was first; linked there whole."""
        name = self.path / "home"
        made = self.path / f"home.{uuid4().hex}"
        made.write_text(uuid4().hex)
        try:
            with suppress(FileExistsError):
                os.link(made, name)
        finally:
            made.unlink()
        return name.read_text().strip()

    def lock(self) -> bool:
        """Whether no other living process holds this directory; then this one does, until it ends, however it ends."""
        if self._lock is None:
            handle = (self.path / "lock").open("w")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                handle.close()
                return False
            self._lock = handle
        return True

    def unlock(self) -> None:
        """Another process may hold it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def room(self) -> int:
        """How many more bytes may be written."""
        return max(0, shutil.disk_usage(self.path).free - LEAST_FREE_BYTES)

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """A folder for one request, gone at its end unless it was kept. A disk that runs full is told as 507."""
        folder = self._incoming / uuid4().hex
        try:
            folder.mkdir(mode=PRIVATE_DIRECTORY)
            yield folder
        except OSError as error:
            if error.errno in _FULL:
                raise no_room() from None
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, folder: Path, upload_id: UUID) -> None:
        """Makes what came in the files of a job; those that are there already, of the same content, stay."""
        kept = self._of(upload_id)
        try:
            folder.rename(kept)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            os.utime(kept)  # it is young again, for whoever looks for what was left behind
        sync_directory(self._files)

    def _of(self, upload_id: UUID) -> Path:
        return self._files / str(upload_id)

    def raw(self, upload_id: UUID) -> Path:
        """The file as it came."""
        return self._of(upload_id) / "file"

    def ready(self, upload_id: UUID) -> tuple[Path, Found] | None:
        """The file made ready, and what it was found to be; None as long as it is not."""
        with suppress(OSError, ValueError, TypeError):
            told = json.loads((self._of(upload_id) / "found.json").read_text())
            rows = self._of(upload_id) / "rows"
            if rows.exists():
                return rows, Found(told["form"], told["encoding"], tuple(told["columns"]), told["rows"])
        return None

    def target(self, upload_id: UUID) -> Path:
        """Where the file is made ready; what an earlier life began there is deleted."""
        folder = self._of(upload_id)
        for begun in folder.glob("making.*"):
            begun.unlink(missing_ok=True)
        return folder / f"making.{uuid4().hex}"

    def made(self, upload_id: UUID, target: Path, found: Found) -> Path:
        """The file is ready. As it came it is deleted: one copy is enough."""
        folder = self._of(upload_id)
        (folder / "found.json").write_text(json.dumps(asdict(found)))
        rows = target.rename(folder / "rows")
        rows.chmod(PRIVATE_FILE)
        sync_directory(folder)
        self.raw(upload_id).unlink(missing_ok=True)
        return rows

    def delete(self, upload_id: UUID) -> None:
        """Deletes an upload's files."""
        shutil.rmtree(self._of(upload_id), ignore_errors=True)

    def forget_incoming(self, older_than: float) -> None:
        """Deletes what a life before left of requests that it did not end."""
        for folder in self._incoming.iterdir():
            with suppress(OSError):
                if folder.stat().st_mtime < older_than:
                    shutil.rmtree(folder, ignore_errors=True)

    def left_behind(self, older_than: float) -> list[UUID]:
        """Uploads that there are files of, all older than that time."""
        found = []
        for folder in self._files.iterdir():
            with suppress(ValueError, OSError):
                if folder.stat().st_mtime < older_than:
                    found.append(UUID(folder.name))
        return found
