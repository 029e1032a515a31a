"""Typeform: one response a delivery, its answers beside the questions they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.capture.domain.channels.filling import our_name, text
from services.capture.domain.channels.records import add, answers, draft, keep_unread, parts, rest
from services.capture.domain.channels.terms import Delivery, Forged, Reading, Verified
from services.capture.domain.channels.verification import proven
from services.capture.domain.faults import Fault, describe
from services.capture.domain.terms import Refused
from shared.contracts.policy import Endpoint
from shared.contracts.standard_webhooks import base64_signature

PARTIAL = "partial"
_FIX = "Send what Typeform sends, as it is."
_EVENTS = ("form_response", "form_response_partial")
_READ = ("form_id", "landed_at", "variables", "calculated.score", "definition", "answers")
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
        return Refused((Fault("form_response", f"is missing in {describe(content)}", _FIX),))
    faults: list[Fault] = []
    definition = response.get("definition")
    asked = definition.get("fields") if isinstance(definition, Mapping) else None
    # What the form asked is no part of what somebody said: where it cannot be read, answers go by their reference.
    questions, _ = parts(asked, "definition.fields", _FIX, [])
    titles = {text(question.get("id")): text(question.get("title")) for question in questions}
    mapped = {
        path for source in endpoint.mapping.values() for path in ((source,) if isinstance(source, str) else source)
    }
    record: dict[str, object] = {
        "occurred_at": text(response.get("submitted_at")) or None,
        "attributes": _about(response, definition),
    }
    hidden = response.get("hidden")
    for name, value in hidden.items() if isinstance(hidden, Mapping) else ():
        add(record, name, value)
    given, unread = parts(response.get("answers"), "form_response.answers", _FIX, faults)
    for answer in given:
        if text(answer.get("type")) in answer:
            add(record, _name(answer, titles, mapped), _value(answer))
        else:
            unread.append(answer)
    if faults:
        return Refused(tuple(faults))
    read = (*_READ, "hidden") if isinstance(hidden, Mapping) else _READ
    record |= rest(response, "typeform", texts=("token", "submitted_at"), read=read)
    flags = keep_unread(record, "typeform", unread)
    event = text(content.get("event_type")) or "form_response"
    if event not in _EVENTS:
        record["typeform_event_type"] = event
    if event == "form_response_partial":
        key = text(content.get("event_id")) or None
        return [draft(record, endpoint, event=event, key=key, flags=[*flags, PARTIAL])]
    return [draft(record, endpoint, event=event, key=text(response.get("token")) or None, flags=flags)]


def _about(response: Mapping[str, object], definition: object) -> dict[str, object]:
    calculated = response.get("calculated")
    about = {
        "typeform_form_id": response.get("form_id"),
        "typeform_form": definition.get("title") if isinstance(definition, Mapping) else None,
        "typeform_score": calculated.get("score") if isinstance(calculated, Mapping) else None,
        "typeform_variables": response.get("variables"),
        "typeform_landed_at": response.get("landed_at"),
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
