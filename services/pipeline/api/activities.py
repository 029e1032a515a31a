"""Activities over HTTP: what was done with leads, by whom, and notes on them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from services.pipeline.api.cursors import place_after, words_of
from services.pipeline.api.guard import READ, WORK, Reaching, allowed
from services.pipeline.api.leads import to_canonical
from services.pipeline.api.parts import Label, Note, Said, With, answer, parts_of
from services.pipeline.domain.activities import decide_note
from services.pipeline.storage import activities
from shared.contracts.envelope import Moment
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1", tags=["activities"])

Kind = Annotated[Label | None, Query(description="Of a contact its own, such as `phone` or `meeting`; `note`; `task`.")]
Limit = Annotated[int, Query(ge=1, le=500)]


class AddNote(Said):
    """What is worth remembering."""

    note: Annotated[Note, Field(min_length=1)]


@router.post("/leads/{lead_id}/notes", summary="Write a note on a lead", status_code=201)
@allowed(WORK)
async def add_note(request: Request, lead_id: UUID, said: AddNote, circumstances: With) -> Response:
    """The history says that there is one and who wrote it; what it says never leaves, and is forgotten with the person."""
    done = await parts_of(request).commands.on_lead(
        lead_id,
        circumstances.asked("/notes", said),
        lambda _, __, act: decide_note(act, note=said.note),
    )
    return answer(done, created=True)


@router.get("/leads/{lead_id}/activities", summary="What was done with a lead, newest first, merged ids included")
@allowed(READ)
async def of_lead(
    request: Request, lead_id: UUID, kind: Kind = None, cursor: str | None = None, limit: Limit = 50
) -> Response:
    """Attempts to reach it, calls and meetings with how long they took, notes and tasks that were done."""
    await to_canonical(request, lead_id, "/activities")
    found = await activities.listing(
        parts_of(request).database, units=None, lead_id=lead_id, kind=kind, after=_after(cursor), limit=limit
    )
    return _page(found, limit)


@router.get("/activities", summary="What was done, newest first, by owner, unit, kind and time")
@allowed(READ)
async def listing(
    request: Request,
    reach: Reaching,
    owner: Label | None = None,
    business_unit: Label | None = None,
    kind: Kind = None,
    since: Moment | None = None,
    cursor: str | None = None,
    limit: Limit = 50,
) -> Response:
    """One page; `next_cursor` leads to the next."""
    found = await activities.listing(
        parts_of(request).database,
        units=reach.within(business_unit),
        owner=owner,
        kind=kind,
        since=since,
        after=_after(cursor),
        limit=limit,
    )
    return _page(found, limit)


def _page(found: list[activities.Found], limit: int) -> Response:
    following = None
    if len(found) == limit:
        last = found[-1].place
        following = place_after(last.occurred_at.isoformat(), str(last.event_id), str(last.lead_id))
    return JSONAnswer({"items": [one.document for one in found], "next_cursor": following})


def _after(cursor: str | None) -> activities.ActivityPlace | None:
    if cursor is None:
        return None
    try:
        at, event_id, lead_id = words_of(cursor)
        return activities.ActivityPlace(datetime.fromisoformat(at), UUID(event_id), UUID(lead_id))
    except ValueError:
        raise Rejected(
            "cursor is none of ours.", field="cursor", fix="Send the next_cursor of the page before."
        ) from None
