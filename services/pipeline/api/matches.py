"""Merge candidates over HTTP: the queue of those who are probably one person, and what is decided about them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from sqlalchemy import Row
from starlette.responses import Response

from services.pipeline.api.guard import MANAGE, READ, Reaching, allowed, no_such_candidate
from services.pipeline.api.parts import Label, Said, Unversioned, With, answer, parts_of
from services.pipeline.asking import decided
from services.pipeline.storage import matches
from services.pipeline.storage.people import people
from shared.kit.database import Transaction
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1", tags=["merging"])


class SamePerson(Said):
    """Which lead is the same person."""

    other_lead_id: UUID


@router.get("/merge-candidates", summary="Leads that are probably one person, surest first, with the reasons")
@allowed(READ)
async def listing(
    request: Request,
    reach: Reaching,
    business_unit: Label | None = None,
    status: Literal["open", "dismissed", "merged"] = "open",
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """One page; `next_cursor` leads to the next."""
    rows = await matches.candidates(
        parts_of(request).database,
        units=reach.within(business_unit),
        status=status,
        after=_after(cursor),
        limit=limit,
    )
    following = _cursor(rows[-1].bits, rows[-1].candidate_id) if len(rows) == limit else None
    known = await people(parts_of(request).database, {one for row in rows for one in (row.root_id, row.other_root_id)})
    return JSONAnswer({"items": [_with_people(row, known) for row in rows], "next_cursor": following})


@router.post("/merge-candidates/{candidate_id}:merge", summary="They are one person: merge the two leads")
@allowed(MANAGE)
async def merge(request: Request, candidate_id: UUID, circumstances: With, said: Said | None = None) -> Response:
    """Answers with the lead that stays. `:unmerge` takes it back."""
    parts = parts_of(request)
    found = await _found(request, candidate_id)
    asked = circumstances.asked("candidate:merge", said or Said())
    done = await parts.commands.merge(found.lead_id, found.other_id, asked, candidate_id)
    return answer(done)


@router.post("/merge-candidates/{candidate_id}:dismiss", summary="They are two people: do not ask again")
@allowed(MANAGE)
async def dismiss(request: Request, candidate_id: UUID, circumstances: Unversioned) -> Response:
    """Holds until something else is known of one of the two."""
    parts = parts_of(request)
    await _found(request, candidate_id)

    async def work(tx: Transaction) -> Row[Any] | None:
        await matches.decide(tx, candidate_id, "dismissed", circumstances.actor)
        return await matches.candidate(tx, candidate_id)

    row = await parts.database.run(work)
    if row is None:
        raise no_such_candidate()
    if row.status != "dismissed":
        raise decided(row.status, "Take the merge back with :unmerge of the lead that was merged.")
    return JSONAnswer(_shown(row))


@router.post("/leads/{lead_id}:merge", summary="This lead and another are one person, because you say so")
@allowed(MANAGE)
async def merge_leads(request: Request, lead_id: UUID, said: SamePerson, circumstances: With) -> Response:
    """The one that was created first stays. `:unmerge` takes it back."""
    done = await parts_of(request).commands.merge(lead_id, said.other_lead_id, circumstances.asked(":merge", said))
    return answer(done)


async def _found(request: Request, candidate_id: UUID) -> Row[Any]:
    row = await matches.candidate(parts_of(request).database, candidate_id)
    if row is None:
        raise no_such_candidate()
    return row


def _with_people(row: Row[Any], known: Mapping[UUID, dict[str, Any]]) -> dict[str, Any]:
    leads = [{"lead_id": one, "personal": known.get(one, {})} for one in (row.root_id, row.other_root_id)]
    return {**_shown(row), "leads": leads}


def _shown(row: Row[Any]) -> dict[str, Any]:
    names = ("candidate_id", "business_unit", "status", "confidence", "bits", "contradicted", "parts", "found_at")
    return {name: getattr(row, name) for name in (*names, "decided_at", "actor")}


def _cursor(bits: float, candidate_id: UUID) -> str:
    return base64.urlsafe_b64encode(f"{bits!r} {candidate_id}".encode()).decode()


def _after(cursor: str | None) -> tuple[float, UUID] | None:
    if cursor is None:
        return None
    try:
        bits, _, candidate_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        return float(bits), UUID(candidate_id)
    except (ValueError, binascii.Error):
        raise Rejected(
            "cursor is none of ours.", field="cursor", fix="Send the next_cursor of the page before."
        ) from None
