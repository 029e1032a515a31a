"""An upload's body on its way to the disk: the bare file, or a form with the file and how it is to be read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request

from services.capture.api.bodies import feed_body
from services.capture.api.parts import FormReader
from services.capture.disks import PRIVATE_FILE
from services.capture.domain.channels import File
from services.capture.uploads.jobs import Received
from shared.kit.errors import Rejected

MAX_FIELDS_BYTES = 512 * 1024
"""What all fields beside the file may take together, and as much again for the heads of their parts."""

AT_ONCE_BYTES = 1 << 20


class UploadBody:
    """What has arrived. The file goes to the disk in a thread, a mebibyte at once, so that nobody else waits for the disk."""

    def __init__(self, file: BinaryIO, max_bytes: int, content_type: str, query: Mapping[str, str]) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._digest = sha256()
        self._waiting = bytearray()
        self._query = dict(query)
        self._form: FormReader | None = None
        if content_type.lower().startswith("multipart/form-data"):
            self._form = FormReader(content_type, max_field_bytes=MAX_FIELDS_BYTES, file_to=self._keep)
        self.size = 0

    @property
    def limit(self) -> int:
        """How long the whole body may be."""
        return self._max_bytes + (0 if self._form is None else 2 * MAX_FIELDS_BYTES)

    @property
    def digest(self) -> str:
        """The SHA-256 of the file."""
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        """The next piece of the body. Raises `Rejected`."""
        if self._form is None:
            self._keep(piece)
        else:
            self._form.write(piece)

    def _keep(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > self._max_bytes:
            raise Rejected(
                f"The file is over the limit of {self._max_bytes:,} bytes.",
                status=413,
                code="too-large",
                field="file",
                fix="Send it in parts, each with its line of column names, or packed with gzip.",
            )
        self._waiting += piece

    async def relieve(self) -> None:
        """Writes what waits, once that is worth it."""
        if len(self._waiting) >= AT_ONCE_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        waiting, self._waiting = self._waiting, bytearray()
        await asyncio.to_thread(self._store, waiting)

    def _store(self, content: bytearray) -> None:
        self._file.write(content)
        self._digest.update(content)

    async def end(self) -> tuple[str, dict[str, str]]:
        """There is no more: the file is safe on the disk. Answers with its name and the options beside it. Raises `Rejected`."""
        await self._flush()
        self._file.flush()
        await asyncio.to_thread(os.fsync, self._file.fileno())
        options = dict(self._query)
        filename = options.pop("filename", "")
        if self._form is not None:
            fields = self._form.fields()
            files = [value for name, value in fields if isinstance(value, File)]
            if len(files) != 1:
                raise Rejected(
                    "The form has no file, or more than one.",
                    code="invalid-fields",
                    field="file",
                    fix="Send exactly one, as the field `file` with a filename.",
                )
            filename = files[0].filename
            options |= {name: value for name, value in fields if isinstance(value, str)}
            filename = options.pop("filename", filename)
        if self.size == 0:
            raise Rejected(
                "There is no file, or it is empty.", code="invalid-fields", field="file", fix="Send one with rows."
            )
        return filename, options


async def receive(
    request: Request, headers: Mapping[bytes, bytes], folder: Path, *, max_bytes: int, timeout_seconds: float
) -> tuple[Received, dict[str, str]]:
    """The file of a request, on the disk as `file` in the folder, and the options that came with it. Raises `Rejected`: 400,
    408, 413, 422."""
    content_type = headers.get(b"content-type", b"").decode("latin-1")
    with _private(folder / "file") as file:
        body = UploadBody(file, max_bytes, content_type, request.query_params)
        await feed_body(
            request,
            headers,
            body.write,
            limit=body.limit,
            timeout_seconds=timeout_seconds,
            after_each=body.relieve,
        )
        filename, options = await body.end()
    return Received(folder, filename, body.size, body.digest), options


def _private(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb")
