"""Scoring every lead by the present policy, on demand."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel

from services.scoring.api.parts import Rescores, not_there

router = APIRouter()


class Rescore(BaseModel):
    """How far a rescore has come: `done` of so many `leads`, `changed` of them told anew, `failed` ones left as they were.
    It is running, finished, or superseded by one with another policy."""

    id: UUID
    policy_version: str
    requested_at: AwareDatetime
    leads: int
    done: int
    changed: int
    failed: int
    status: str
    finished_at: AwareDatetime | None


def _shown(row: Any) -> Rescore:
    return Rescore.model_validate(dict(row._mapping))


@router.post("/rescores", status_code=202, summary="Score everybody by the present policy")
async def ask_rescore(rescoring: Rescores) -> Rescore:
    """Scores every lead by the present policy, as of now. Asking again while that goes on answers with the same one."""
    return _shown(await rescoring.ask())


@router.get("/rescores", summary="The latest rescores, the last one first")
async def read_rescores(rescoring: Rescores) -> list[Rescore]:
    """The latest rescores, the last one first."""
    return [_shown(row) for row in await rescoring.found()]


@router.get("/rescores/{rescore_id}", summary="How far a rescore has come")
async def read_rescore(rescore_id: UUID, rescoring: Rescores) -> Rescore:
    """How far one has come."""
    rows = await rescoring.found(rescore_id)
    if not rows:
        raise not_there("rescore", rescore_id)
    return _shown(rows[0])
