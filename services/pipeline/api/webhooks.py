"""Outgoing webhooks over HTTP: who follows a business unit, and what they did not get."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.pipeline.api.cursors import after_of, cursor_of
from services.pipeline.api.guard import FOLLOW, Reaching, access_of, allowed
from services.pipeline.api.parts import Label, Note, parts_of
from services.pipeline.storage import webhooks as storage
from services.pipeline.webhooks.endpoints import Endpoints
from shared.contracts.envelope import Moment
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
Events = Annotated[list[Label], Field(max_length=100, description="Names of lifecycle events; none for all.")]

DAY = 86_400


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class NewWebhook(_Body):
    """Who is to hear what. `personal` tells them who a lead is; `historical` also what is imported as history."""

    url: Note
    business_unit: Label | None = None
    events: Events = []
    personal: bool = False
    historical: bool = False
    description: Annotated[Note, Field(max_length=200)] = ""


class Change(_Body):
    """What is to be otherwise."""

    url: Note | None = None
    events: Events | None = None
    personal: bool | None = None
    historical: bool | None = None
    description: Annotated[Note, Field(max_length=200)] | None = None


class Rotate(_Body):
    """How long the old secret signs beside the new one."""

    overlap_seconds: Annotated[float, Field(ge=0, le=30 * DAY)] = DAY


class Enable(_Body):
    """Whether what was missed is sent too."""

    catch_up: bool = True


class Replay(_Body):
    """From when until when, by the time at which it was recorded here."""

    since: Moment
    until: Moment | None = None


class Revive(_Body):
    """Which dead deliveries are tried again; all where none is named."""

    event_ids: Annotated[list[UUID], Field(min_length=1, max_length=1000)] | None = None


@router.post(
    "", summary="Let somebody follow a business unit; the secret is shown in this answer only", status_code=201
)
@allowed(FOLLOW)
async def create(request: Request, said: NewWebhook, reach: Reaching, key: Key = None) -> Response:
    """They hear what reaches the log from now on. Sent again under its Idempotency-Key it is the same one."""
    wanted = {**said.model_dump(), "business_unit": reach.one(said.business_unit)}
    subject = access_of(request).caller.subject
    named = f"{subject}/{key}" if key is not None and subject is not None else key
    shown, fresh = await _endpoints(request).create(wanted, named)
    return JSONAnswer(shown, status_code=201 if fresh else 200)


@router.get("", summary="Who follows, and how much waits for each")
@allowed(FOLLOW)
async def listing(request: Request, reach: Reaching, business_unit: Label | None = None) -> Response:
    """Without their secrets, which nobody is shown again."""
    return JSONAnswer({"items": await _endpoints(request).listing(reach.within(business_unit))})


@router.get("/deliveries", summary="What is dead, waits or was delivered, latest first")
@allowed(FOLLOW)
async def deliveries(
    request: Request,
    reach: Reaching,
    status: Literal["dead", "waiting", "delivered"] = "dead",
    endpoint_id: UUID | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """One page; `next_cursor` leads to the next. What was said is in the lead's history."""
    found = await storage.deliveries(
        parts_of(request).database,
        units=reach.within(None),
        endpoint_id=endpoint_id,
        status=status,
        after=after_of(cursor),
        limit=limit,
    )
    following = cursor_of(found[-1].queued_at, found[-1].event_id) if len(found) == limit else None
    return JSONAnswer({"items": [dict(row._mapping) for row in found], "next_cursor": following})


@router.get("/{endpoint_id}", summary="One who follows")
@allowed(FOLLOW)
async def one(request: Request, endpoint_id: UUID) -> Response:
    """As it is now."""
    return JSONAnswer(await _endpoints(request).one(endpoint_id))


@router.post("/{endpoint_id}:change", summary="Another address, other events, other words")
@allowed(FOLLOW)
async def change(request: Request, endpoint_id: UUID, said: Change) -> Response:
    """What waits goes to where it is then."""
    values: dict[str, Any] = said.model_dump(exclude_none=True)
    return JSONAnswer(await _endpoints(request).change(endpoint_id, values))


@router.post(
    "/{endpoint_id}:rotate", summary="A new secret, shown in this answer only; the old one signs for a while too"
)
@allowed(FOLLOW)
async def rotate(request: Request, endpoint_id: UUID, said: Rotate | None = None) -> Response:
    """Meanwhile each delivery has two signatures."""
    overlap = timedelta(seconds=(said or Rotate()).overlap_seconds)
    return JSONAnswer(await _endpoints(request).rotate(endpoint_id, overlap))


@router.post("/{endpoint_id}:disable", summary="Send nothing any more")
@allowed(FOLLOW)
async def disable(request: Request, endpoint_id: UUID) -> Response:
    """What waits keeps waiting, and from when on it was passed over is noted."""
    return JSONAnswer(await _endpoints(request).disable(endpoint_id))


@router.post("/{endpoint_id}:enable", summary="Send again, and what was missed too")
@allowed(FOLLOW)
async def enable(request: Request, endpoint_id: UUID, said: Enable | None = None) -> Response:
    """Also one that was disabled because it failed for too long or was gone."""
    return JSONAnswer(await _endpoints(request).enable(endpoint_id, catch_up=(said or Enable()).catch_up))


@router.post("/{endpoint_id}:replay", summary="Tell again what was recorded from a moment on", status_code=202)
@allowed(FOLLOW)
async def replay(request: Request, endpoint_id: UUID, said: Replay) -> Response:
    """Under the same ids, in order of each lead. Of the whole history, however old."""
    return JSONAnswer(await _endpoints(request).replay(endpoint_id, said.since, said.until), status_code=202)


@router.post("/{endpoint_id}:revive", summary="Try dead deliveries again")
@allowed(FOLLOW)
async def revive(request: Request, endpoint_id: UUID, said: Revive | None = None) -> Response:
    """From the beginning of the schedule."""
    return JSONAnswer({"revived": await _endpoints(request).revive(endpoint_id, (said or Revive()).event_ids)})


@router.post("/{endpoint_id}:remove", summary="Forget one who follows, and what waits for them")
@allowed(FOLLOW)
async def remove(request: Request, endpoint_id: UUID) -> Response:
    """For good."""
    await _endpoints(request).remove(endpoint_id)
    return JSONAnswer({"endpoint_id": endpoint_id})


def _endpoints(request: Request) -> Endpoints:
    return parts_of(request).webhooks
