"""Uploads over HTTP: a file goes to disk while it arrives, and its job is told of until it has ended. A key of the scope
`upload` sees its own sender's; the operator's token sees all."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, cast
from uuid import UUID

import orjson
from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from services.capture.answers import refusal
from services.capture.api import Door, RawRoute
from services.capture.api.bodies import refuse_compressed
from services.capture.api.upload_body import receive
from services.capture.api.uploads_schema import OPERATIONS, operation
from services.capture.domain import Refused
from services.capture.domain.keys import ApiKey
from services.capture.domain.uploads import OPTIONS, STATUSES, Options, read_options
from services.capture.uploads.files import no_room
from services.capture.uploads.jobs import Received, Sending, UploadJobs
from services.capture.uploads.preview import Preview
from shared.kit.auth import is_operator
from shared.kit.errors import Rejected, Retryable
from shared.kit.problems import problem_answer

PATH = "/v1/uploads"
PREVIEW_PATH = "/v1/uploads:preview"

MAX_RECEIVING = 4
"""Uploads that arrive at once: each is a stream to the disk."""

MAX_PAGE = 200

Handler = Callable[[Request], Awaitable[Response]]


class Asked(NamedTuple):
    """A request for a file that has arrived."""

    received: Received
    options: Options
    sending: Sending


class UploadDoor:
    """What every request about uploads passes: the key with its scope, then the sender's own jobs alone."""

    def __init__(self, door: Door, jobs: UploadJobs, preview: Preview, mappings: Mapping[str, str]) -> None:
        self._door = door
        self._jobs = jobs
        self._preview = preview
        self._mappings = mappings
        self._receiving = 0

    def endpoint(self, name: str) -> Callable[[Request], Any]:
        """The handler of one operation."""
        handle = cast(Handler, getattr(self, name))
        label = f"uploads:{name}"

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except (Rejected, Retryable) as error:
                response = problem_answer(error)
                if response.status_code in (401, 403):
                    # Long bodies are for those who may send them: nobody listens to the rest of this one.
                    response.headers["Connection"] = "close"
            self._door.instruments.requests.labels(label, str(response.status_code)).inc()
            return response

        return answer

    async def begin(self, request: Request) -> Response:
        """Takes a file in: 202 once it is on the disk and its job is known."""
        key = self._key(request)
        with self._arriving() as folder:
            asked = await self._asked(request, key, folder)
            await self._preview.check(folder, asked.options, asked.sending)
            job = await self._jobs.add(asked.sending, asked.options, asked.received)
        return _json(job, 202, {"Location": f"{PATH}/{job['upload_id']}"})

    async def preview(self, request: Request) -> Response:
        """What the first rows would become."""
        key = self._key(request)
        with self._arriving() as folder:
            asked = await self._asked(request, key, folder)
            shown = await self._preview.show(folder, asked.options, asked.sending)
        return _json({"filename": asked.received.filename, **shown})

    async def list(self, request: Request) -> Response:
        """The sender's jobs, or for an operator everybody's."""
        sender = self._sender(request, request.query_params.get("sender"))
        before, limit = request.query_params.get("before"), request.query_params.get("limit", "50")
        if not (limit.isascii() and limit.isdigit() and len(limit) < 5 and 1 <= int(limit) <= MAX_PAGE):
            raise Rejected(
                f"limit is no number from 1 to {MAX_PAGE}.", code="invalid-fields", field="limit", fix="Mend it."
            )
        status = request.query_params.get("status")
        if status is not None and status not in STATUSES:
            raise Rejected(
                "status is none there is.", code="invalid-fields", field="status", fix=f"Send {', '.join(STATUSES)}."
            )
        return _json(await self._jobs.list(sender, status=status, before=_place(before), limit=int(limit)))

    async def show(self, request: Request) -> Response:
        """One job and how far it has come."""
        return _json(await self._jobs.show(_id(request), self._sender(request)))

    async def cancel(self, request: Request) -> Response:
        """Ends a job."""
        return _json(await self._jobs.cancel(_id(request), self._sender(request)))

    async def resume(self, request: Request) -> Response:
        """Goes on with a job, by the rights of the key that says so."""
        sender = self._sender(request)
        key = None if is_operator(request) else self._key(request)
        rights = None if key is None else ("backdate" in key.scopes, key.rate_per_second)
        return _json(await self._jobs.resume(_id(request), sender, rights))

    async def report(self, request: Request) -> Response:
        """The refused rows by line, with what is wrong with each; not what they say."""
        upload_id = _id(request)
        await self._jobs.show(upload_id, self._sender(request))
        headers = {"Content-Disposition": f'attachment; filename="{upload_id}.csv"'}
        return StreamingResponse(self._lines(upload_id), media_type="text/csv; charset=utf-8", headers=headers)

    async def _lines(self, upload_id: UUID) -> AsyncIterator[bytes]:
        yield _csv("row", "field", "reason", "fix")
        async for fault in self._jobs.faults(upload_id):
            yield _csv(fault.line, fault.field, fault.fault, fault.fix)

    @contextmanager
    def _arriving(self) -> Iterator[Path]:
        """A place for a file to come in."""
        directory = self._jobs.directory()
        if self._receiving >= MAX_RECEIVING:
            raise Retryable("Too many files are arriving.", retry_after_seconds=5)
        self._receiving += 1
        try:
            with directory.incoming() as folder:
                yield folder
        finally:
            self._receiving -= 1

    async def _asked(self, request: Request, key: ApiKey, folder: Path) -> Asked:
        """Who sends which file, to be read how."""
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        sender = self._door.keys.sender(key, headers)
        refuse_compressed(headers)
        length = headers.get(b"content-length", b"0")
        announced = int(length) if length.isdigit() and len(length) < 16 else 0
        settings = self._door.settings
        if min(announced, settings.upload_max_bytes) >= self._jobs.directory().room:
            raise no_room()
        received, given = await receive(
            request,
            headers,
            folder,
            max_bytes=settings.upload_max_bytes,
            timeout_seconds=settings.upload_seconds,
        )
        options = read_options(given, self._mappings)
        if not isinstance(options, Options):
            raise refusal(Refused(options))
        return Asked(received, options, Sending(sender, "backdate" in key.scopes, key.rate_per_second))

    def _key(self, request: Request) -> ApiKey:
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        key = self._door.keys.owner(headers)
        self._door.keys.allow(key, "upload", "to upload files and to see them")
        return key

    def _sender(self, request: Request, asked: str | None = None) -> str | None:
        """Whose jobs may be seen; None for everybody's. Raises `Rejected`: 401, 403."""
        if is_operator(request):
            return asked
        return self._door.keys.sender(self._key(request), dict(request.scope["headers"]))


