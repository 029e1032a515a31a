"""Opportunities over HTTP, page by page."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.pipeline.api.cursors import place_after, words_of
from services.pipeline.api.guard import READ, Reaching, allowed
from services.pipeline.api.narrowing import Fields, OnlyDeals, sparse
from services.pipeline.api.parts import Label, parts_of
from services.pipeline.storage import deal_list, queries
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1", tags=["opportunities"])


@router.get("/opportunities", summary="Opportunities, first opened first, by state, stage, owner, product and time")
@allowed(READ)
async def listing(
    request: Request,
    reach: Reaching,
    only: OnlyDeals,
    business_unit: Label | None = None,
    lead_id: UUID | None = None,
    fields: Fields = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """One page; `next_cursor` leads to the next, and the last has none. A page looks at no more than 2,000 opportunities: where few of
    them are meant it has fewer than `limit`, or none."""
    sparse({}, fields, queries.DEAL_FIELDS)
    rows, end = await deal_list.listed(
        parts_of(request).database,
        units=reach.within(business_unit),
        lead_id=lead_id,
        only=only,
        after=_after(cursor),
        limit=limit,
    )
    following = None
    if end is not None:
        following = place_after(end.opened_at.isoformat(), end.opportunity_id, end.business_unit)
    items = [sparse(queries.deal_document(row), fields, queries.DEAL_FIELDS) for row in rows]
    return JSONAnswer({"items": items, "next_cursor": following})


def _after(cursor: str | None) -> deal_list.DealPlace | None:
    if cursor is None:
        return None
    try:
        at, opportunity_id, unit = words_of(cursor)
        return deal_list.DealPlace(datetime.fromisoformat(at), opportunity_id, unit)
    except ValueError:
        raise Rejected(
            "cursor is none of ours.", field="cursor", fix="Send the next_cursor of the page before."
        ) from None
