"""Counting everybody again: HTTP in, HTTP out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from services.metrics.access import guard
from services.metrics.rebuilding import Rebuilding
from shared.kit.errors import Rejected


class Rebuild(BaseModel):
    """How far a rebuild has come: people first, then sums. Of what was wrong it tells how much it has put right."""

    id: UUID
    status: Literal["running", "finished"]
    requested_at: datetime
    finished_at: datetime | None
    leads: int = Field(description="Ids there were when it was asked for.")
    people: int = Field(description="Ids that were looked at.")
    entries_changed: int
    sums_changed: int


def router(rebuilding: Rebuilding) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1/rebuilds", tags=["audit"], dependencies=[Depends(guard)])

    @routes.post("", status_code=202, summary="Count everybody again from their facts")
    async def ask() -> Rebuild:
        """Goes on by itself. Asking again while it does answers with the same one."""
        return _shown(await rebuilding.ask())

    @routes.get("", summary="The latest rebuilds, the last one first")
    async def latest() -> list[Rebuild]:
        return [_shown(row) for row in await rebuilding.found()]

    @routes.get("/{rebuild_id}", summary="How far one has come")
    async def one(rebuild_id: UUID) -> Rebuild:
        rows = await rebuilding.found(rebuild_id)
        if not rows:
            raise Rejected(
                "There is no rebuild of this id.",
                status=404,
                code="unknown-rebuild",
                fix="GET /v1/rebuilds lists them.",
            )
        return _shown(rows[0])

    return routes


def _shown(row: Any) -> Rebuild:
    names = ("id", "requested_at", "finished_at", "leads", "people", "entries_changed", "sums_changed")
    status: Literal["running", "finished"] = "running" if row.finished_at is None else "finished"
    return Rebuild(status=status, **{name: getattr(row, name) for name in names})
