"""How leads end, as pipeline tells it: what there is to learn from."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from shared.contracts.envelope import Event
from shared.contracts.lifecycle_events import (
    ContactAttempted,
    LeadArchived,
    LeadMarked,
    LeadQualified,
    LeadReopened,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWon,
)
from shared.contracts.marks import Mark

OutcomeKind = Literal["contacted", "qualified", "archived", "reopened", "opened", "won", "lost", "marked"]

_KINDS: dict[type[Event], OutcomeKind] = {
    LeadQualified: "qualified",
    LeadArchived: "archived",
    LeadReopened: "reopened",
    OpportunityOpened: "opened",
    OpportunityWon: "won",
    OpportunityLost: "lost",
    LeadMarked: "marked",
}

OUTCOME_EVENTS: tuple[type[Event], ...] = (*_KINDS, ContactAttempted)
"""The events that `outcome` reads."""


class Outcome(NamedTuple):
    """One thing that came of a lead. `known_at` is when we learned it; imported history was known when it happened.
    `version` is a word about the lead's mark in its place in the lead's story, since the last of them holds."""

    lead_id: UUID
    event_id: UUID
    kind: OutcomeKind
    occurred_at: datetime
    known_at: datetime
    opportunity_id: str | None = None
    mark: Mark | None = None
    version: int | None = None


def outcome(event: Event) -> Outcome | None:
    """What an event says came of its lead. A contact counts where a person of ours tried: that a lead was called is why
    high scores may prove themselves right, so it is kept beside."""
    if isinstance(event, ContactAttempted):
        kind: OutcomeKind | None = "contacted" if event.human and event.outbound else None
    else:
        kind = _KINDS.get(type(event))
    if kind is None:
        return None
    found = Outcome(event.lead_id, event.event_id, kind, event.occurred_at, learned_at(event))
    if isinstance(event, LeadMarked):
        return found._replace(mark=event.mark, version=event.version)
    return found._replace(opportunity_id=getattr(event, "opportunity_id", None))


def learned_at(event: Event) -> datetime:
    """When we learned what an event says. Imported history is taken as it is: it was known when it happened."""
    return event.occurred_at if event.historical else event.recorded_at
