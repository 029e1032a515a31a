"""Search over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.pipeline.api.guard import READ, Reaching, allowed
from services.pipeline.api.parts import Label, parts_of
from services.pipeline.asking import rejected
from services.pipeline.domain.refusals import Refused
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1", tags=["leads"])


@router.get("/search", summary="Leads by name, company, e-mail, phone, a sender's id, or the beginning of a lead id")
@allowed(READ)
async def search(
    request: Request,
    reach: Reaching,
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=200,
            description="Whatever is known: words begin as given, an address or number is read in any spelling.",
            examples=["Ann Smith", "+31 6 1234 5678", "محمد رضایی"],
        ),
    ],
    business_unit: Label | None = None,
    sender: Annotated[Label, Query(description="The system whose own id `q` may be.")] = "import",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """Surest first: recognised by identity or id, then words as they are, then words that begin so. Each lead says by what it
    `matched`; `more` says that other words would find others."""
    parts = parts_of(request)
    try:
        found, more = await parts.searching.look(q, reach.within(business_unit), sender=sender, limit=limit)
    except Refused as refused:
        raise rejected(refused) from None
    return JSONAnswer({"items": found, "more": more})
