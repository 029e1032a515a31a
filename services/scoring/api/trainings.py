"""Learning on demand, and how each training ended."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field

from services.scoring.api.parts import Trainings, not_there

router = APIRouter()


class TrainingRequest(BaseModel):
    """Of which unit models are to be learned, of all and the whole where none is named. A `dry_run` keeps nothing."""

    business_unit: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    dry_run: bool = False
    by: Annotated[str, Field(min_length=1, max_length=200)] = "api"


class ShownTraining(BaseModel):
    """A training that is asked, running, finished or failed. Each of its `results` says for one outcome of one unit what was
    found: activated, challenger, unchanged, too_little, refused or off; in `words`, and with the numbers behind them."""

    id: UUID
    business_unit: str | None
    dry_run: bool
    asked_by: str
    asked_at: AwareDatetime
    status: Literal["asked", "running", "finished", "failed"]
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    words: str | None
    results: list[dict[str, Any]] | None


def _shown(row: Any) -> ShownTraining:
    return ShownTraining.model_validate(dict(row._mapping))


@router.post("/trainings", status_code=202, summary="Have models learned")
async def ask_training(asked: TrainingRequest, training: Trainings) -> ShownTraining:
    """Has models learned in a process of its own. Asking again while it waits answers with the same one."""
    return _shown(await training.ask(asked.business_unit, dry_run=asked.dry_run, by=asked.by))


@router.get("/trainings", summary="The latest trainings, the last one first")
async def read_trainings(training: Trainings) -> list[ShownTraining]:
    """The latest trainings, the last one first."""
    return [_shown(row) for row in await training.found()]


@router.get("/trainings/{training_id}", summary="How a training goes, or ended")
async def read_training(training_id: UUID, training: Trainings) -> ShownTraining:
    """How one goes, or ended."""
    rows = await training.found(training_id)
    if not rows:
        raise not_there("training", training_id)
    return _shown(rows[0])
