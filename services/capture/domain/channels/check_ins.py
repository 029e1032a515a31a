"""Event lists: who registered and who came. Each row is a lead and what they did about the event; a list that is sent
again, longer or with more who came, adds only that."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import cast

from services.capture.domain.channels.filling import filled, text
from services.capture.domain.channels.moments import sent_as
from services.capture.domain.channels.terms import Delivery, Draft, Reading
from services.capture.domain.faults import Fault, describe
from services.capture.domain.fields import LEAD_TEXTS
from services.capture.domain.terms import Refused
from shared.contracts.policy import Endpoint

MAX_ROWS = 1_000

_ROWS = ("attendees", "check_ins", "checkins", "participants", "registrations", "guests", "rows", "data")
_EVENT = ("event", "event_name", "webinar", "session")
_TICKET = ("ticket_id", "attendee_id", "registration_id", "badge_id", "barcode", "order_id", "id", "record_id")
_CAME_AT = ("checked_in_at", "check_in_at", "check_in_time", "checkin_time", "scanned_at", "arrived_at", "attended_at")
_CAME = ("checked_in", "attended", "status", "attendance", "present")
_REGISTERED_AT = ("registered_at", "registration_time", "signed_up_at", "created_at")
_YES = frozenset({"true", "yes", "y", "1", "checked in", "checked_in", "attended", "attending", "present", "came"})
_SAYS_WHO = ("email", "phone", "external_id", "name")
_LEAD_FIELDS = frozenset(LEAD_TEXTS) | {"consent"}
_LEAD_ONLY = frozenset({"name", "company", "job_title", "country", "language", "message", "consent"})


def read_check_ins(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """A list of rows, an object that has one beside what it says of the event, or a single row. `events` may call what
    happened something else, such as `event_check_in: webinar_attended`."""
    content = delivery.content
    event: Mapping[str, object] = {}
    rows: object = content
    if isinstance(content, Mapping):
        place = next((name for name in _ROWS if isinstance(content.get(name), list)), None)
        rows = [content] if place is None else content[place]
        event = {} if place is None else _event_of(content)
    if not isinstance(rows, list):
        fix = "Send a list of rows, or {event, attendees}."
        return Refused((Fault("body", f"is {describe(content)}, not a list of rows", fix),))
    if len(rows) > MAX_ROWS:
        fix = "Send it in parts, or as a file (docs/importing.md)."
        return Refused((Fault("body", f"holds more than {MAX_ROWS} rows", fix),))
    leads: list[Draft] = []
    happened: list[Draft] = []
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            return Refused((Fault(f"body[{number}]", f"is {describe(row)}, not an object", "Send one object a row."),))
        lead, did = _row(cast(Mapping[str, object], row), event, endpoint)
        leads.append(lead)
        happened.append(did)
    return [*leads, *happened]


def _event_of(content: Mapping[str, object]) -> dict[str, object]:
    """What the list says once of its event."""
    told = next((content[name] for name in _EVENT if content.get(name)), "")
    if isinstance(told, Mapping):
        return {"event_name": text(told.get("name") or told.get("title")), "event_id": text(told.get("id"))}
    return {"event_name": text(told), "event_id": text(content.get("event_id"))}


def _row(row: Mapping[str, object], event: Mapping[str, object], endpoint: Endpoint) -> tuple[Draft, Draft]:
    body = filled(row, endpoint)
    said = {**event, **{name: value for name in ("event_id",) if (value := text(body.pop(name, None)))}}
    own = _taken(body, _EVENT)
    name = text(own) or text(said.get("event_name"))
    ticket = _taken(body, _TICKET)
    came_at, registered_at = _taken(body, _CAME_AT), _taken(body, _REGISTERED_AT)
    told = _taken(body, _CAME)
    came = came_at is not None or text(told).lower() in _YES or (told is None and registered_at is None)
    key = _key(text(said.get("event_id")) or name, text(ticket), body)
    lead = {field: value for field, value in body.items() if field in _LEAD_FIELDS}
    first_at = registered_at if registered_at is not None else came_at
    if first_at is not None:
        lead["occurred_at"] = sent_as(first_at)
    if name:
        lead.setdefault("campaign", name)
    happened = {field: value for field, value in body.items() if field not in _LEAD_ONLY}
    kind = "event_check_in" if came else "event_registered"
    happened["kind"] = endpoint.events.get(kind, kind)
    if name:
        happened["value"] = name
        happened.setdefault("campaign", name)
    at = came_at if came else registered_at
    if at is not None:
        happened["occurred_at"] = sent_as(at)
    return (
        Draft("lead", lead, key),
        Draft("interaction", happened, key if came or key is None else f"{key}:registered"),
    )


def _taken(body: dict[str, object], names: tuple[str, ...]) -> object:
    for name in names:
        if body.get(name) not in (None, ""):
            return body.pop(name)
    return None


def _key(event: str, ticket: str, body: Mapping[str, object]) -> str | None:
    """The row's own id at this event, else one made from whoever it is about."""
    if ticket and len(event) + len(ticket) < 200:
        return f"{event}:{ticket}"
    who = ticket or next((f"{name}={text(body[name])}" for name in _SAYS_WHO if text(body.get(name))), None)
    if who is None:
        return None
    return hashlib.blake2b(f"{event}\x1f{who}".encode(errors="replace"), digest_size=16).hexdigest()
