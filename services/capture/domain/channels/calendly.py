"""Calendly: somebody booked a meeting, which makes them a lead that did something, or called it off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.capture.domain.channels.filling import joined, text
from services.capture.domain.channels.records import add, draft, keep_unread, parts, rest
from services.capture.domain.channels.terms import Delivery, Forged, Reading, Verified
from services.capture.domain.channels.verification import hex_signature, proven, stale
from services.capture.domain.faults import Fault, describe
from services.capture.domain.terms import Refused
from shared.contracts.policy import Endpoint

_FIX = "Send what Calendly sends, as it is."
_INTERACTIONS = {
    "invitee.created": "meeting_booked",
    "invitee.canceled": "meeting_cancelled",
    "invitee_no_show.created": "meeting_missed",
    "invitee_no_show.deleted": "meeting",
}
_CREATES = frozenset({"invitee.created", "routing_form_submission.created"})
_KEPT = (
    *("timezone", "status", "rescheduled", "scheduling_method", "payment", "reconfirmation"),
    *("old_invitee", "new_invitee", "routing_form_submission"),
)
_OF_MEETINGS = {
    **dict.fromkeys(("name", "start_time", "end_time", "event_type", "uri", "location")),
    "event_guests": "guests",
}
_TEXTS = ("name", "first_name", "last_name", "text_reminder_number", "created_at", "uri", "event")
_READ = (
    *(*_KEPT, "email", "questions_and_answers"),
    *(f"scheduled_event.{name}" for name in _OF_MEETINGS),
    *("cancellation.canceler_type", "cancellation.reason"),
    # Links that act for whoever has them, names of our own people, times of the sender's own books.
    *("cancel_url", "reschedule_url", "updated_at", "cancellation.canceled_by", "cancellation.created_at"),
    *(f"scheduled_event.{name}" for name in ("event_memberships", "created_at", "updated_at", "status")),
    *(f"scheduled_event.{name}" for name in ("invitees_counter", "calendar_event", "cancellation")),
)


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
        return Refused((Fault("payload", f"is missing in {describe(content)}", _FIX),))
    event = text(content.get("event"))
    nested = invitee.get("invitee")
    if "email" not in invitee and isinstance(nested, Mapping):
        invitee = {**nested, **{name: value for name, value in invitee.items() if name != "invitee"}}
    faults: list[Fault] = []
    record, unread = _record(invitee, text(content.get("created_at")), faults)
    if faults:
        return Refused(tuple(faults))
    read = (*_READ, "tracking") if isinstance(invitee.get("tracking"), Mapping) else _READ
    others = rest(invitee, "calendly", texts=_TEXTS, read=read)
    flags = keep_unread(others, "calendly", unread)
    key = text(invitee.get("uri")) or None
    drafts = []
    if event in _CREATES:
        drafts.append(draft(record | others, endpoint, event=event, key=key, flags=flags))
    if event not in _CREATES or event in _INTERACTIONS:
        kind = _INTERACTIONS.get(event, event or "unknown")
        named = None if key is None else f"{event}:{key}"
        did = {name: value for name, value in record.items() if name in _OF_INTERACTIONS}
        did["value"] = _meeting(invitee)
        if event not in _CREATES:
            did |= others
        flags = [] if event in _CREATES else flags
        drafts.append(draft(did, endpoint, event=f"{event}:interaction", key=named, flags=flags, usually=kind))
    return drafts


_OF_INTERACTIONS = frozenset({"email", "phone", "occurred_at", "attributes"})


def _meeting(invitee: Mapping[str, object]) -> str | None:
    scheduled = invitee.get("scheduled_event")
    return text(scheduled.get("name")) or None if isinstance(scheduled, Mapping) else None


def _record(invitee: Mapping[str, object], at: str, faults: list[Fault]) -> tuple[dict[str, object], list[object]]:
    scheduled = invitee.get("scheduled_event")
    tracking = invitee.get("tracking")
    cancellation = invitee.get("cancellation")
    kept: dict[str, object] = {f"calendly_{name}": invitee[name] for name in _KEPT if invitee.get(name) is not None}
    if isinstance(scheduled, Mapping):
        for name, ours in _OF_MEETINGS.items():
            if scheduled.get(name) not in (None, [], {}):
                kept[f"meeting_{ours or name}"] = scheduled[name]
    if isinstance(cancellation, Mapping):
        for name, ours in (("canceler_type", "meeting_canceled_by"), ("reason", "meeting_cancellation_reason")):
            if cancellation.get(name) not in (None, ""):
                kept[ours] = cancellation[name]
    record: dict[str, object] = {
        "email": invitee.get("email"),
        "name": text(invitee.get("name")) or None,
        "phone": text(invitee.get("text_reminder_number")) or None,
        "occurred_at": at or text(invitee.get("created_at")) or None,
        "attributes": kept,
    }
    if record["name"] != joined((invitee.get("first_name"), invitee.get("last_name"))):
        record |= {"first_name": invitee.get("first_name"), "last_name": invitee.get("last_name")}
    for name, value in tracking.items() if isinstance(tracking, Mapping) else ():
        if value not in (None, ""):
            add(record, name, value)
    given, unread = parts(invitee.get("questions_and_answers"), "payload.questions_and_answers", _FIX, faults)
    for asked in given:
        if not (question := text(asked.get("question"))):
            unread.append(asked)
        elif asked.get("answer") not in (None, ""):
            add(record, question, asked["answer"])
    return record, unread
