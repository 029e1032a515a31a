"""Between a lead's row and its state."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from services.pipeline.domain.deal_state import DealState
from services.pipeline.domain.facts import Fact, Key
from services.pipeline.domain.ledger import Entry, Lead
from services.pipeline.domain.searching import vector
from services.pipeline.domain.state import Archived, Assigned, FirstTouch, Graded, LeadState, Told
from services.pipeline.domain.worklist import Held, held
from shared.contracts.marks import UNMARKED, Marking

LEAD_COLUMNS = {
    "lead_id": "uuid",
    "business_unit": "text",
    "root_id": "uuid",
    "merged_into": "uuid",
    "version": "integer",
    "status": "text",
    "created_at": "timestamptz",
    "explicit_at": "timestamptz",
    "first_fact_at": "timestamptz",
    "first_touch_at": "timestamptz",
    "channel": "text",
    "source": "text",
    "medium": "text",
    "campaign": "text",
    "product": "text",
    "score": "integer",
    "grade": "text",
    "probability": "double precision",
    "graded_at": "timestamptz",
    "owner": "text",
    "team": "text",
    "assigned_at": "timestamptz",
    "first_assigned_at": "timestamptz",
    "first_response_at": "timestamptz",
    "qualified_at": "timestamptz",
    "archived_at": "timestamptz",
    "archived_reason": "text",
    "conflicts": "integer",
    "personal": "jsonb",
    "personal_at": "timestamptz",
    "mark": "text",
    "mark_version": "integer",
    "erased": "boolean",
}


_ID, _ROOT, _STATUS, _MARK, _OWNER, _SCORE, _ASSIGNED, _QUALIFIED = (
    list(LEAD_COLUMNS).index(name)
    for name in ("lead_id", "root_id", "status", "mark", "owner", "score", "assigned_at", "qualified_at")
)


def lead_of(row: Any) -> Lead:
    """A lead as its row has it: enough to go on with touches, scores and automatic qualification; anything else needs
    its history. Registers hold place 0 of their time, before every version: what the row knows arrived earlier."""
    lead_id: UUID = row.lead_id
    personal = orjson.loads(row.personal)

    def key(at: datetime) -> Key:
        return Key(at, 0, lead_id)

    is_root = row.root_id == lead_id
    archived = row.status == "archived"
    touch = row.first_touch_at
    state = LeadState(
        explicit_at=row.explicit_at,
        first_fact_at=row.first_fact_at,
        first_touch=FirstTouch(key(touch), row.channel, row.source, row.medium, row.campaign, row.product)
        if touch
        else None,
        marks={lead_id: _marking(row)},
        told={lead_id: Told(0, erased=True)} if row.erased else {},
        grades={lead_id: Graded(key(row.graded_at), row.score, row.grade, row.probability)} if row.graded_at else {},
        assigned=Assigned(key(row.assigned_at), row.owner, row.team) if row.assigned_at else None,
        first_assigned_at=row.first_assigned_at,
        first_response_at=row.first_response_at,
        qualified_at=row.qualified_at,
        archived=Archived(key(row.archived_at), row.archived_reason) if archived else None,
        floor="new" if archived else row.status,
    )
    return Lead(
        lead_id,
        row.business_unit,
        lead_id if is_root else row.root_id,
        row.merged_into,
        row.version,
        state,
        personal,
        row.personal_at,
        row.conflicts,
        stored=True,
        held=held(
            row.status,
            counts=is_root and row.mark is None,
            owner=row.owner,
            score=row.score,
            assigned_at=row.assigned_at,
            qualified_at=row.qualified_at,
        ),
        worded=personal,
    )


def _marking(row: Any) -> Marking:
    if row.mark_version:
        return Marking(word=row.mark, word_version=row.mark_version)
    return Marking(frozenset((row.mark,))) if row.mark else UNMARKED


def lead_row(lead: Lead) -> tuple[Any, ...]:
    """A lead as its row, in the order of `LEAD_COLUMNS`."""
    state = lead.state
    touch, graded, assigned = state.first_touch, state.graded, state.assigned
    archived = state.archived if state.is_archived else None
    return (
        lead.lead_id,
        lead.business_unit,
        lead.root_id,
        lead.merged_into,
        lead.version,
        state.status,
        state.created_at,
        state.explicit_at,
        state.first_fact_at,
        *((touch.key.occurred_at, *touch[1:]) if touch else (None,) * 6),
        *((graded.score, graded.grade, graded.probability, graded.key.occurred_at) if graded else (None,) * 4),
        *((assigned.owner, assigned.team, assigned.key.occurred_at) if assigned else (None,) * 3),
        state.first_assigned_at,
        state.first_response_at,
        state.qualified_at,
        *((archived.key.occurred_at, archived.reason) if archived else (None,) * 2),
        lead.conflicts,
        orjson.dumps(lead.personal).decode(),
        lead.personal_at,
        state.mark,
        state.marks.get(lead.lead_id, UNMARKED).word_version or None,
        state.is_erased,
    )


def words_of(lead: Lead) -> str | None:
    """By what a lead is found, None where nothing else is known of it than before."""
    return vector(lead.business_unit, lead.personal) if lead.personal != lead.worded else None


def held_in(values: tuple[Any, ...]) -> Held | None:
    """What the worklist has of a lead that has this row."""
    return held(
        values[_STATUS],
        counts=(values[_ROOT] is values[_ID] or values[_ROOT] == values[_ID]) and values[_MARK] is None,
        owner=values[_OWNER],
        score=values[_SCORE],
        assigned_at=values[_ASSIGNED],
        qualified_at=values[_QUALIFIED],
    )


def changes(lead: Lead, values: tuple[Any, ...]) -> dict[str, Any]:
    """A lead's row as a document, for an update; who it is, and its words, only where more is known than before.
    What is left out is null."""
    row = {name: value for name, value in zip(LEAD_COLUMNS, values, strict=True) if value is not None}
    is_known = lead.personal is lead.worded or lead.personal == lead.worded
    row["personal"], row["words"] = (None, None) if is_known else (lead.personal, words_of(lead))
    return row


def fact_of(row: Any) -> Fact:
    """One entry of a story."""
    return Fact(row.lead_id, row.version, row.event, row.event_id, row.occurred_at, row.data, row.fingerprint)


def history_row(entry: Entry, recorded_at: datetime, data: bytes) -> tuple[Any, ...]:
    """One entry of a story as its row, its own facts encoded already."""
    fact, draft = entry.fact, entry.draft
    return (
        fact.lead_id, fact.event_id, fact.version, fact.event, fact.occurred_at, recorded_at,
        draft.correlation_id, draft.causation_id, draft.fingerprint, data.decode(),
    )  # fmt: skip


def published(entry: Entry, recorded_at: datetime, data: bytes) -> bytes:
    """The lifecycle event as it travels, its own facts, encoded already, behind the envelope."""
    fact, draft = entry.fact, entry.draft
    envelope = {
        "event": fact.event,
        "event_id": fact.event_id,
        "lead_id": fact.lead_id,
        "business_unit": entry.lead.business_unit,
        "occurred_at": fact.occurred_at,
        "recorded_at": recorded_at,
        "correlation_id": draft.correlation_id,
        "schema_version": 1,
        "version": fact.version,
    }
    if draft.causation_id is not None:
        envelope["causation_id"] = draft.causation_id
    return orjson.dumps(envelope)[:-1] + (b"," + data[1:] if fact.data else b"}")


def deal_row(deal: DealState, business_unit: str) -> dict[str, Any]:
    """A deal as its row."""
    return {
        "business_unit": business_unit,
        "opportunity_id": deal.opportunity_id,
        "lead_id": deal.lead_id,
        "pipeline": deal.value("pipeline"),
        "stage": deal.value("stage"),
        "status": deal.status,
        "amount": deal.value("amount"),
        "currency": deal.value("currency"),
        "product": deal.value("product"),
        "owner": deal.value("owner"),
        "team": deal.value("team"),
        "opened_at": deal.began_at,
        "closed_at": deal.closed_at,
        "expected_close": deal.value("expected_close"),
        "reason": deal.reason if deal.status == "lost" else None,
    }
