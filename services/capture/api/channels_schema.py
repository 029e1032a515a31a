"""What the API publishes about channels, made from the policy's endpoints and the adapters."""

from __future__ import annotations

from services.capture.api.schema import BATCH, IDEMPOTENCY_KEY, PROBLEM, Schema
from services.capture.domain.channels import Addresses

_POST_PROBLEMS = {
    400: "the body cannot be read",
    401: "not proven to be from the sender, or no API key",
    403: "the key lacks a scope",
    404: "no such endpoint",
    408: "the body did not arrive in time",
    413: "too large, or too many fields",
    415: "another media type, or compressed",
    422: "fields that need mending, all at once",
    429: "this sender sends too much; see Retry-After",
    503: "the log does not answer, or too much is in flight; see Retry-After",
}
_OPTIONS_PROBLEMS = {403: "not a site this form stands on", 404: "no such endpoint", 405: "no form"}
_GET_PROBLEMS = {401: "not proven to be from the sender", 404: "no such endpoint", 405: "this sender asks for nothing"}


def _parameters(addresses: Addresses) -> list[Schema]:
    units = sorted({address.unit for address in addresses}) or ["default"]
    names = sorted({address.name for address in addresses}) or ["contact"]
    return [
        {"name": "unit", "in": "path", "required": True, "schema": {"type": "string", "enum": units}},
        {"name": "endpoint", "in": "path", "required": True, "schema": {"type": "string", "enum": names}},
    ]


def _problems(meanings: dict[int, str]) -> Schema:
    return {
        str(status): {"description": meaning, "content": {"application/problem+json": {"schema": PROBLEM}}}
        for status, meaning in meanings.items()
    }


def operation(method: str, addresses: Addresses) -> Schema:
    """The OpenAPI part of one operation."""
    if method == "OPTIONS":
        return {
            "parameters": _parameters(addresses),
            "responses": {"204": {"description": "a script may post"}, **_problems(_OPTIONS_PROBLEMS)},
        }
    if method == "GET":
        return {
            "parameters": _parameters(addresses),
            "responses": {"200": {"description": "the sender's challenge, answered"}, **_problems(_GET_PROBLEMS)},
        }
    fields: Schema = {"type": "object", "additionalProperties": True}
    problems = _problems(_POST_PROBLEMS)
    problems["422"]["content"]["application/json"] = {"schema": BATCH}
    for problem in problems.values():
        problem["content"]["text/html"] = {"schema": {"type": "string", "description": "a form: a page for people"}}
    return {
        "parameters": [*_parameters(addresses), IDEMPOTENCY_KEY],
        "security": [{}, {"bearer": []}, {"apiKey": []}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": fields},
                "application/x-www-form-urlencoded": {"schema": fields},
                "multipart/form-data": {"schema": fields},
                "text/csv": {"schema": {"type": "string", "description": "an event's list, with its columns' names"}},
                "message/rfc822": {"schema": {"type": "string", "description": "an e-mail message as it arrived"}},
            },
        },
        "responses": {
            "200": {
                "description": "The log has what there was to take; each item says.",
                "content": {"application/json": {"schema": BATCH}, "text/html": {"schema": {"type": "string"}}},
            },
            "303": {"description": "A form: the page that follows it."},
            **problems,
        },
    }
