"""People and what is kept of them: found, shown to whom it is about, erased, and the proof of it.

What recognises a person travels in bodies and never in addresses, which logs keep.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from sqlalchemy import Row
from starlette.responses import Response

from services.pipeline.api.cursors import after_of, cursor_of
from services.pipeline.api.guard import OPERATE, access_of, allowed
from services.pipeline.api.parts import Doer, Label, Note, parts_of
from services.pipeline.asking import rejected
from services.pipeline.domain.refusals import Refused
from services.pipeline.erasing import Erasing, Found, Person
from services.pipeline.storage import erasures, matches, queries, visits
from shared.contracts.envelope import Moment
from shared.kit.errors import Rejected
from shared.kit.logs import log
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1", tags=["people"])

MOMENTS: TypeAdapter[datetime] = TypeAdapter(Moment)


def _actor(
    request: Request,
    leadflow_actor: Doer = None,
) -> str:
    caller = access_of(request).caller
    if leadflow_actor is None and caller.subject is None:
        raise Rejected(
            "Leadflow-Actor: Field required", field="Leadflow-Actor", fix="Say who does this: it is kept for ever."
        )
    return caller.actor(leadflow_actor)


Actor = Annotated[str, Depends(_actor)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]


class Who(BaseModel):
    """A person, by exactly one thing that recognises them. Without a unit they are looked for in all units."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    email: Note | None = None
    phone: Note | None = None
    external_id: Note | None = None
    sender: Label = "import"
    visitor_id: Note | None = None
    lead_id: UUID | None = None
    business_unit: Label | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Who:
        given = (self.email, self.phone, self.external_id, self.visitor_id, self.lead_id)
        if sum(one is not None for one in given) != 1:
            raise ValueError("name the person by one of email, phone, external_id, visitor_id, lead_id")
        return self

    def person(self) -> Person:
        """As it is looked for."""
        return Person(**self.model_dump(exclude={"reason"}))


class Erase(Who):
    """Whom to forget, and why: a case number of your own, nothing that names the person."""

    reason: Annotated[Label, Field(max_length=200)]


@router.post("/people:find", summary="Under which names a person is known, and how much is kept here")
@allowed(OPERATE)
async def find(request: Request, who: Who) -> Response:
    """Changes nothing: what an erasure would reach."""
    erasing = _erasing(request)
    found = await _found(erasing, who)
    return JSONAnswer({**_told(found), "held": await erasing.held(found.names)})


@router.post("/people:export", summary="Everything that is kept of a person here, for the person")
@allowed(OPERATE)
async def export(request: Request, who: Who, actor: Actor) -> Response:
    """404 where nobody is known. Who asked, and of which leads, stands in this service's log."""
    erasing = _erasing(request)
    found = await _found(erasing, who)
    held = await erasing.held(found.names)
    if not found.lead_ids and not any(held.values()):
        raise Rejected(
            "Nobody is known by this here.",
            status=404,
            code="unknown-person",
            fix="Try another address or number of theirs; quarantine is capture's to look through.",
        )
    database = parts_of(request).database
    log().info("person_exported", actor=actor, lead_ids=sorted(map(str, found.lead_ids)))
    roots = {root for one in found.lead_ids if (root := await queries.root_of(database, one)) is not None}
    return JSONAnswer(
        {
            **_told(found),
            "held": held,
            "leads": [await queries.lead_document(database, root) for root in sorted(roots)],
            "history": [event for root in sorted(roots) for event in await queries.story(database, root)],
            "contact_of": await erasing.contact_of(found.names),
            "identities": [dict(row._mapping) for row in await erasures.identities(database, found.lead_ids)],
            "merge_candidates": [dict(row._mapping) for row in await matches.candidates_of(database, found.lead_ids)],
            "visits": [dict(row._mapping) for row in await visits.of(database, found.names)],
            "waiting": [bytes(row.value).decode() for row in await erasures.waiting_of(database, found.names)],
            "dead_letters": await erasing.letters(found.names),
            "erasures": [_shown(row) for row in await erasures.erasures_of(database, found.names)],
        }
    )


@router.post("/people:erase", summary="Forget a person, for good, here and everywhere")
@allowed(OPERATE)
async def erase(request: Request, who: Erase, actor: Actor, key: Key = None) -> Response:
    """Done here when it is answered; everybody else is told by the log. What happened stays counted."""
    erasing = _erasing(request)
    try:
        erasure_id = await erasing.erase(who.person(), reason=who.reason, actor=actor, key=key)
    except Refused as refused:
        raise rejected(refused) from None
    return JSONAnswer(await _report(request, erasure_id))


@router.get("/erasures", summary="Erasures, newest first, without whom they were about")
@allowed(OPERATE)
async def listing(
    request: Request,
    before: Annotated[str | None, Query(description="`next_before` of the page before, or a time.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """One page; `next_before` leads to the next."""
    rows = await erasures.erasures(parts_of(request).database, before=_before(before), limit=limit)
    following = cursor_of(rows[-1].until, rows[-1].erasure_id) if len(rows) == limit else None
    return JSONAnswer({"items": [_shown(row) for row in rows], "next_before": following})


@router.get("/erasures/{erasure_id}", summary="One erasure, its names, and what is found of them here now")
@allowed(OPERATE)
async def one(request: Request, erasure_id: UUID) -> Response:
    """What is found now was said after the erasure."""
    return JSONAnswer(await _report(request, erasure_id))


def _before(before: str | None) -> tuple[datetime, UUID] | None:
    """The place before which a page begins: that of an erasure, or a time with all that are of it behind."""
    if before is None:
        return None
    try:
        at = MOMENTS.validate_python(before.replace(" ", "+"))
    except ValueError:
        return after_of(before, "before")
    return at, UUID(int=0)


async def _report(request: Request, erasure_id: UUID) -> dict[str, Any]:
    database = parts_of(request).database
    rows = await erasures.erasures(database, erasure_id=erasure_id)
    if not rows:
        raise Rejected("There is no erasure of this id.", status=404, code="not-found", fix="Look at /v1/erasures.")
    names = await erasures.names_erased(database, erasure_id)
    found = Found(frozenset(rows[0].lead_ids), frozenset(names))
    held = await _erasing(request).held(names, until=rows[0].until)
    return {**_shown(rows[0]), **_told(found), "held": held}


async def _found(erasing: Erasing, who: Who) -> Found:
    try:
        return await erasing.find(who.person())
    except Refused as refused:
        raise rejected(refused) from None


def _erasing(request: Request) -> Erasing:
    return parts_of(request).erasing


def _told(found: Found) -> dict[str, Any]:
    return {"lead_ids": sorted(found.lead_ids), "names": {"lead_ids": found.ids, "tokens": found.tokens}}


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("erasure_id", "until", "actor", "reason", "lead_ids", "erased")}
