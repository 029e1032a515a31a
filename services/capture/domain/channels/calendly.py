"""Calendly: somebody booked a meeting, which makes them a lead that did something, or called it off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.capture.domain.channels.filling import text
from services.capture.domain.channels.records import add, draft, objects
from services.capture.domain.channels.terms import Delivery, Forged, Reading, Verified
from services.capture.domain.channels.verification import hex_signature, proven, stale
from services.capture.domain.faults import Fault, describe
from services.capture.domain.terms import Refused
from shared.contracts.policy import Endpoint

_INTERACTIONS = {
    "invitee.created": "meeting_booked",
    "invitee.canceled": "meeting_cancelled",
    "invitee_no_show.created": "meeting_missed",
    "invitee_no_show.deleted": "meeting",
}
_CREATES = frozenset({"invitee.created", "routing_form_submission.created"})
_KEPT = ("timezone", "status", "rescheduled", "scheduling_method")


def verify_calendly(delivery: Delivery, secrets: Sequence[str], endpoint: Endpoint, now: datetime) -> Verified | Forged:
    """`Calendly-Webhook-Signature: t=…,v1=…` over the time, a dot and the raw body."""
    parts = [part.strip().partition("=") for part in delivery.headers.get("calendly-webhook-signature", "").split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not signatures:
        return Forged("it lacks Calendly-Webhook-Signature with t and v1")
    late = stale(times[0], now, endpoint.replay_window_seconds)
    if late is not None:
        return late
    signed = times[0].encode() + b"." + delivery.body
    return proven(secrets, signatures, lambda secret: hex_signature(secret, signed))


def read_calendly(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """A booking is a lead and an interaction of that lead; a cancellation is an interaction."""
    content = delivery.content
    invitee = content.get("payload") if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping) or not isinstance(invitee, Mapping):
        return Refused((Fault("payload", f"is missing in {describe(content)}", "Send what Calendly sends, as it is."),))
    event = text(content.get("event"))
    nested = invitee.get("invitee")
    if "email" not in invitee and isinstance(nested, Mapping):
        invitee = {**nested, **{name: value for name, value in invitee.items() if name != "invitee"}}
    record = _record(invitee, text(content.get("created_at")))
    key = text(invitee.get("uri")) or None
    drafts = []
    if event in _CREATES:
        drafts.append(draft(record, endpoint, event=event, key=key))
    if event not in _CREATES or event in _INTERACTIONS:
        kind = _INTERACTIONS.get(event, event or "unknown")
        named = None if key is None else f"{event}:{key}"
        did = {name: value for name, value in record.items() if name in _OF_INTERACTIONS}
        did["value"] = _meeting(invitee)
        drafts.append(draft(did, endpoint, event=f"{event}:interaction", key=named, usually=kind))
    return drafts


_OF_INTERACTIONS = frozenset({"email", "phone", "occurred_at", "attributes"})


def _meeting(invitee: Mapping[str, object]) -> str | None:
    scheduled = invitee.get("scheduled_event")
    return text(scheduled.get("name")) or None if isinstance(scheduled, Mapping) else None


def _record(invitee: Mapping[str, object], at: str) -> dict[str, object]:
    scheduled = invitee.get("scheduled_event")
    tracking = invitee.get("tracking")
    cancellation = invitee.get("cancellation")
    kept: dict[str, object] = {f"calendly_{name}": invitee[name] for name in _KEPT if invitee.get(name) is not None}
    if isinstance(scheduled, Mapping):
        for name in ("name", "start_time", "end_time", "event_type", "uri"):
            if scheduled.get(name) is not None:
                kept[f"meeting_{name}"] = scheduled[name]
    if isinstance(cancellation, Mapping) and cancellation.get("canceler_type") is not None:
        kept["meeting_canceled_by"] = cancellation["canceler_type"]
    record: dict[str, object] = {
        "email": invitee.get("email"),
        "name": text(invitee.get("name")) or None,
        "phone": text(invitee.get("text_reminder_number")) or None,
        "occurred_at": at or text(invitee.get("created_at")) or None,
        "attributes": kept,
    }
    if record["name"] is None:
        record |= {"first_name": invitee.get("first_name"), "last_name": invitee.get("last_name")}
    if isinstance(tracking, Mapping):
        record |= {name: value for name, value in tracking.items() if value not in (None, "")}
    for asked in objects(invitee.get("questions_and_answers")) or ():
        question = text(asked.get("question"))
        if question and asked.get("answer") not in (None, ""):
            add(record, question, asked["answer"])
    return record
