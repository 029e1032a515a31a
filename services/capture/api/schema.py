"""What the API publishes about itself, made from the field tables so that it cannot say anything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.capture.domain.fields import CONSENT_TEXTS, INTERACTION_TEXTS, LEAD_TEXTS, VISIT_TEXTS, TextField
from shared.contracts.interactions import INTERACTION_KINDS
from shared.kit.published import PROBLEM_REFERENCE, problem_response

Schema = dict[str, Any]

_SPOOLED: Schema = {
    "type": "boolean",
    "description": "there, and true, where the log did not take it: it is safe on disk, and the log gets it later",
}

_TAKEN: Schema = {
    "type": "object",
    "required": ["event_id", "lead_id", "business_unit", "flags"],
    "properties": {
        "event_id": {"type": "string", "format": "uuid"},
        "lead_id": {"type": "string", "format": "uuid"},
        "business_unit": {"type": "string"},
        "flags": {"type": "array", "items": {"type": "string"}},
        "spooled": _SPOOLED,
    },
}

BATCH: Schema = {
    "type": "object",
    "required": ["accepted", "rejected", "items"],
    "properties": {
        "accepted": {"type": "integer"},
        "rejected": {"type": "integer"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "status"],
                "properties": {
                    "index": {"type": "integer"},
                    "status": {"type": "integer"},
                    "event_id": {"type": "string", "format": "uuid"},
                    "lead_id": {"type": "string", "format": "uuid"},
                    "flags": {"type": "array", "items": {"type": "string"}},
                    "spooled": _SPOOLED,
                    "problem": PROBLEM_REFERENCE,
                },
            },
        },
    },
}

_PROBLEMS = {
    400: "not JSON",
    401: "no API key, or an unknown one",
    403: "the key lacks a scope",
    408: "the body did not arrive in time",
    409: "this id (record_id, Idempotency-Key) stands for another content already; `differs` names the fields",
    413: "too large, or too many items",
    415: "another media type, or compressed in another way than gzip",
    422: "fields that need mending, all at once",
    429: "this key sends too much; see Retry-After",
    503: "the log does not answer, or too much is in flight; see Retry-After",
    507: "the log does not answer, and there is no room left to keep events until it does; see Retry-After",
}


def _texts(fields: Mapping[str, TextField]) -> dict[str, Schema]:
    return {
        name: {
            "type": ["string", "number", "null"],
            "maxLength": 2 * field.limit + 100,
            "description": f"{field.meaning} (at most {field.limit} characters)",
            "examples": [field.example],
        }
        for name, field in fields.items()
    }


def _body(fields: Mapping[str, TextField], *, lead: bool) -> Schema:
    properties: dict[str, Schema] = _texts(fields) | _texts(VISIT_TEXTS)
    properties["occurred_at"] = {
        "type": ["string", "null"],
        "description": "ISO 8601; the unit's local time where it has no offset; now if absent",
        "examples": ["2026-03-01T09:30:00+01:00"],
    }
    properties["historical"] = {
        "type": ["boolean", "string", "integer", "null"],
        "description": "imported history: no rule fires from it (needs the scope backdate)",
    }
    properties["test"] = {
        "type": ["boolean", "string", "integer", "null"],
        "description": "true for a try: it is kept and shown, and counts nowhere",
    }
    properties["attributes"] = {
        "type": ["object", "null"],
        "description": "anything else, kept as sent; unknown fields are put here and flagged",
        "additionalProperties": True,
    }
    if lead:
        permission = {
            "type": "object",
            "properties": {
                **_texts(CONSENT_TEXTS),
                "granted": {"type": ["boolean", "string", "integer", "null"]},
                "given_at": {"type": ["string", "null"]},
            },
        }
        properties["consent"] = {
            "description": "true, false, one permission or several",
            "anyOf": [
                {"type": ["boolean", "string", "integer", "null"]},
                permission,
                {"type": "array", "items": permission},
            ],
        }
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": True}
    if not lead:
        properties["duration_seconds"] = {
            "type": ["number", "string", "null"],
            "description": "how long it took, in seconds or as mm:ss",
            "examples": [312],
        }
        properties["kind"]["description"] += "; one of " + ", ".join(INTERACTION_KINDS) + ", or a word of your own"
        schema["required"] = ["kind"]
    return schema


LEAD_EXAMPLE: Schema = {
    "business_unit": "europe",
    "record_id": "form-77-1204",
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "phone": "+31 20 123 4567",
    "company": "Analytical Engines",
    "channel": "web_form",
    "source": "google",
    "campaign": "spring",
    "consent": {"purpose": "newsletter", "granted": True, "lawful_basis": "consent"},
    "attributes": {"employees": 250},
}
INTERACTION_EXAMPLE: Schema = {
    "business_unit": "europe",
    "record_id": "visit-9921",
    "kind": "demo_request",
    "email": "ada@example.com",
    "channel": "web_form",
    "value": "/pricing",
}


IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "your id of this request: sent twice, counted once (in a batch with what each item says)",
}


def operation(kind: str, *, many: bool) -> Schema:
    """The OpenAPI part of one operation: its body with an example, its headers, its answers."""
    lead = kind == "lead"
    body = _body(LEAD_TEXTS, lead=True) if lead else _body(INTERACTION_TEXTS, lead=False)
    example = LEAD_EXAMPLE if lead else INTERACTION_EXAMPLE
    content: Schema = {"application/json": {"schema": body, "example": example}}
    if many:
        content = {
            "application/json": {"schema": {"type": "array", "items": body, "minItems": 1}, "example": [example]},
            "application/x-ndjson": {"schema": {"type": "string", "description": "one object a line"}},
        }
    answer = BATCH if many else _TAKEN
    responses: Schema = {
        "202": {
            "description": "The log has it, or the spool on disk.",
            "content": {"application/json": {"schema": answer}},
        }
    }
    if many:
        responses["207"] = {
            "description": "Some were taken; each item says.",
            "content": {"application/json": {"schema": answer}},
        }
    for status, meaning in _PROBLEMS.items():
        response = problem_response(status, meaning)
        if many and status in (422, 503, 507):
            response["content"]["application/json"] = {"schema": answer}
        responses[str(status)] = response
    return {
        "requestBody": {"required": True, "content": content},
        "parameters": [
            IDEMPOTENCY_KEY,
            {
                "name": "Leadflow-Sender",
                "in": "header",
                "schema": {"type": "string", "minLength": 1, "maxLength": 100},
                "description": "the sender you act for (scope impersonate)",
            },
        ],
        "responses": responses,
        "security": [{"bearer": []}, {"apiKey": []}],
    }


SECURITY_SCHEMES: Schema = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A sender's API key."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
}
