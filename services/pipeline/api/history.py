"""Import of history over HTTP: up to 5,000 rows a call, an answer for every row that is wrong."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.pipeline.api.guard import OPERATE, allowed
from services.pipeline.api.parts import Label, parts_of
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1", tags=["history"])


class HistoryBatch(BaseModel):
    """Rows of one sender, in any order. Sending them again changes nothing."""

    model_config = ConfigDict(extra="forbid")

    sender: Label = "import"
    rows: Annotated[list[Any], Field(max_length=5000)]


@router.post("/history:batch", summary="Take over what happened before: authoritative, backdated, deciding nothing")
@allowed(OPERATE)
async def history_batch(request: Request, batch: HistoryBatch) -> Response:
    """200 when every row is known now, 207 when some were refused, 422 when all were."""
    parts = parts_of(request)
    done = await parts.imports.take(batch.sender, batch.rows, parts.database.clock.now())
    rejected = len(done.problems)
    taken = done.accepted + done.duplicates
    status = 200 if not rejected else 207 if taken else 422
    return JSONAnswer(
        {
            "accepted": done.accepted,
            "duplicates": done.duplicates,
            "rejected": rejected,
            "items": [{"index": place, "problem": problem} for place, problem in sorted(done.problems.items())],
        },
        status_code=status,
    )
