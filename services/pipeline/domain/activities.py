"""What people and machines did with a lead: reaching out, meeting, writing notes, doing what was due."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.pipeline.domain.decisions import Act
from services.pipeline.domain.facts import Draft, given
from services.pipeline.domain.ledger import Entry
from services.pipeline.domain.message_ids import decided_id
from services.pipeline.domain.messages import SENT, SKIPPED
from shared.contracts.activity_events import NoteAdded

NOTE = "note"
TASK = "task"

ACTIVITY_EVENTS = frozenset(("ContactAttempted", "NoteAdded", "FollowUpDone"))
"""What activities are made of."""


class Activity(NamedTuple):
    """One thing that somebody did. `kind` is that of the contact, `note` or `task`; `owner` is whose doing it is."""

    lead_id: UUID
    event_id: UUID
    business_unit: str
    kind: str
    owner: str | None
    occurred_at: datetime
    outcome: str | None


class Ended(NamedTuple):
    """What became of a message that was decided on before."""

    event_id: UUID
    outcome: str


def decide_note(act: Act, *, note: str) -> list[Draft]:
    """Writes a note, wherever the lead stands."""
    return [act.draft(NoteAdded)._replace(aside=given(note=note))]


def activities_of(entries: Iterable[Entry]) -> tuple[list[Activity], list[Ended]]:
    """The activities among the facts of a transaction, and how messages ended that were activities already. What is done by
    another fact, as a step is by a call, is a part of that one; what was sent is told when it is decided on."""
    done: list[Activity] = []
    ended: list[Ended] = []
    told = list(entries)
    facts = {fact.event_id for _, _, fact in told}
    for lead, draft, fact in told:
        data = fact.data
        outcome = data.get("outcome")
        match fact.event:
            case "ContactAttempted" if "message_id" in data and outcome is not None:
                ended.append(Ended(decided_id(UUID(str(data["message_id"]))), outcome))
                continue
            case "ContactAttempted":
                kind = str(data["kind"])
            case "NoteAdded":
                kind = NOTE
            case "FollowUpDone" if draft.causation_id not in facts and outcome not in (SENT, SKIPPED):
                kind = TASK
            case _:
                continue
        owner = data.get("owner", data.get("actor"))
        done.append(Activity(lead.lead_id, fact.event_id, lead.business_unit, kind, owner, fact.occurred_at, outcome))
    return done, ended
