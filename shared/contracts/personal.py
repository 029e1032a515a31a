"""A captured event without who it is about: what may stay of its bytes where the person was erased, or its time is over."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from shared.contracts.topics import CAPTURE_LEADS

_KEPT = (
    "event", "event_id", "lead_id", "business_unit", "occurred_at", "recorded_at", "correlation_id", "causation_id",
    "schema_version", "historical", "sender", "channel", "source", "medium", "campaign", "product", "mark", "kind",
    "direction", "outcome", "duration_seconds", "retracts",
)  # fmt: skip
"""What says what happened and not who did it. Everything else goes, also what no version of an event has."""

_LISTS = ("flags", "mark_reasons")
_OF_CONSENTS = ("purpose", "granted", "lawful_basis", "text_version", "given_at")
_TOKEN = re.compile(r"[0-9a-f]{32}")
LONGEST = 200
"""Characters of a label; what is longer is prose, and may say who wrote it."""


def without_person(value: bytes) -> bytes | None:
    """The event of these bytes with nothing that tells who it is about, still an event if it was one. None for bytes that
    nobody can read, of which nothing can be kept."""
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    kept: dict[str, Any] = {name: document[name] for name in _KEPT if _is_label(document.get(name))}
    for name in _LISTS:
        if isinstance(document.get(name), list):
            kept[name] = [one for one in document[name] if isinstance(one, str) and _is_label(one)]
    if isinstance(document.get("identities"), list):
        kept["identities"] = [
            {"kind": one["kind"], "token": one["token"]} for one in document["identities"] if _is_identity(one)
        ]
    if isinstance(document.get("consents"), list):
        consents = (one for one in document["consents"] if isinstance(one, dict))
        kept["consents"] = [{name: one[name] for name in _OF_CONSENTS if _is_label(one.get(name))} for one in consents]
    return json.dumps(kept, separators=(",", ":")).encode()


REDACTED: Mapping[str, Callable[[bytes], bytes | None]] = {CAPTURE_LEADS.name: without_person}
"""By topic, what may be kept of a record that names a person. The records of other topics name nobody."""


def _is_label(value: object) -> bool:
    return isinstance(value, bool | int | float) or (
        isinstance(value, str) and len(value) <= LONGEST and "@" not in value
    )


def _is_identity(one: object) -> bool:
    return (
        isinstance(one, dict)
        and one.get("kind") in ("email", "phone", "external", "visitor")
        and isinstance(one.get("token"), str)
        and _TOKEN.fullmatch(one["token"]) is not None
    )
