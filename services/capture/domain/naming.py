"""What an event is called that its sender has named."""

from __future__ import annotations

from services.capture.domain.terms import Kind
from shared.contracts.identity import event_id_text


def named_event(business_unit: str, sender: str, kind: Kind, key: str) -> str:
    """The event's id. A sender numbers its leads and its interactions apart, and its units apart, so one key may mean
    several."""
    return event_id_text(f"{business_unit}\x1f{sender}", f"{kind}\x1f{key}")
