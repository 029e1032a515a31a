"""What is to be put in order about leads, by month and by quarter: a list to work through, and numbers."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.pipeline.api.guard import READ, Reaching, allowed
from services.pipeline.api.parts import Label, Parts, parts_of
from services.pipeline.domain.access import Reach
from services.pipeline.domain.hygiene import TO_DO, Kind, period_of, present, why
from services.pipeline.storage import hygiene
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1", tags=["hygiene"])

Period = Annotated[
    str | None,
    Query(
        description="A month or a quarter of the unit's calendar; the present month when none is given.",
        examples=["2026-11", "2026-Q4"],
    ),
]


@router.get("/hygiene", summary="Stale, incomplete, unreachable leads and probable duplicates of a month or quarter")
@allowed(READ)
async def listing(
    request: Request,
    reach: Reaching,
    period: Period = None,
    kind: Kind | None = None,
    business_unit: Label | None = None,
    status: Annotated[Literal["open", "all"], Query(description="`all`: also what was put in order.")] = "open",
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """What was to be put in order at some time of the period, longest first, each with why and what to do. It is off the list once a
    look does not find it any more."""
    parts = parts_of(request)
    start, end_at, name = _period(parts, reach, period, business_unit)
    rows = await hygiene.listing(
        parts.database,
        units=reach.within(business_unit),
        kind=kind,
        start=start,
        end_at=end_at,
        open_only=status == "open",
        after=_after(cursor),
        limit=limit,
    )
    now = parts.database.clock.now()
    following = _cursor(rows[-1]) if len(rows) == limit else None
    return JSONAnswer(
        {
            "period": name,
            "from": start,
            "until": end_at,
            "items": [_shown(row, now) for row in rows],
            "next_cursor": following,
        }
    )


@router.get("/hygiene/numbers", summary="How much is to be put in order, by unit and kind, in a month or quarter")
@allowed(READ)
async def numbers(
    request: Request, reach: Reaching, period: Period = None, business_unit: Label | None = None
) -> Response:
    """`entries` that were open at some time of the period, `found` and `resolved` within it, `left_over` at its end."""
    parts = parts_of(request)
    start, end_at, name = _period(parts, reach, period, business_unit)
    rows = await hygiene.numbers(parts.database, units=reach.within(business_unit), start=start, end_at=end_at)
    look = await hygiene.look(parts.database)
    return JSONAnswer(
        {
            "period": name,
            "from": start,
            "until": end_at,
            "looked_at": look.counted_at if look is not None else None,
            "items": [dict(row._mapping) for row in rows],
        }
    )


def _period(
    parts: Parts, reach: Reach, period: str | None, business_unit: str | None
) -> tuple[datetime, datetime, str]:
    """By the calendar and the clock of the unit that is asked about, or is all that may be."""
    units = reach.within(business_unit)
    unit = parts.policy.unit(next(iter(units)) if units is not None and len(units) == 1 else "default")
    month, quarter = present(parts.database.clock.now(), unit.zone, unit.calendar)
    name = period or month
    try:
        return *period_of(name, unit.zone, unit.calendar), name
    except ValueError:
        raise Rejected(
            "period is no month and no quarter of the unit's calendar.",
            field="period",
            fix=f"Write it as {month} or {quarter}.",
        ) from None


def _shown(row: Any, now: datetime) -> dict[str, Any]:
    names = ("business_unit", "kind", "found_at", "resolved_at", "status", "owner", "team", "facts")
    told = {name: getattr(row, name) for name in names}
    return {
        "lead_id": row.root_id,
        **told,
        "why": why(row.kind, row.facts, row.resolved_at or now),
        "do": TO_DO[row.kind],
    }


def _cursor(row: Any) -> str:
    return base64.urlsafe_b64encode(f"{row.found_at.isoformat()} {row.lead_id} {row.kind}".encode()).decode()


def _after(cursor: str | None) -> tuple[datetime, UUID, str] | None:
    if cursor is None:
        return None
    try:
        at, lead_id, kind = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ")
        return datetime.fromisoformat(at), UUID(lead_id), kind
    except (ValueError, binascii.Error):
        raise Rejected(
            "cursor is none of ours.", field="cursor", fix="Send the next_cursor of the page before."
        ) from None
