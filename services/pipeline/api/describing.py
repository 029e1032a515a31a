"""What a lead is and needs, over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from services.pipeline.api.guard import WORK, allowed
from services.pipeline.api.parts import Note, Said, With, answer, parts_of
from services.pipeline.domain.decisions import decide_describe
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.ledger import Ledger

router = APIRouter(prefix="/v1/leads", tags=["leads"])

Words = Annotated[Note, Field(min_length=1)]


class Describe(Said):
    """A person or an organisation, and what they need, in their words."""

    kind: Literal["person", "organisation"] | None = None
    need: Words | None = None


@router.post("/{lead_id}:describe", summary="Say what the lead is, a person or an organisation, and what it needs")
@allowed(WORK)
async def describe(request: Request, lead_id: UUID, said: Describe, circumstances: With) -> Response:
    """The last word holds. The need is kept with the person, and forgotten with them."""

    def known(ledger: Ledger, lead_id: UUID, drafts: list[Draft]) -> list[Draft]:
        if said.need is not None:
            ledger[lead_id].personal = {**ledger[lead_id].personal, "need": said.need}
        return drafts

    done = await parts_of(request).commands.on_lead(
        lead_id,
        circumstances.asked(":describe", said),
        lambda state, _, act: decide_describe(act, kind=said.kind, need=said.need),
        guard=known,
    )
    return answer(done)
