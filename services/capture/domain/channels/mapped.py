"""Any sender of JSON: one object a delivery or a list of them, read as the endpoint's mapping says."""

from __future__ import annotations

from collections.abc import Mapping

from services.capture.domain.channels.filling import text
from services.capture.domain.channels.records import LEAD, add, draft, rest
from services.capture.domain.channels.terms import Delivery, Reading
from services.capture.domain.faults import Fault, describe
from services.capture.domain.terms import Refused
from shared.contracts.policy import Endpoint

MAX_RECORDS = 1_000


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
        drafts.append(draft(record, endpoint, event=text(record.get("type")), key=None, usually=_kind(record)))
    return drafts


def read_standard_webhook(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """An envelope with `type`, `timestamp` and `data`, or a record as it is. What is delivered again has the same
    `webhook-id`."""
    content = delivery.content
    if not isinstance(content, Mapping):
        return Refused((Fault("body", f"is {describe(content)}, not an object", "Send {type, timestamp, data}."),))
    record = dict(content)
    if "type" in content and "data" in content:
        data = content["data"]
        if not isinstance(data, Mapping):
            return Refused((Fault("data", f"is {describe(data)}, not an object", "Send {type, timestamp, data}."),))
        record = dict(data)
        known = ["type", "data"]
        if text(record.get("occurred_at")) == "" and isinstance(content.get("timestamp"), str):
            record["occurred_at"] = content["timestamp"]
            known.append("timestamp")
        for name, value in rest(content, "webhook", read=known).items():
            add(record, name, value)
        if text(content["type"]):
            record.setdefault("attributes.webhook_type", content["type"])
    key = delivery.headers.get("webhook-id") or None
    return [draft(record, endpoint, event=text(content.get("type")), key=key, usually=_kind(record))]


def _kind(record: Mapping[str, object]) -> str:
    """A lead, unless the record names an interaction's kind itself."""
    return text(record.get("kind")) or LEAD
