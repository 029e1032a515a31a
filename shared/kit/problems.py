"""Every error over HTTP is a problem document (RFC 9457) that says what is wrong and what to do."""

from __future__ import annotations

import random
from math import ceil
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from shared.kit.errors import Rejected, Retryable
from shared.kit.logs import log
from shared.kit.transient import is_transient

_NO_TEXT_STATES = (None, "22021", "22P05")
"""How PostgreSQL or its driver, which then gives no state, refuses a value for its text alone."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


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


def _allowed(request: Request) -> list[str]:
    """The methods that this path has; the framework names those of one route only."""
    scope = dict(request.scope)
    found = [method for method in METHODS if _matches(request.app, {**scope, "method": method})]
    return sorted(found)


def _matches(app: FastAPI, scope: dict[str, Any]) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in app.router.routes)


def _no_text() -> Rejected:
    return Rejected(
        "A text of the request holds a character that no database keeps.",
        code="invalid",
        fix="Leave out the NUL character (U+0000) and halves of surrogate pairs.",
    )


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
                fix="Mend every field that `errors` names and send it again; /docs says what each one takes.",
                extra={"errors": faults},
            )
        )

    @app.exception_handler(DataError)
    async def _refused_by_database(_: Request, error: DataError) -> Response:
        if getattr(error.orig, "sqlstate", None) not in _NO_TEXT_STATES:
            raise error
        return problem_answer(_no_text())

    @app.exception_handler(UnicodeEncodeError)
    async def _no_utf8(_: Request, error: UnicodeEncodeError) -> Response:
        if error.encoding.lower() not in ("utf-8", "utf8"):
            raise error
        return problem_answer(_no_text())

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        fix: str | None = None
        detail = str(error.detail)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            allowed = _allowed(request)
            headers["Allow"] = ", ".join(allowed)
            detail, fix = f"{request.method} is not done here.", f"Send {' or '.join(allowed)}."
        if error.status_code == 404:
            path = request.url.path.encode("utf-8", "replace").decode()
            detail, fix = (
                f"There is no {request.method} {path} here.",
                "Look at /docs, which lists what there is.",
            )
        code = str(error.detail).lower().replace(" ", "-")
        if error.status_code == 400:
            # The framework could not read a body as JSON at all.
            detail, code, fix = (
                "The body is not JSON, or is nested too deep.",
                "not-json",
                "Send one JSON value in UTF-8.",
            )
        rejected = Rejected(detail, status=error.status_code, code=code, fix=fix)
        rejected.headers.update(headers)
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
