"""Between a lead's row and its state."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from services.pipeline.domain.deal_state import DealState
from services.pipeline.domain.facts import Fact, Key
from services.pipeline.domain.ledger import Entry, Lead
from services.pipeline.domain.state import Archived, Assigned, FirstTouch, Graded, LeadState

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
    "graded_at": "timestamptz",
    "owner": "text",
    "team": "text",
    "assigned_at": "timestamptz",
    "qualified_at": "timestamptz",
    "archived_at": "timestamptz",
    "archived_reason": "text",
    "conflicts": "integer",
    "personal": "jsonb",
    "personal_at": "timestamptz",
}


def lead_of(row: Any) -> Lead:
    """A lead as its row has it: enough to go on with touches, scores and automatic qualification; anything else needs
    its history. Registers hold place 0 of their time, before every version: what the row knows arrived earlier."""
    lead_id: UUID = row.lead_id

    def key(at: datetime) -> Key:
        return Key(at, 0, lead_id)

    archived = row.status == "archived"
    touch = row.first_touch_at
    state = LeadState(
        explicit_at=row.explicit_at,
        first_fact_at=row.first_fact_at,
        first_touch=FirstTouch(key(touch), row.channel, row.source, row.medium, row.campaign, row.product)
        if touch
        else None,
        grades={lead_id: Graded(key(row.graded_at), row.score, row.grade)} if row.graded_at else {},
        assigned=Assigned(key(row.assigned_at), row.owner, row.team) if row.assigned_at else None,
        qualified_at=row.qualified_at,
        archived=Archived(key(row.archived_at), row.archived_reason) if archived else None,
        floor="new" if archived else row.status,
    )
    return Lead(
        lead_id,
        row.business_unit,
        row.root_id,
        row.merged_into,
        row.version,
        state,
        row.personal,
        row.personal_at,
        row.conflicts,
        stored=True,
    )


def lead_row(lead: Lead) -> dict[str, Any]:
    """A lead as its row."""
    state = lead.state
    touch, graded, assigned = state.first_touch, state.graded, state.assigned
    archived = state.archived if state.is_archived else None
    return {
        "lead_id": lead.lead_id,
        "business_unit": lead.business_unit,
        "root_id": lead.root_id,
        "merged_into": lead.merged_into,
        "version": lead.version,
        "status": state.status,
        "created_at": state.created_at,
        "explicit_at": state.explicit_at,
        "first_fact_at": state.first_fact_at,
        "first_touch_at": touch.key.occurred_at if touch else None,
        "channel": touch.channel if touch else None,
        "source": touch.source if touch else None,
        "medium": touch.medium if touch else None,
        "campaign": touch.campaign if touch else None,
        "product": touch.product if touch else None,
        "score": graded.score if graded else None,
        "grade": graded.grade if graded else None,
        "graded_at": graded.key.occurred_at if graded else None,
        "owner": assigned.owner if assigned else None,
        "team": assigned.team if assigned else None,
        "assigned_at": assigned.key.occurred_at if assigned else None,
        "qualified_at": state.qualified_at,
        "archived_at": archived.key.occurred_at if archived else None,
        "archived_reason": archived.reason if archived else None,
        "conflicts": lead.conflicts,
        "personal": lead.personal,
        "personal_at": lead.personal_at,
    }


def fact_of(row: Any) -> Fact:
    """One entry of a story."""
    return Fact(row.lead_id, row.version, row.event, row.event_id, row.occurred_at, row.data, row.fingerprint)


def history_row(entry: Entry) -> dict[str, Any]:
    """One entry of a story as its row."""
    fact, draft = entry.fact, entry.draft
    return {
        "lead_id": fact.lead_id,
        "event_id": fact.event_id,
        "version": fact.version,
        "event": fact.event,
        "occurred_at": fact.occurred_at,
        "correlation_id": draft.correlation_id,
        "causation_id": draft.causation_id,
        "fingerprint": draft.fingerprint,
        "data": fact.data,
    }


def published(entry: Entry, recorded_at: datetime) -> dict[str, Any]:
    """The lifecycle event as it travels, before it is bytes."""
    fact, draft = entry.fact, entry.draft
    document = {
        "event": fact.event,
        "event_id": fact.event_id,
        "lead_id": fact.lead_id,
        "business_unit": entry.lead.business_unit,
        "occurred_at": fact.occurred_at,
        "recorded_at": recorded_at,
        "correlation_id": draft.correlation_id,
        "schema_version": 1,
        "version": fact.version,
        **fact.data,
    }
    if draft.causation_id is not None:
        document["causation_id"] = draft.causation_id
    return document


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
