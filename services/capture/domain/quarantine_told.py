"""What is told of quarantine: that something came into it, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.contracts.envelope import Event
from shared.contracts.identity import derived_event_id
from shared.contracts.quarantine_events import NO_UNIT, Outcome, PayloadQuarantined, QuarantineSettled


class Untold(NamedTuple):
    """An entry that stands elsewhere than was told. `told_as` is the id it is told by; `begins` where that was not told at all."""

    told_as: UUID
    begins: bool
    received_at: datetime
    sender: str
    business_unit: str | None
    channel: str | None
    kind: str
    reason: str
    outcome: Outcome | None
    settled_at: datetime | None
    event_id: UUID | None


def told_of(entry: Untold, now: datetime) -> Iterator[Event]:
    """What is to be told of it. The same told again are the same events."""
    unit = entry.business_unit or NO_UNIT
    if entry.begins:
        yield PayloadQuarantined(
            event_id=entry.told_as,
            lead_id=entry.told_as,
            business_unit=unit,
            occurred_at=entry.received_at,
            recorded_at=now,
            correlation_id=entry.told_as,
            sender=entry.sender,
            kind=entry.kind,
            reason=entry.reason,
            channel=entry.channel,
        )
    if entry.outcome is not None:
        yield QuarantineSettled(
            event_id=derived_event_id(entry.told_as, f"QuarantineSettled:{entry.outcome}"),
            lead_id=entry.told_as,
            business_unit=unit,
            occurred_at=max(entry.settled_at or now, entry.received_at),
            recorded_at=now,
            correlation_id=entry.told_as,
            causation_id=entry.told_as,
            outcome=entry.outcome,
            became=entry.event_id if entry.outcome == "released" else None,
        )
