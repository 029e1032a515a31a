"""What a service publishes about itself: every answer it gives is in its OpenAPI document, errors by their one schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastapi import FastAPI

Schema = dict[str, Any]
Finish = Callable[[Schema], None]

PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457. `errors` lists everything that is wrong at once; values are never repeated.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "`urn:leadflow:problem:` and its name, which stays what it is"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what is wrong"},
        "field": {"type": "string", "description": "where"},
        "fix": {"type": "string", "description": "what to do"},
        "event_id": {"type": "string", "format": "uuid"},
        "quarantine_id": {"type": "string", "format": "uuid", "description": "under which an operator finds it"},
        "differs": {"type": "array", "items": {"type": "string"}, "description": "names of fields"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "fault"],
                "properties": {name: {"type": "string"} for name in ("field", "fault", "fix")},
            },
        },
    },
}
PROBLEM_REFERENCE: Schema = {"$ref": "#/components/schemas/Problem"}

OPERATOR = "operator"
"""The security scheme of the deployment's API token."""

MEANINGS: Mapping[int, str] = {
    400: "the request cannot be read",
    401: "the credentials are missing, or nobody's",
    403: "the credentials do not allow this",
    404: "there is no such thing",
    405: "another method; `Allow` says which",
    409: "not as things stand now",
    413: "too large",
    422: "what needs mending, all at once",
    503: "something this depends on is away; see Retry-After",
}

_METHODS = frozenset({"get", "put", "post", "delete", "patch", "options", "head"})
_PROBES = frozenset({"/livez", "/startupz", "/readyz"})


def problem_response(status: int, meaning: str | None = None) -> Schema:
    """How an error is documented, with an example of it."""
    said = meaning or MEANINGS[status]
    example = {"type": "urn:leadflow:problem:…", "title": "…", "status": status, "detail": said, "fix": "…"}
    response: Schema = {
        "description": said,
        "content": {"application/problem+json": {"schema": PROBLEM_REFERENCE, "example": example}},
    }
    if status in (429, 503, 507):
        response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    if status == 405:
        response["headers"] = {"Allow": {"schema": {"type": "string"}}}
    return response


def problem_responses(meanings: Mapping[int, str]) -> dict[Any, Schema]:
    """The same for several, by status."""
    return {str(status): problem_response(status, meaning) for status, meaning in meanings.items()}


def publish(app: FastAPI, finish: Finish | None) -> None:
    """Completes the document when it is first asked for: errors that every operation may end in, by what it needs and
    takes; `finish` adds what only the service knows."""
    generate = app.openapi

    def openapi() -> Schema:
        if app.openapi_schema is None:
            document = generate()
            _complete(document)
            if finish is not None:
                finish(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: Schema) -> None:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in _METHODS:
                _document_errors(path, method, operation)


def _document_errors(path: str, method: str, operation: Schema) -> None:
    """What FastAPI documents as 422 is none of our answers. What an operation documents itself stays."""
    responses: Schema = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422", "")):
        del responses["422"]
    if path in ("/readyz", "/startupz"):
        responses.setdefault("503", {**responses["200"], "description": "not yet, or not now"})
    if path in _PROBES or not path.startswith("/v1/"):
        return
    for status in _statuses(path, method, operation):
        responses.setdefault(str(status), problem_response(status))


def _statuses(path: str, method: str, operation: Schema) -> Iterable[int]:
    if any(OPERATOR in one for one in operation.get("security", ())):
        yield 401
    else:
        return
    yield from (422, 503, 409)
    if "{" in path:
        yield 404
    if method != "get":
        yield from (400, 413)
