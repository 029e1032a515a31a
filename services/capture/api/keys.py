"""API keys over HTTP, for operators: the deployment's API token is asked for, no sender's key will do."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.capture.domain.keys import SENDER, Scope
from services.capture.keys import SenderKeys
from shared.kit.auth import require_token
from shared.kit.problems import JSONAnswer

MAX_OVERLAP_SECONDS = 90 * 86_400.0


class NewKey(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid")

    sender: str = Field(pattern=f"^{SENDER.pattern}$", description="Whose key it is; ids of its records are its own.")
    scopes: set[Scope] = Field({"write"}, min_length=1)
    rate_per_second: float | None = Field(None, gt=0, le=1e9, description="Instead of the deployment's limit.")
    expires_at: AwareDatetime | None = None


class Rotation(BaseModel):
    """How one key takes over from another."""

    model_config = ConfigDict(extra="forbid")

    overlap_seconds: float = Field(86_400.0, ge=0, le=MAX_OVERLAP_SECONDS, description="How long both keys work.")
    expires_at: AwareDatetime | None = Field(None, description="Of the new key; else it lives as long as the old one.")


def keys_router(commands: SenderKeys) -> APIRouter:
    """The operations."""
    router = APIRouter(prefix="/v1/keys", tags=["keys"], dependencies=[Depends(require_token)])

    @router.post("", status_code=201, summary="Make a key; this answer is the only one that has it")
    async def create(new: NewKey) -> JSONAnswer:
        made = await commands.make(
            new.sender, frozenset(new.scopes), rate_per_second=new.rate_per_second, expires_at=new.expires_at
        )
        return JSONAnswer(made, status_code=201)

    @router.get("", summary="Keys by their prefixes, ended ones too, never the keys themselves")
    async def listing(
        sender: str | None = None,
        after: Annotated[str, Query(description="The last prefix of the page before.", max_length=100)] = "",
        limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
    ) -> JSONAnswer:
        return JSONAnswer(await commands.every(sender=sender, after=after, limit=limit))

    @router.post("/{prefix}:rotate", status_code=201, summary="Make a key that takes over; both work for a while")
    async def rotate(prefix: str, rotation: Rotation | None = None) -> JSONAnswer:
        wanted = rotation or Rotation.model_validate({})
        overlap = timedelta(seconds=wanted.overlap_seconds)
        return JSONAnswer(await commands.rotate(prefix, overlap, wanted.expires_at), status_code=201)

    @router.post("/{prefix}:revoke", summary="End a key: within two seconds it is refused everywhere")
    async def revoke(prefix: str) -> JSONAnswer:
        return JSONAnswer(await commands.revoke(prefix))

    return router