def _id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["upload_id"])
    except ValueError:
        raise Rejected(
            "This is no id of an upload.", status=404, code="not-found", field="upload_id", fix="Send a UUID."
        ) from None


_FIRST = UUID(int=0)


def _place(text: str | None) -> tuple[datetime, UUID] | None:
    """Where a page ended: a job's moment and its id; a moment alone is before all jobs of it."""
    if not text:
        return None
    moment, _, name = text.replace(" ", "+").partition("/")
    try:
        at, last = datetime.fromisoformat(moment), UUID(name) if name else _FIRST
    except ValueError:
        at, last = None, _FIRST
    if at is None or at.tzinfo is None:
        raise Rejected(
            "before is no time with an offset.",
            code="invalid-fields",
            field="before",
            fix="Send next_before as it was.",
        )
    return at, last


def _csv(*cells: object) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()


def _json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_UTC_Z)
    return Response(body, status, media_type="application/json", headers=dict(headers or {}))


def uploads_router(door: UploadDoor) -> APIRouter:
    """The operations."""
    router = APIRouter(tags=["uploads"], route_class=RawRoute)
    for name, method, path, summary in OPERATIONS:
        router.add_api_route(
            path,
            door.endpoint(name),
            methods=[method],
            status_code=202 if name == "begin" else 200,
            response_class=Response,
            response_model=None,
            summary=summary,
            operation_id=f"capture_upload_{name}",
            openapi_extra=operation(name, OPTIONS),
        )
    return router
