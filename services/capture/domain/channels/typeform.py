"""Typeform: one response a delivery, its answers beside the questions they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.capture.domain.channels.filling import our_name, text
from services.capture.domain.channels.records import add, answers, draft, objects
from services.capture.domain.channels.terms import Delivery, Forged, Reading, Verified
from services.capture.domain.channels.verification import proven
from services.capture.domain.faults import Fault, describe
from services.capture.domain.terms import Refused
from shared.contracts.policy import Endpoint
from shared.contracts.standard_webhooks import base64_signature

PARTIAL = "partial"
_MEANT = {"email": "email", "phone_number": "phone"}
"""What an answer of this type is, whatever was asked."""


def verify_typeform(delivery: Delivery, secrets: Sequence[str], endpoint: Endpoint, now: datetime) -> Verified | Forged:
    """`Typeform-Signature: sha256=…` in base64, over the raw body."""
    given = delivery.headers.get("typeform-signature", "")
    if not given:
        return Forged("it lacks Typeform-Signature; give the webhook a secret")
    return proven(secrets, [given], lambda secret: f"sha256={base64_signature(secret.encode(), delivery.body)}")


def read_typeform(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """The response. An answer is known by its question's reference, id or title, whichever the mapping names; else by what
    it plainly is."""
    content = delivery.content
    response = content.get("form_response") if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping) or not isinstance(response, Mapping):
        fix = "Send what Typeform sends, as it is."
        return Refused((Fault("form_response", f"is missing in {describe(content)}", fix),))
    definition = response.get("definition")
    asked = objects(definition.get("fields")) if isinstance(definition, Mapping) else None
    titles = {text(question.get("id")): text(question.get("title")) for question in asked or ()}
    mapped = {
        path for source in endpoint.mapping.values() for path in ((source,) if isinstance(source, str) else source)
    }
    record: dict[str, object] = {
        "occurred_at": text(response.get("submitted_at")) or None,
        "attributes": _about(response, definition),
    }
    hidden = response.get("hidden")
    record |= dict(hidden) if isinstance(hidden, Mapping) else {}
    for answer in objects(response.get("answers")) or ():
        name = _name(answer, titles, mapped)
        add(record, name, _value(answer))
    event = text(content.get("event_type")) or "form_response"
    if event == "form_response_partial":
        return [draft(record, endpoint, event=event, key=text(content.get("event_id")) or None, flags=[PARTIAL])]
    return [draft(record, endpoint, event=event, key=text(response.get("token")) or None)]


def _about(response: Mapping[str, object], definition: object) -> dict[str, object]:
    calculated = response.get("calculated")
    about = {
        "typeform_form_id": response.get("form_id"),
        "typeform_form": definition.get("title") if isinstance(definition, Mapping) else None,
        "typeform_score": calculated.get("score") if isinstance(calculated, Mapping) else None,
        "typeform_variables": response.get("variables"),
    }
    return {name: value for name, value in about.items() if value is not None}


def _name(answer: Mapping[str, object], titles: Mapping[str, str], mapped: set[str]) -> str:
    question = answer.get("field")
    field = question if isinstance(question, Mapping) else {}
    identifier, reference = text(field.get("id")), text(field.get("ref"))
    title = titles.get(identifier, "")
    known = next((name for name in (reference, identifier, title) if name in mapped), None)
    if known is not None:
        return known
    plain = next(
        (name for name in (reference, title) if our_name(name) != name or name == our_name(name) in _OURS), None
    )
    return plain or _MEANT.get(text(answer.get("type"))) or title or reference or identifier or "unnamed"


_OURS = frozenset({"name", "email", "phone", "company", "job_title", "message", "country", "product", "language"})


def _value(answer: Mapping[str, object]) -> object:
    """What was answered: the value stands under its type's name."""
    value = answer.get(text(answer.get("type")))
    if not isinstance(value, Mapping):
        return value
    labels = value.get("labels")
    chosen = [*labels] if isinstance(labels, list) else [value.get("label")]
    other = value.get("other")
    said = answers([*chosen, other])
    return said if said is not None else dict(value)
