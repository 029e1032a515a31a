"""Scores and their reasons over HTTP, and the counts that prove none was lost."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from services.scoring import queries
from shared.contracts.scoring_events import Contribution, Reason
from shared.kit.auth import require_token
from shared.kit.database import Database
from shared.kit.errors import Rejected

router = APIRouter(prefix="/v1", tags=["scoring"], dependencies=[Depends(require_token)])


class LeadScore(BaseModel):
    """A lead's score. The points of `reasons` sum to `score`. `probability` is the model's, with its `contributions`, and
    null where no model is active. `occurred_at` is when the last thing the score rests on happened, `scored_at` when it
    was worked out, `changes_at` when time alone changes it if nothing happens before."""

    lead_id: UUID
    business_unit: str
    score: int
    grade: str
    rating: str | None
    temperature: str | None
    fit: int
    engagement: int
    reasons: list[Reason]
    policy_version: str
    probability: float | None
    contributions: list[Contribution] | None
    model_version: str | None
    occurred_at: AwareDatetime
    scored_at: AwareDatetime
    changes_at: AwareDatetime | None


class AuditRequest(BaseModel):
    """Captured events to look for, at most 5,000 at once."""

    ids: Annotated[list[UUID], Field(max_length=5000)]


class AuditAnswer(BaseModel):
    """Each event asked about in exactly one list: counted, kept until its lead is known, set aside, or never seen."""

    facts: list[UUID]
    waiting: list[UUID]
    dead_lettered: list[UUID]
    unknown: list[UUID]


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


Stored = Annotated[Database, Depends(_database)]


@router.get("/scores/{lead_id}", response_model=LeadScore, responses={308: {"description": "The lead was merged."}})
async def read_score(lead_id: UUID, database: Stored) -> LeadScore | Response:
    """A lead's score and why; a merged lead's stands under the id it was merged into."""
    found = await queries.scored_lead(database, lead_id)
    if found is not None and found.root_id != lead_id:
        return RedirectResponse(f"/v1/scores/{found.root_id}", status_code=308)
    if found is None or found.score is None:
        raise Rejected(
            f"Lead {lead_id} has no score." if found is None else f"Lead {lead_id} was not captured yet.",
            status=404,
            code="score-not-found",
            field="lead_id",
            fix="Use the lead_id that capture answered; a score follows its lead within seconds.",
        )
    return LeadScore.model_validate(
        {**found._mapping, "occurred_at": found.scored_occurred_at, "changes_at": found.due_at}
    )


@router.post("/audit/captured")
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


@router.get("/stats")
async def read_stats(database: Stored) -> dict[str, Any]:
    """How much this service holds: touches, leads known, merged and still unknown, dead letters, leads by grade."""
    return await queries.counts(database)
