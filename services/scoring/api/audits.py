"""What audits ask: how each captured event ended, and whether each score is what its ledger makes of it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.scoring.api.parts import Audits, Stored
from services.scoring.storage import queries

router = APIRouter()


class AuditRequest(BaseModel):
    """Captured events to look for, at most 5,000 at once."""

    ids: Annotated[list[UUID], Field(max_length=5000)]


class AuditAnswer(BaseModel):
    """Each event asked about in exactly one list: counted, kept until its lead is known, set aside, or never seen."""

    facts: list[UUID]
    waiting: list[UUID]
    dead_lettered: list[UUID]
    unknown: list[UUID]


class ScoreAuditRequest(BaseModel):
    """A page of leads, in the order of their ids, beginning behind `after`."""

    after: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=2_000)] = 500


class ScoreAuditAnswer(BaseModel):
    """How many scores were made again, and which are not the stored ones. `stale` ones were made by another policy, and by
    that again; `unverifiable` are those of a policy that nobody remembers. `next` is null after the last page."""

    checked: int
    stale: int
    unverifiable: int
    differences: list[dict[str, Any]]
    next: UUID | None


@router.post("/audit/captured", summary="Which captured events have been scored")
async def audit_captured(asked: AuditRequest, database: Stored) -> AuditAnswer:
    """How each captured event ended here."""
    ended = await queries.audited(database, asked.ids)
    lists: dict[str, list[UUID]] = {"fact": [], "waiting": [], "dead_lettered": [], "unknown": []}
    for event_id in dict.fromkeys(asked.ids):
        lists[ended.get(event_id, "unknown")].append(event_id)
    return AuditAnswer(
        facts=lists["fact"],
        waiting=lists["waiting"],
        dead_lettered=lists["dead_lettered"],
        unknown=lists["unknown"],
    )


@router.post("/audit/scores", summary="Do these scores follow from their ledger?")
async def audit_scores(asked: ScoreAuditRequest, auditor: Audits) -> ScoreAuditAnswer:
    """Makes scores again from the ledger, each as of the moment it rests on and by the policy that made it."""
    found = await auditor.page(asked.after, asked.limit)
    return ScoreAuditAnswer(
        checked=found.checked,
        stale=found.stale,
        unverifiable=found.unverifiable,
        differences=found.differences,
        next=found.next,
    )
