"""The people who work leads: what each should do next, how much they have, and when they are away."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.pipeline.api.guard import MANAGE, READ, Reaching, allowed, no_such_absence
from services.pipeline.api.parts import Label, Said, Unversioned, parts_of
from services.pipeline.domain.queue import WORDS, in_turn
from services.pipeline.domain.routing import Absence, Office
from services.pipeline.storage import queue, worklist
from services.pipeline.storage.people import people
from shared.contracts.envelope import Moment
from shared.kit.database import Transaction
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1", tags=["owners"])


class Away(Said):
    """From when until when somebody is away."""

    business_unit: Label = "default"
    starts_at: Moment
    ends_at: Moment


@router.get("/queue", summary="What an owner should do next, best first, and why")
@allowed(READ)
async def the_queue(
    request: Request,
    reach: Reaching,
    owner: Label,
    business_unit: Label | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> Response:
    """What is late first, then what is due within the hour; among equals the best score first."""
    database = parts_of(request).database
    now = database.clock.now()
    places = in_turn(await queue.candidates(database, owner, reach.within(business_unit), now, limit + 1), now)
    lead_ids = [place.candidate.lead_id for place in places[:limit]]
    rows, due = await queue.details(database, owner, lead_ids)
    known = await people(database, lead_ids)
    return JSONAnswer(
        {
            "owner": owner,
            "as_of": now,
            "items": [
                {
                    "lead_id": one.lead_id,
                    **{
                        name: getattr(rows[one.lead_id], name)
                        for name in ("business_unit", "status", "grade", "score", "probability", "first_response_at")
                    },
                    "urgency": WORDS[urgency],
                    "due_at": due_at,
                    "age_seconds": int((now - one.since).total_seconds()),
                    "why": why,
                    "tasks": [
                        {"task_id": task.task_id, "kind": task.kind, "name": task.name, "channel": task.channel,
                         "starts_at": task.starts_at, "due_at": task.due_at, "missed": task.missed}
                        for task in due[one.lead_id]
                    ],
                    "personal": known.get(one.lead_id, {}),
                }
                for one, urgency, due_at, why in places[:limit]
            ],
            "more": len(places) > limit,
        }
    )  # fmt: skip


@router.get("/owners", summary="Who of a unit can be given leads: what they have, whether they are there")
@allowed(READ)
async def owners(request: Request, reach: Reaching, business_unit: Label | None = None) -> Response:
    """As routing sees them now. Without a unit, those of `default`, or of the only one you reach."""
    parts = parts_of(request)
    business_unit = reach.one(business_unit)
    now = parts.database.clock.now()
    router = parts.assigning.router(business_unit)
    routing = parts.policy.unit(business_unit).routing
    loads = await worklist.loads_of(parts.database, business_unit, router.owners)
    absences = await worklist.listed_absences(parts.database, business_unit, now)
    office = Office(loads, {}, [Absence(row.owner, row.starts_at, row.ends_at) for row in absences])
    return JSONAnswer(
        {
            "business_unit": business_unit,
            "as_of": now,
            "fallback": routing.fallback,
            "items": [
                {
                    "owner": name,
                    "teams": [team for team, one in routing.teams.items() if name in one.members],
                    "leads": loads.get(name, 0),
                    "capacity": owner.capacity,
                    "weight": owner.weight,
                    "presence": router.presence(name, office, now),
                    "absences": [_shown(row) for row in absences if row.owner == name],
                }
                for name, owner in routing.owners.items()
            ],
        }
    )


@router.post("/owners/{owner}/absences", summary="Somebody is away: they are given nothing meanwhile", status_code=201)
@allowed(MANAGE)
async def add_absence(
    request: Request, reach: Reaching, owner: Label, said: Away, circumstances: Unversioned
) -> Response:
    """Sent again under its Idempotency-Key it is the same absence."""
    parts = parts_of(request)
    reach.within(said.business_unit)
    if owner not in parts.policy.unit(said.business_unit).routing.owners:
        known = ", ".join(parts.policy.unit(said.business_unit).routing.owners) or "none"
        raise Rejected(
            "The unit's routing has no owner of this name.",
            status=404,
            code="unknown-owner",
            field="owner",
            fix=f"Name one of: {known}.",
        )
    if said.ends_at <= said.starts_at:
        raise Rejected("ends_at is not after starts_at.", field="ends_at", fix="Send when they are back.")
    absence_id = circumstances.id_of("pipeline-absences")
    absence = Absence(owner, said.starts_at, said.ends_at)

    async def work(transaction: Transaction) -> tuple[Any, bool]:
        return await worklist.add_absence(transaction, absence_id, said.business_unit, absence)

    row, fresh = await parts.database.run(work)
    kept = row.business_unit, Absence(row.owner, row.starts_at, row.ends_at)
    if kept != (said.business_unit, absence) and not fresh:
        raise Rejected(
            "This Idempotency-Key was used for another absence, or for one that has ended.",
            status=409,
            code="idempotency-key-reused",
            field="Idempotency-Key",
            fix="Send a key of its own with each absence.",
        )
    return JSONAnswer(_shown(row), status_code=201 if fresh else 200)


@router.post("/absences/{absence_id}:end", summary="Somebody is back")
@allowed(MANAGE)
async def end_absence(request: Request, absence_id: UUID, _circumstances: Unversioned) -> Response:
    """From now on they are given leads again."""
    row = await parts_of(request).database.run(lambda transaction: worklist.end_absence(transaction, absence_id))
    if row is None:
        raise no_such_absence()
    return JSONAnswer(_shown(row))


def _shown(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("absence_id", "business_unit", "owner", "starts_at", "ends_at")}
