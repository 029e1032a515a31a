"""What anybody may check: how each captured event ended here, and how much there is."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from services.pipeline.api.guard import OPERATE, allowed
from services.pipeline.api.parts import parts_of
from services.pipeline.storage import auditing, queries
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1", tags=["audit"])


class Captured(BaseModel):
    """Event ids that capture accepted."""

    ids: Annotated[list[UUID], Field(max_length=5000)]


@router.post("/audit/captured", summary="Which captured events are facts, waiting, dead-lettered or unknown here")
@allowed(OPERATE)
async def captured(request: Request, asked: Captured) -> Response:
    """Each id is in exactly one of the four lists."""
    return JSONAnswer(await queries.audit(parts_of(request).database, set(asked.ids)))


class LeadsAfter(BaseModel):
    """A page of leads: those after one, or from the beginning."""

    after: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=2000)] = 500


@router.post("/audit/leads", summary="Is every lead's row what its history says? A page of people at a time")
@allowed(OPERATE)
async def leads(request: Request, asked: LeadsAfter) -> Response:
    """Names the leads that differ, and after whom to go on; `next` is null on the last page."""
    return JSONAnswer(await auditing.leads(parts_of(request).database, asked.after, asked.limit))


class EventsAfter(BaseModel):
    """A page of events, each as [lead id, event id], that were recorded before a moment."""

    before: AwareDatetime
    after: tuple[UUID, UUID] | None = None
    limit: Annotated[int, Field(ge=1, le=5000)] = 5000


@router.post("/audit/history", summary="Which events the history has, and so the log has to have: a page at a time")
@allowed(OPERATE)
async def history(request: Request, asked: EventsAfter) -> Response:
    """What still waits in the outbox is not among them."""
    return JSONAnswer(await auditing.published(parts_of(request).database, asked.after, asked.limit, asked.before))


class HistoryAfter(BaseModel):
    """A page of events: those after one, given as [lead id, event id], or from the beginning."""

    after: tuple[UUID, UUID] | None = None
    limit: Annotated[int, Field(ge=1, le=2000)] = 1000


@router.post("/audit/events", summary="The history as it was published, for whoever counts it again: a page at a time")
@allowed(OPERATE)
async def events(request: Request, asked: HistoryAfter) -> Response:
    """By lead and event, not by time. Holds no personal data, as what is published holds none."""
    return JSONAnswer(await auditing.told(parts_of(request).database, asked.after, asked.limit))


@router.get("/stats", summary="How many leads, events, deals and waiting records there are")
@allowed(OPERATE)
async def stats(request: Request) -> Response:
    """Counted now."""
    return JSONAnswer(await queries.counts(parts_of(request).database))
