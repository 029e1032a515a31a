"""What a sender is told that uses one id for two contents."""

from __future__ import annotations

import orjson

from services.capture.domain import differences
from shared.kit.errors import Rejected


def contradiction(before: bytes, now: bytes, event_id: str) -> Rejected | None:
    """The refusal of an event that says something else than the one taken under its id; None where it says the same."""
    if before == now or not (names := differences(orjson.loads(before), orjson.loads(now))):
        return None
    return Rejected(
        f"This id stands for another content already; what differs: {', '.join(names)}.",
        status=409,
        code="conflicting-record",
        field=names[0],
        fix="Send what changed under an id of its own (record_id or Idempotency-Key); what was taken before stays.",
        extra={"event_id": event_id, "differs": names},
    )
