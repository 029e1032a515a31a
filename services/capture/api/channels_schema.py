"""What the API publishes about channels: a path for each address of the policy, with the methods that it answers."""

from __future__ import annotations

from services.capture.api.schema import BATCH, IDEMPOTENCY_KEY, SECURITY_SCHEMES, Schema
from services.capture.domain.channels import Address, Addresses
from shared.kit.published import problem_responses

_POST_PROBLEMS = {
    400: "the body, or a form, cannot be read",
    401: "not proven to be from the sender, or no API key",
    403: "the key lacks a scope, or a form stands on a site that is not listed",
    408: "the body did not arrive in time",
    409: "this id stands for another content already; `differs` names the fields",
    413: "too large, or too many fields",
    415: "another media type, or compressed",
    422: "it is from the sender and cannot be read, or nothing in it can be taken: what needs mending, all at once",
    429: "this sender sends too much; see Retry-After",
    503: "the log does not answer, or too much is in flight; see Retry-After",
    507: "the log does not answer, and there is no room left to keep events until it does; see Retry-After",
}
_OPTIONS_PROBLEMS = {403: "not a site this form stands on"}
_GET_PROBLEMS = {401: "not proven to be from the sender"}

_MEDIA_TYPES = {
    "json": ("application/json",),
    "form": ("application/x-www-form-urlencoded", "multipart/form-data"),
    "csv": ("text/csv", "text/tab-separated-values"),
    "bytes": ("message/rfc822",),
}
_EXAMPLES: dict[str, Schema] = {
    "json": {"name": "Ada Lovelace", "email": "ada@example.com", "type": "lead"},
    "form": {"name": "Ada Lovelace", "email": "ada@example.com", "message": "Please call me"},
}
_TEXTS = {
    "csv": "name,email,company\nAda Lovelace,ada@example.com,Analytical Engines\n",
    "bytes": "From: Ada Lovelace <ada@example.com>\nSubject: A question\nMessage-ID: <1@example.com>\n\nPlease call me\n",
}


_FORM_TAKEN: Schema = {
    "type": "object",
    "description": "to a script; a person gets a page",
    "required": ["accepted", "items"],
    "properties": {
        "accepted": {"type": "integer"},
        "items": {
            "type": "array",
            "items": {"type": "object", "required": ["event_id"], "properties": {"event_id": {"type": "string"}}},
        },
    },
}


def methods_of(address: Address) -> tuple[str, ...]:
    """What may be asked of an address."""
    handshake = ("GET",) if address.adapter.handshake is not None else ()
    return (*handshake, "POST", *(("OPTIONS",) if address.is_form else ()))


def add_channels(document: Schema, addresses: Addresses) -> None:
    """Adds every address with its operations, and how senders prove who they are."""
    document["components"].setdefault("securitySchemes", {}).update(SECURITY_SCHEMES)
    for address in addresses:
        operations = {method.lower(): _operation(method, address) for method in methods_of(address)}
        document["paths"][f"/v1/channels/{address.unit}/{address.name}"] = operations


def _operation(method: str, address: Address) -> Schema:
    what, answers = {"POST": _delivery, "GET": _handshake, "OPTIONS": _preflight}[method](address)
    return {
        "tags": ["channels"],
        "operationId": f"capture_{method.lower()}_{address.unit}_{address.name}",
        **what,
        "responses": answers,
    }


def _handshake(address: Address) -> tuple[Schema, Schema]:
    answered = {"description": "the sender's challenge, answered"}
    summary = f"Answer {address.adapter.title}, which asks whether this address is meant for it"
    return {"summary": summary}, {"200": answered, **problem_responses(_GET_PROBLEMS)}


def _preflight(address: Address) -> tuple[Schema, Schema]:
    summary = "Answer a browser that asks before a script posts a form"
    return {"summary": summary}, {"204": {"description": "a script may post"}, **problem_responses(_OPTIONS_PROBLEMS)}


def _delivery(address: Address) -> tuple[Schema, Schema]:
    problems: Schema = problem_responses(_POST_PROBLEMS)
    answers: Schema = {
        "200": {
            "description": "The log has what there was to take; each item says.",
            "content": {"application/json": {"schema": BATCH}},
        },
        **problems,
    }
    problems["422"]["content"]["application/json"] = {"schema": BATCH}
    if address.is_form:
        answers["200"]["content"] = {"application/json": {"schema": _FORM_TAKEN}}
        answers["303"] = {"description": "the page that follows the form"}
        for answer in (answers["200"], *problems.values()):
            answer["content"]["text/html"] = {"schema": {"type": "string", "description": "a page for people"}}
    what: Schema = {
        "summary": f"Take in what {address.adapter.title} delivers for {address.endpoint.channel}",
        "parameters": [IDEMPOTENCY_KEY],
        "security": [{}] if address.verification == "open" else [{}, {"bearer": []}, {"apiKey": []}],
        "requestBody": {
            "required": True,
            "content": {
                media_type: _body(content)
                for content in address.adapter.contents
                for media_type in _MEDIA_TYPES[content]
            },
        },
    }
    return what, answers


def _body(content: str) -> Schema:
    if content in _TEXTS:
        return {"schema": {"type": "string"}, "example": _TEXTS[content]}
    records: Schema = {"type": "object", "additionalProperties": True}
    return {"schema": records, "example": _EXAMPLES[content]}
