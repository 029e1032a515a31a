"""Quarantine over HTTP, for operators: the deployment's API token is asked for, no sender's key will do."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.capture.domain import Reason
from services.capture.mending import MAX_NOTE, Desk
from shared.kit.auth import require_token
from shared.kit.errors import Rejected
from shared.kit.header_texts import AsWritten
from shared.kit.problems import JSONAnswer

Status = Literal["open", "released", "dropped", "expired", "erased"]
Actor = Annotated[
    str, AsWritten, Header(alias="Leadflow-Actor", min_length=1, max_length=200, description="Who does this.")
]


class Mending(BaseModel):
    """What to change: a JSON merge patch (RFC 7396), or another payload in the place of the one that was sent."""

    model_config = ConfigDict(extra="forbid")

    patch: dict[str, Any] | None = None
    payload: dict[str, Any] | list[Any] | str | None = Field(
        None, description="For a delivery also a list, or its text in the form its sender sends."
    )

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Mending:
        if (self.patch is None) == (self.payload is None):
            raise ValueError("send patch or payload")
        return self


class Dropping(BaseModel):
    """Why an entry is given up."""

    model_config = ConfigDict(extra="forbid")

    note: str | None = Field(None, min_length=1, max_length=MAX_NOTE, description="No names, no addresses.")


def quarantine_router(desk: Desk) -> APIRouter:
    """The operations."""
    router = APIRouter(prefix="/v1/quarantine", tags=["quarantine"], dependencies=[Depends(require_token)])

    @router.get("", summary="Entries, oldest first, without what they say")
    async def listing(
        status: Status | None = "open",
        reason: Reason | None = None,
        kind: Literal["lead", "interaction", "delivery"] | None = None,
        sender: Annotated[str | None, Query(max_length=300)] = None,
        business_unit: Annotated[str | None, Query(max_length=300)] = None,
        cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> JSONAnswer:
        asked = {"status": status, "reason": reason, "kind": kind, "sender": sender, "business_unit": business_unit}
        filters = {name: _storable(name, value) for name, value in asked.items() if value is not None}
        items = await desk.listing(filters, None if cursor is None else _place(cursor), limit)
        following = _cursor(items[-1]["received_at"], items[-1]["id"]) if len(items) == limit else None
        return JSONAnswer({"items": items, "next_cursor": following})

    @router.get("/counts", summary="How many entries there are, by where they stand, why, what and whose")
    async def counts() -> JSONAnswer:
        return JSONAnswer({"items": await desk.counts()})

    @router.get("/{entry_id}", summary="One entry, its values hidden unless they are asked for, which is put on record")
    async def show(entry_id: UUID, reveal: bool = False, actor: Actor = "api") -> JSONAnswer:
        return JSONAnswer(await desk.show(entry_id, actor=_storable("Leadflow-Actor", actor), reveal=reveal))

    @router.post("/{entry_id}:fix", summary="Change a payload; says which faults remain")
    async def fix(entry_id: UUID, mending: Mending, actor: Actor = "api") -> JSONAnswer:
        name = _storable("Leadflow-Actor", actor)
        return JSONAnswer(await desk.mend(entry_id, actor=name, patch=mending.patch, payload=mending.payload))

    @router.post("/{entry_id}:release", summary="Take an entry in after all, as its sender had sent it then")
    async def release(entry_id: UUID, actor: Actor = "api") -> JSONAnswer:
        return JSONAnswer(await desk.release(entry_id, actor=_storable("Leadflow-Actor", actor)))

    @router.post("/{entry_id}:drop", summary="Give an entry up; it stays on record")
    async def drop(entry_id: UUID, dropping: Dropping | None = None, actor: Actor = "api") -> JSONAnswer:
        note = None if dropping is None or dropping.note is None else _storable("note", dropping.note)
        return JSONAnswer(await desk.drop(entry_id, actor=_storable("Leadflow-Actor", actor), note=note))

    return router


def _storable(name: str, text: str) -> str:
    if "\x00" in text or not text.isprintable():
        raise Rejected(f"{name} has a character that cannot be kept.", field=name, fix="Send printable text.")
    return text


def _cursor(received_at: datetime, entry_id: UUID) -> str:
    return base64.urlsafe_b64encode(f"{received_at.isoformat()} {entry_id}".encode()).decode()


def _place(cursor: str) -> tuple[datetime, UUID]:
    try:
        at, entry_id = base64.urlsafe_b64decode(cursor).decode().rsplit(" ", 1)
        received_at = datetime.fromisoformat(at)
        if received_at.tzinfo is None:
            raise ValueError(at)
        return received_at, UUID(entry_id)
    except (binascii.Error, ValueError):
        raise Rejected(
            "The cursor is none of ours.", field="cursor", fix="Send `next_cursor` of the page before."
        ) from None
