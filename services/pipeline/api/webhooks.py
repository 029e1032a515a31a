"""Outgoing webhooks over HTTP: who follows a business unit, and what they did not get."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.pipeline.api.cursors import place_after, words_of
from services.pipeline.api.guard import FOLLOW, Reaching, access_of, allowed
from services.pipeline.api.parts import Doer, Label, Note, Unversioned, parts_of
from services.pipeline.domain.versions import etag
from services.pipeline.storage import webhooks as storage
from services.pipeline.storage.webhooks import By
from services.pipeline.webhooks.endpoints import Asked, Endpoints, version_of
from shared.contracts.envelope import Moment
from shared.contracts.identity import event_id_from
from shared.kit.errors import Rejected
from shared.kit.logs import log
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

Events = Annotated[list[Label], Field(max_length=100, description="Names of lifecycle events; none for all.")]

DAY = 86_400


def _by(request: Request, actor: str) -> By:
    return By(actor, access_of(request).caller.name)


def _changing(
    request: Request,
    leadflow_actor: Doer = None,
    if_match: Annotated[str | None, Header(description="The ETag the decision was made on.")] = None,
) -> Asked:
    return Asked(_by(request, access_of(request).caller.actor(leadflow_actor)), if_match)


Changing = Annotated[Asked, Depends(_changing)]


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
async def create(request: Request, said: NewWebhook, reach: Reaching, circumstances: Unversioned) -> Response:
    """They hear what reaches the log from now on. Sent again under its Idempotency-Key it is the same one, with its secret while nothing
    was done to it. It goes on for as long as the credentials that made it are good for it."""
    wanted = {**said.model_dump(), "business_unit": reach.one(said.business_unit)}
    shown, fresh = await _endpoints(request).create(
        wanted,
        circumstances.id_of("pipeline-webhooks"),
        _by(request, circumstances.actor),
        formerly=_formerly(access_of(request).caller.subject, circumstances.idempotency_key),
    )
    if fresh:
        _tell(request, "webhook_made", shown["endpoint_id"])
    return _answer(shown, status_code=201 if fresh else 200)


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
        after=_after(cursor),
        limit=limit,
    )
    following = None
    if len(found) == limit:
        last = storage.DeliveryPlace(*(getattr(found[-1], name) for name in storage.DeliveryPlace._fields))
        following = place_after(last.queued_at.isoformat(), *map(str, last[1:]))
    return JSONAnswer({"items": [dict(row._mapping) for row in found], "next_cursor": following})


@router.get("/{endpoint_id}", summary="One who follows")
@allowed(FOLLOW)
async def one(request: Request, endpoint_id: UUID) -> Response:
    """As it is now, with what was done to it last and by whom."""
    shown = await _endpoints(request).one(endpoint_id)
    document = {**shown, "changes": await _endpoints(request).changes(endpoint_id)}
    return JSONAnswer(document, headers={"ETag": etag(version_of(endpoint_id, shown["version"]), document)})


@router.post("/{endpoint_id}:change", summary="Another address, other events, other words")
@allowed(FOLLOW)
async def change(request: Request, endpoint_id: UUID, said: Change, asked: Changing) -> Response:
    """What waits goes to where it is then."""
    values: dict[str, Any] = said.model_dump(exclude_none=True)
    shown = await _endpoints(request).change(endpoint_id, values, asked)
    _tell(request, "webhook_changed", endpoint_id, what=sorted(values))
    return _answer(shown)


@router.post(
    "/{endpoint_id}:rotate", summary="A new secret, shown in this answer only; the old one signs for a while too"
)
@allowed(FOLLOW)
async def rotate(request: Request, endpoint_id: UUID, asked: Changing, said: Rotate | None = None) -> Response:
    """Meanwhile each delivery has two signatures."""
    overlap = timedelta(seconds=(said or Rotate()).overlap_seconds)
    shown = await _endpoints(request).rotate(endpoint_id, overlap, asked)
    _tell(request, "webhook_rotated", endpoint_id)
    return _answer(shown)


@router.post("/{endpoint_id}:disable", summary="Send nothing any more")
@allowed(FOLLOW)
async def disable(request: Request, endpoint_id: UUID, asked: Changing) -> Response:
    """What waits keeps waiting, and from when on it was passed over is noted."""
    shown = await _endpoints(request).disable(endpoint_id, asked)
    _tell(request, "webhook_disabled", endpoint_id)
    return _answer(shown)


@router.post("/{endpoint_id}:enable", summary="Send again, and what was missed too")
@allowed(FOLLOW)
async def enable(request: Request, endpoint_id: UUID, asked: Changing, said: Enable | None = None) -> Response:
    """Also one that was disabled because it failed for too long, was gone, or nobody vouched for it. Whoever says so does from now
    on."""
    catch_up = (said or Enable()).catch_up
    shown = await _endpoints(request).enable(endpoint_id, asked, catch_up=catch_up)
    _tell(request, "webhook_enabled", endpoint_id)
    return _answer(shown)


@router.post("/{endpoint_id}:replay", summary="Tell again what was recorded from a moment on", status_code=202)
@allowed(FOLLOW)
async def replay(request: Request, endpoint_id: UUID, said: Replay, asked: Changing) -> Response:
    """Under the same ids, in order of each lead. Of the whole history, however old."""
    shown = await _endpoints(request).replay(endpoint_id, said.since, said.until, asked)
    _tell(request, "webhook_replayed", endpoint_id)
    return _answer(shown, status_code=202)


@router.post("/{endpoint_id}:revive", summary="Try dead deliveries again")
@allowed(FOLLOW)
async def revive(request: Request, endpoint_id: UUID, asked: Changing, said: Revive | None = None) -> Response:
    """From the beginning of the schedule."""
    wanted = (said or Revive()).event_ids
    revived = await _endpoints(request).revive(endpoint_id, wanted, asked)
    _tell(request, "webhook_revived", endpoint_id)
    return JSONAnswer({"revived": revived})


@router.post("/{endpoint_id}:remove", summary="Forget one who follows, and what waits for them")
@allowed(FOLLOW)
async def remove(request: Request, endpoint_id: UUID, asked: Changing) -> Response:
    """For good."""
    await _endpoints(request).remove(endpoint_id, asked)
    _tell(request, "webhook_removed", endpoint_id)
    return JSONAnswer({"endpoint_id": endpoint_id})


def _formerly(subject: str | None, key: str | None) -> UUID | None:
    """The id under a sender's key when the two were joined by a stroke; None where another sender's may have been the same."""
    if subject is None or key is None or "/" in subject + key:
        return None
    return event_id_from("pipeline-webhooks", f"{subject}/{key}")


def _after(cursor: str | None) -> storage.DeliveryPlace | None:
    if cursor is None:
        return None
    try:
        at, event_id, endpoint_id, lead_id, version = words_of(cursor)
        return storage.DeliveryPlace(
            datetime.fromisoformat(at), UUID(event_id), UUID(endpoint_id), UUID(lead_id), int(version)
        )
    except ValueError:
        raise Rejected(
            "cursor is none of ours.", field="cursor", fix="Send the next_cursor of the page before."
        ) from None


def _endpoints(request: Request) -> Endpoints:
    return parts_of(request).webhooks


def _tell(request: Request, event: str, endpoint_id: UUID, **more: Any) -> None:
    """Leaves a trace in the log: ids and credentials, no person and no address."""
    log().info(event, endpoint_id=str(endpoint_id), by=access_of(request).caller.name, **more)


def _answer(shown: dict[str, Any], status_code: int = 200) -> Response:
    version = version_of(shown["endpoint_id"], shown["version"])
    return JSONAnswer(shown, status_code=status_code, headers={"ETag": etag(version)})
