"""Google Ads lead forms: one lead a delivery, its answers in columns, proven by the key that was entered in Google Ads."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite

from services.capture.domain.channels.filling import text
from services.capture.domain.channels.records import add, draft, keep_unread, objects, rest, unix_moment
from services.capture.domain.channels.terms import Delivery, Forged, Reading, Verified
from services.capture.domain.faults import Fault, describe
from services.capture.domain.terms import Refused
from shared.contracts.policy import Endpoint

_TEXTS = frozenset({"lead_id", "gcl_id", "lead_submit_time", "is_test"})
_READ = frozenset({"user_column_data", "google_key"})
_PLAIN = _TEXTS | _READ


def verify_google(delivery: Delivery, secrets: Sequence[str], endpoint: Endpoint, now: datetime) -> Verified | Forged:
    """`google_key` in the body is one of the live keys. Google signs nothing: whoever knows the key is trusted. What is no JSON
    proves nothing, so that the key can be taken out of whatever is kept."""
    try:
        content = json.loads(delivery.body, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        content = None
    given = content.get("google_key") if isinstance(content, dict) else None
    if not isinstance(given, str):
        return Forged("it lacks google_key")
    proof: Verified | None = None
    for place, secret in enumerate(secrets):
        if hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode()) and proof is None:
            proof = Verified(place)
    return proof or Forged("google_key is another one")


def read_google(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """The lead. An answer is known by its column's id, and by what was asked where the id is a number Google made up."""
    content = delivery.content
    columns = objects(content.get("user_column_data")) if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping) or columns is None:
        fix = "Send what Google Ads sends: an object with lead_id and user_column_data."
        return Refused((Fault("user_column_data", f"is missing in {describe(content)}", fix),))
    identifier = text(content.get("lead_id"))
    record: dict[str, object] = {
        "external_id": identifier or None,
        "source": "google",
        "medium": "cpc",
        "campaign": text(content.get("campaign_id")) or None,
        "occurred_at": unix_moment(content.get("lead_submit_time")),
        "attributes": {f"google_{name}": value for name, value in content.items() if name not in _PLAIN},
        "gclid": text(content.get("gcl_id")) or None,
    }
    unread: list[object] = []
    for column in columns:
        name = text(column.get("column_id")) or text(column.get("column_name")) or "unnamed"
        if "string_value" in column or column.keys() <= {"column_id", "column_name"}:
            add(record, name, column.get("string_value"))
        else:
            unread.append(column)
    record |= rest({name: content[name] for name in _PLAIN & content.keys()}, "google", texts=_TEXTS, read=_READ)
    flags = keep_unread(record, "google", unread)
    is_test = content.get("is_test") is True
    return [draft(record, endpoint, event="lead", key=identifier or None, flags=flags, is_test=is_test)]


def _no_number(word: str) -> object:
    raise ValueError(f"{word} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number too large")
    return number
