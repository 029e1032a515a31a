"""What was known at a moment: HTTP in, HTTP out."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from services.metrics.access import Access, Reaching, guard
from services.metrics.domain.freezing import FORECAST
from services.metrics.freezing import Freezing
from services.metrics.moments import is_in_time, moment
from services.metrics.storage import frozen
from services.metrics.storage.frozen import EVERYBODY, Place
from shared.contracts.envelope import Name
from shared.kit.database import Database
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer


class Freeze(BaseModel):
    """What is to be frozen now: forecasts, or a set of numbers that the policy names; of a unit, or of everybody."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "forecast", "by": "kim"}})

    name: Name = FORECAST
    business_unit: Name | None = None
    by: Name = "api"


def router(database: Database, freezing: Freezing) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1/frozen", tags=["frozen"], dependencies=[Depends(guard)])

    @routes.post("", status_code=201, summary="Freeze numbers as they are known now")
    async def freeze(asked: Freeze, access: Reaching) -> JSONAnswer:
        taken = await freezing.take(asked.business_unit or EVERYBODY, asked.name, asked.by)
        return JSONAnswer(await _one(taken.frozen_id, access), status_code=201)

    @routes.get("", summary="What is frozen, and what was missed, the newest first")
    async def listing(
        business_unit: Annotated[str | None, Query(description="Empty: of everybody together.")] = None,
        name: Annotated[str | None, Query()] = None,
        start: Annotated[str | None, Query(alias="from")] = None,
        end: Annotated[str | None, Query(alias="to")] = None,
        before: Annotated[str | None, Query(description="The `next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> dict[str, Any]:
        rows = await frozen.listing(
            database, unit=business_unit, name=name, start=moment("from", start) if start else None, end=moment("to", end) if end else None,
            after=_place(before) if before else None, limit=limit,
        )  # fmt: skip
        return {"items": [_about(row) for row in rows], "next": _cursor(rows[-1]) if len(rows) == limit else None}

    @routes.get("/{frozen_id}", summary="One, with what was known")
    async def one(frozen_id: UUID, access: Reaching) -> JSONAnswer:
        return JSONAnswer(await _one(frozen_id, access))

    async def _one(frozen_id: UUID, access: Access) -> dict[str, Any]:
        row = await frozen.one(database, frozen_id)
        if row is None or not access.sees(row.business_unit):
            raise Rejected(
                "Nothing is frozen under this id.", status=404, code="unknown-snapshot", fix="GET /v1/frozen lists it."
            )
        return {**_about(row), "content": row.content}

    return routes


def _cursor(row: Any) -> str:
    place = [row.due_at.isoformat(), row.business_unit, row.name]
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode()


def _place(cursor: str) -> Place:
    try:
        at, unit, name = orjson.loads(base64.urlsafe_b64decode(cursor.encode()))
        place = Place(datetime.fromisoformat(at), unit, name)
        if is_in_time(place.at) and isinstance(unit, str) and isinstance(name, str) and "\x00" not in unit + name:
            return place
    except (ValueError, TypeError):
        pass
    raise Rejected(
        "It is no place to go on from.", code="invalid-parameter", field="before",
        fix="Send the `next` of the page before.",
    )  # fmt: skip


def _about(row: Any) -> dict[str, Any]:
    names = (
        "frozen_id",
        "name",
        "status",
        "scheduled",
        "taken_at",
        "taken_by",
        "folded_to",
        "policy_version",
        "keep_until",
    )
    return {
        "business_unit": row.business_unit or None,
        "as_of": row.due_at,
        **{name: getattr(row, name) for name in names},
    }
