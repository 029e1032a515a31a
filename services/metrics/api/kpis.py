"""The KPI API and the audits: HTTP in, HTTP out."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from services.metrics import formats
from services.metrics.access import guard
from services.metrics.asking import PARAMETERS, answered, ask, describe
from services.metrics.domain.definitions import DEFINITIONS
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.questions import CUTS, UNIT
from services.metrics.storage import answering, auditing
from shared.contracts.policy import Policy
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.problems import JSONAnswer


class EventIds(BaseModel):
    """Events to look for."""

    ids: list[UUID] = Field(max_length=5000)


class LifecycleIds(BaseModel):
    """Events to look for, each as [lead id, event id]."""

    ids: list[tuple[UUID, UUID]] = Field(max_length=5000)


class PeopleAfter(BaseModel):
    """A page of people: those after one, or from the beginning."""

    after: UUID | None = None
    limit: int = Field(500, ge=1, le=2000)


class MeasuresAfter(BaseModel):
    """The measure after one, or the first."""

    after: str | None = None


def router(database: Database, policy: Policy, clock: Clock) -> APIRouter:
    """The routes, over one database and one policy."""
    routes = APIRouter(prefix="/v1", dependencies=[Depends(guard)])

    @routes.get("/kpis", tags=["kpis"], summary="What can be asked: every KPI with its definition")
    async def kpis() -> JSONAnswer:
        return JSONAnswer(
            {
                "kpis": [describe(definition) for definition in DEFINITIONS],
                "group_by": CUTS,
                "filters": [UNIT, *DIMENSIONS],
                "parameters": [*PARAMETERS, formats.PARAMETER],
            }
        )

    @routes.get(
        "/kpis/{kpi}", tags=["kpis"], summary="One KPI over a window, cut as you like", responses=formats.RESPONSES
    )
    async def kpi(kpi: str, request: Request) -> Response:
        """JSON, or as `Accept` or `format` say CSV, Arrow or Parquet: a line for each group and one for the total."""
        wanted, parameters = formats.wanted(request.headers.get("accept"), request.query_params.multi_items())
        question, before = ask(kpi, parameters, policy, clock.now())
        answer = await answered(database, policy, await answering.progress(database), question, before)
        return await formats.answer_as(wanted, answer)

    @routes.post("/audit/captured", tags=["audit"], summary="Which captured events have become facts")
    async def audit_captured(asked: EventIds) -> JSONAnswer:
        return JSONAnswer(await auditing.captured(database, asked.ids))

    @routes.post("/audit/lifecycle", tags=["audit"], summary="Which lifecycle events have become facts")
    async def audit_lifecycle(asked: LifecycleIds) -> JSONAnswer:
        return JSONAnswer(await auditing.lifecycle(database, asked.ids))

    @routes.post("/audit/rollups", tags=["audit"], summary="Do the numbers follow from the facts? Computes all again")
    async def audit_rollups() -> JSONAnswer:
        return JSONAnswer(await auditing.rollups(database, policy.unit))

    @routes.post("/audit/people", tags=["audit"], summary="The same for a page of people: their entries")
    async def audit_people(asked: PeopleAfter) -> JSONAnswer:
        return JSONAnswer(await auditing.people(database, policy.unit, asked.after, asked.limit))

    @routes.post("/audit/numbers", tags=["audit"], summary="The same for the next measure: its sums and sketches")
    async def audit_numbers(asked: MeasuresAfter) -> JSONAnswer:
        return JSONAnswer(await auditing.numbers(database, asked.after))

    @routes.get("/stats", tags=["audit"], summary="How much there is")
    async def stats() -> JSONAnswer:
        return JSONAnswer(await auditing.stats(database))

    return routes
