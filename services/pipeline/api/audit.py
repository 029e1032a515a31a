"""What anybody may check: how each captured event ended here, and how much there is."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.pipeline.api.guard import OPERATE, allowed
from services.pipeline.api.parts import parts_of
from services.pipeline.storage import queries
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


@router.get("/stats", summary="How many leads, events, deals and waiting records there are")
@allowed(OPERATE)
async def stats(request: Request) -> Response:
    """Counted now."""
    return JSONAnswer(await queries.counts(parts_of(request).database))
