"""A lead's score: as it was told, and explained down to every point."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse
from pydantic import AwareDatetime
from starlette.responses import Response

from services.scoring import storage
from services.scoring.api.parts import AtWork, Known, Stored
from services.scoring.api.views import LeadScore, ShownExplanation
from services.scoring.domain import Assessment, Case, Person, explain
from services.scoring.models import Models
from services.scoring.storage import queries
from shared.kit.database import Database, Transaction
from shared.kit.errors import Rejected

router = APIRouter()


@router.get(
    "/scores/{lead_id}",
    summary="A lead's score with its reasons",
    response_model=LeadScore,
    responses={308: {"description": "The lead was merged."}},
)
async def read_score(lead_id: UUID, database: Stored, policies: Known) -> LeadScore | Response:
    """A lead's score and why; a merged lead's stands under the id it was merged into."""
    found = await queries.scored_lead(database, lead_id)
    if found is not None and found.root_id != lead_id:
        return RedirectResponse(f"/v1/scores/{found.root_id}", status_code=308)
    if found is None or found.score is None:
        raise _no_score(lead_id, met=found is not None)
    return _as_told(found, policies.version)


@router.get(
    "/scores/{lead_id}/explanation",
    summary="Every rule and point of a score, and what would change it",
    response_model=ShownExplanation,
    responses={308: {"description": "The lead was merged."}},
)
async def read_explanation(
    lead_id: UUID,
    database: Stored,
    policies: Known,
    models: AtWork,
    as_of: Annotated[
        AwareDatetime | None, Query(description="From what had happened by then; now if left out.")
    ] = None,
) -> ShownExplanation | Response:
    """Why a lead's score is what it is: every rule, every point, what is left of it, and what would change the grade."""
    person = await _person(database, lead_id, models)
    if person is not None and person.root.lead_id != lead_id:
        asked = "" if as_of is None else f"?as_of={quote(as_of.isoformat())}"
        return RedirectResponse(f"/v1/scores/{person.root.lead_id}/explanation{asked}", status_code=308)
    if person is None or not person.known:
        raise _no_score(lead_id, met=person is not None)
    rulebook = policies.judge.rulebook(person.root.business_unit)
    moment = as_of or database.clock.now()
    found = explain(rulebook, person.counting, moment)
    stored = await queries.scored_lead(database, lead_id)
    return ShownExplanation.model_validate(
        {
            **found._asdict(),
            "lead_id": lead_id,
            "business_unit": person.root.business_unit,
            "policy_version": policies.version,
            "left_out": person.left_out(moment),
            **_model_parts(models, Case(person.root.business_unit, person.counting, moment)),
            "told": None if stored is None or stored.score is None else _as_told(stored, policies.version),
        }
    )


@router.get("/stats", summary="How much there is")
async def read_stats(database: Stored, policies: Known, models: AtWork) -> dict[str, Any]:
    """How much this service holds: touches, leads known, merged and still unknown, dead letters, leads by grade, and scores
    that another policy made. `policy_contents` over 1 means that the policy was changed and its version was not. `models` are
    those at work, each with its fault where it cannot be used."""
    counted = await queries.counts(database, policies.version)
    await database.run(models.refresh)
    at_work = [
        {"outcome": one.outcome, "whose": one.whose, "version": one.version, "fault": one.fault}
        for one in models.states
    ]
    return {
        **counted,
        "policy_version": policies.version,
        "policy_contents": policies.contents,
        "models": at_work,
    }


def _model_parts(models: Models, case: Case) -> dict[str, Any]:
    """What the models that speak now say of a lead, with all of their reasons, or why they do not."""
    parts: dict[str, Any] = {}
    for name, speakers in (("model", models.opportunity), ("customer", models.customer)):
        said = speakers.explained(case)
        speaks = isinstance(said, Assessment)
        parts |= {name: said if speaks else None, f"without_{name}": None if speaks else said}
    return parts


async def _person(database: Database, lead_id: UUID, models: Models) -> Person | None:
    async def read(tx: Transaction) -> Person | None:
        await storage.in_snapshot(tx)
        await models.refresh(tx)
        root_id = await storage.root_of(tx, lead_id)
        people = [] if root_id is None else await storage.groups(tx, [root_id])
        return people[0] if people else None

    return await database.run(read)


def _as_told(found: Any, version: str) -> LeadScore:
    return LeadScore.model_validate(
        {
            **found._mapping,
            "occurred_at": found.scored_occurred_at,
            "changes_at": found.due_at,
            "customer": _customer(found),
            "stale": found.policy_version != version,
        }
    )


def _customer(found: Any) -> dict[str, Any] | None:
    if found.customer_probability is None:
        return None
    return {
        "probability": found.customer_probability,
        "model_version": found.customer_model_version,
        "contributions": found.customer_contributions,
    }


def _no_score(lead_id: UUID, *, met: bool) -> Rejected:
    return Rejected(
        f"Lead {lead_id} was not captured yet." if met else f"Lead {lead_id} has no score.",
        status=404,
        code="score-not-found",
        field="lead_id",
        fix="Use the lead_id that capture answered; a score follows its lead within seconds.",
    )
