"""The intake API: admit, read, hand over, answer. The request is read here, not by the framework: that is a fifth of
what a lead costs, and it lets one answer name every fault."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from services.capture.api.admission import Claim, InFlight, Keys, RateLimit, header_text
from services.capture.api.bodies import is_ndjson, parse, parse_array, parse_lines, read_body
from services.capture.api.compressed import inflated, is_gzip
from services.capture.api.schema import operation
from services.capture.domain import Kind
from services.capture.handlers import Batch, Intake
from services.capture.instruments import CaptureInstruments
from services.capture.settings import CaptureSettings
from shared.kit.errors import Rejected, Retryable
from shared.kit.problems import problem_answer

MAX_IDEMPOTENCY_KEY = 255
Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class Door:
    """What every intake request passes: key, scopes, rate, room."""

    def __init__(
        self, *, settings: CaptureSettings, keys: Keys, intake: Intake, instruments: CaptureInstruments
    ) -> None:
        self.settings = settings
        self.intake = intake
        self.instruments = instruments
        self.keys = keys
        self.rates = RateLimit(settings.rate_per_second, settings.rate_burst_seconds)
        self.inflight = InFlight(settings.max_inflight_requests, settings.max_inflight_bytes, instruments)

    def endpoint(self, kind: Kind, *, many: bool) -> Endpoint:
        """The handler of one operation."""
        requests = self.instruments.requests
        label = f"{kind}s:batch" if many else f"{kind}s"
        accepted = requests.labels(label, "202")

        async def handle(request: Request) -> Response:
            limits: dict[str, str] = {}
            try:
                with self.inflight.one() as claim:
                    response = await self._answer(request, claim, kind, many, limits)
            except (Rejected, Retryable) as error:
                response = problem_answer(error)
            for name, value in limits.items():
                response.headers.setdefault(name, value)
            status = response.status_code
            (accepted if status == 202 else requests.labels(label, str(status))).inc()
            return response

        return handle

    async def _answer(self, request: Request, claim: Claim, kind: Kind, many: bool, limits: dict[str, str]) -> Response:
        settings = self.settings
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        key = self.keys.owner(headers)
        caller = self.keys.caller(key, headers)
        try:
            limits.update(self.rates.admit(key, monotonic()))
            lines = is_ndjson(headers, many=many)
            named = headers.get(b"idempotency-key")
            name = None if named is None else header_text("Idempotency-Key", named, MAX_IDEMPOTENCY_KEY)
            limit = settings.max_batch_bytes if many else settings.max_body_bytes
            body = await read_body(request, headers, claim, limit=limit, timeout_seconds=settings.body_timeout_seconds)
            if b"content-encoding" in headers and is_gzip(headers):
                body = await inflated(body, claim, limit=limit)
        except (Rejected, Retryable) as error:
            self.intake.turned_away(kind, caller, error)
            raise
        try:
            if not many:
                limits.update(self.rates.charge(key, 1))
                content = parse(body)
            elif lines:
                count, items = parse_lines(
                    body, max_items=settings.max_batch_items, max_line_bytes=settings.max_body_bytes
                )
            else:
                array = parse_array(body, max_items=settings.max_batch_items)
                count, items = len(array), iter(array)
        except Rejected as error:
            raise self.intake.unreadable(kind, body, caller, name, error) from None
        if not many:
            return _json(await self.intake.take(kind, content, caller, name), 202)
        limits.update(self.rates.charge(key, count))
        return _batch_answer(await self.intake.take_many(kind, items, caller, name))


def _batch_answer(batch: Batch) -> Response:
    """202 when all was taken, 207 when some was, else why none was: 503 or 507 when trying again can
    help, 422 when not."""
    total = len(batch.items)
    content = {"accepted": batch.accepted, "rejected": total - batch.accepted, "items": batch.items}
    if batch.accepted:
        return _json(content, 202 if batch.accepted == total else 207)
    if batch.unavailable is not None:
        response = _json(content, batch.unavailable.status)
        response.headers["Retry-After"] = problem_answer(batch.unavailable).headers["Retry-After"]
        return response
    return _json(content, 422)


def _json(content: object, status: int) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


class RawRoute(APIRoute):
    """A route whose endpoint reads the request itself: the framework documents it and does nothing else for it."""

    def get_route_handler(self) -> Endpoint:
        """The endpoint as it is."""
        return self.endpoint


OPERATIONS: tuple[tuple[str, Kind, bool, str], ...] = (
    ("/v1/leads", "lead", False, "Take in one lead"),
    ("/v1/leads:batch", "lead", True, "Take in many leads, with an answer for each"),
    ("/v1/interactions", "interaction", False, "Take in something a lead did"),
    ("/v1/interactions:batch", "interaction", True, "Take in many interactions, with an answer for each"),
)


def intake_router(door: Door) -> APIRouter:
    """The four operations."""
    router = APIRouter(tags=["intake"], route_class=RawRoute)
    for path, kind, many, summary in OPERATIONS:
        router.add_api_route(
            path,
            door.endpoint(kind, many=many),
            methods=["POST"],
            status_code=202,
            response_class=Response,
            response_model=None,
            summary=summary,
            operation_id=f"capture_{kind}{'_batch' if many else ''}",
            openapi_extra=operation(kind, many=many),
        )
    return router


class ShortWay:
    """Takes a POST of an operation straight to its endpoint. What the framework lays around every route, for features that
    intake has no use for, was a fifth of what one lead costs. Any other request goes the long way, and so gets the
    framework's answer: unknown paths and methods, paths under a prefix."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._endpoints = {path: door.endpoint(kind, many=many) for path, kind, many, _ in OPERATIONS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            endpoint = self._endpoints.get(scope["path"])
            if endpoint is not None:
                response = await endpoint(Request(scope, receive, send))
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
