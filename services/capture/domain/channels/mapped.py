"""Any sender of JSON: one object a delivery or a list of them, read as the endpoint's mapping says."""

from __future__ import annotations

from collections.abc import Mapping

from services.capture.domain.channels.filling import filled, found, text
from services.capture.domain.channels.terms import Delivery, Draft, Reading
from services.capture.domain.faults import Fault, describe
from services.capture.domain.terms import Refused
from shared.contracts.policy import Endpoint

MAX_RECORDS = 1_000
UNKNOWN_EVENT = "unknown_event"


def read_json(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """A record, or each of a list."""
    content = delivery.content
    records = content if isinstance(content, list) else [content]
    if len(records) > MAX_RECORDS:
        fault = Fault("body", f"holds more than {MAX_RECORDS} records", "Send fewer at once.")
        return Refused((fault,))
    drafts = []
    for place, record in enumerate(records):
        if not isinstance(record, Mapping):
            where = f"body[{place}]" if isinstance(content, list) else "body"
            return Refused((Fault(where, f"is {describe(record)}, not an object", "Send one object a record."),))
        drafts.append(draft(record, endpoint, event=text(record.get("type")), key=None))
    return drafts


def read_standard_webhook(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """An envelope with `type`, `timestamp` and `data`, or a record as it is. What is delivered again has the same
    `webhook-id`."""
    content = delivery.content
    if not isinstance(content, Mapping):
        return Refused((Fault("body", f"is {describe(content)}, not an object", "Send {type, timestamp, data}."),))
    data = content.get("data")
    record = dict(data) if isinstance(data, Mapping) and "type" in content else dict(content)
    if record is not content and "occurred_at" not in record and isinstance(content.get("timestamp"), str):
        record["occurred_at"] = content["timestamp"]
    key = delivery.headers.get("webhook-id") or None
    return [draft(record, endpoint, event=text(content.get("type")), key=key)]


def draft(record: Mapping[str, object], endpoint: Endpoint, *, event: str, key: str | None) -> Draft:
    """One record. The endpoint's `events` say which are leads and which are interactions of some kind; where it names
    none, all are leads, but for those that name an interaction's kind themselves."""
    body = filled(record, endpoint)
    meant = endpoint.events.get(event)
    if meant is None and endpoint.events:
        return Draft("interaction", {**body, "kind": body.get("kind") or event or "unknown"}, key, (UNKNOWN_EVENT,))
    if meant is not None and meant != "lead":
        return Draft("interaction", {**body, "kind": meant}, key)
    if meant is None and isinstance(found(body, "kind"), str):
        return Draft("interaction", body, key)
    return Draft("lead", body, key)
