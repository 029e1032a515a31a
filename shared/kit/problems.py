"""Every error over HTTP is a problem document (RFC 9457) that says what is wrong and what to do."""

from __future__ import annotations

import random
from math import ceil
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.kit.errors import Rejected, Retryable
from shared.kit.logs import log
from shared.kit.transient import is_transient


class JSONAnswer(Response):
    """JSON by the fast serialiser."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The content as UTF-8 JSON."""
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)


class ProblemAnswer(JSONAnswer):
    """A problem document."""

    media_type = "application/problem+json"


def retry_after(seconds: float) -> int:
    """What to tell one of many who wait for the same: from so many seconds to three times as many, each as likely, so that
    they do not come back together."""
    shortest = max(1, ceil(seconds))
    return random.randint(shortest, 3 * shortest)


def problem_answer(error: Rejected | Retryable) -> Response:
    """The answer for an error raised on purpose."""
    if isinstance(error, Rejected):
        return ProblemAnswer(error.problem(), status_code=error.status, headers=error.headers or None)
    wait = retry_after(error.retry_after_seconds)
    document = {
        "type": f"urn:leadflow:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "fix": f"Send the same request again in {wait} s; it will not be counted twice when it carries its own id.",
    }
    return ProblemAnswer(document, status_code=error.status, headers={"Retry-After": str(wait)})


def install(app: FastAPI) -> None:
    """Makes the application answer every error as a problem document."""

    @app.exception_handler(Rejected)
    async def _rejected(_: Request, error: Rejected) -> Response:
        return problem_answer(error)

    @app.exception_handler(Retryable)
    async def _retryable(_: Request, error: Retryable) -> Response:
        return problem_answer(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        faults = [
            {"field": ".".join(str(step) for step in fault["loc"][1:]) or str(fault["loc"][0]), "fault": fault["msg"]}
            for fault in error.errors()
        ]
        return problem_answer(
            Rejected(
                "; ".join(f"{fault['field']}: {fault['fault']}" for fault in faults),
                code="invalid",
                field=faults[0]["field"] if faults else None,
                extra={"errors": faults},
            )
        )

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        detail = str(error.detail)
        if error.status_code == 404:
            detail = f"There is no {request.method} {request.url.path} here; /docs lists what there is."
        rejected = Rejected(detail, status=error.status_code, code=str(error.detail).lower().replace(" ", "-"))
        rejected.headers.update(error.headers or {})
        return problem_answer(rejected)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        if is_transient(error):
            return problem_answer(Retryable("Something this service depends on is away.", retry_after_seconds=2))
        log().error(
            "request_failed",
            method=request.method,
            path=request.scope.get("route_path", ""),
            error_type=type(error).__name__,
        )
        document = {
            "type": "urn:leadflow:problem:internal",
            "title": "A fault of this service",
            "status": 500,
            "detail": "The request was not carried out because of a fault in this service, not in the request.",
        }
        return ProblemAnswer(document, status_code=500)
