"""Making the numbers again from a source, beside those that are used: HTTP in, HTTP out. Whoever drives it reads the source."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import orjson
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, ValidationError

from services.metrics.access import guard
from services.metrics.domain.rollups import Rules
from services.metrics.handlers import fact_of
from services.metrics.storage import shadowing as storage
from shared.contracts.envelope import LifecycleEvent
from shared.contracts.topics import PIPELINE_LIFECYCLE
from shared.kit.database import Database
from shared.kit.errors import Rejected

DEADLINE_SECONDS = 60.0


class Source(BaseModel):
    """Where facts come from."""

    source: Literal["log", "pipeline"]


class Shadow(Source):
    """A second set of tables that is being filled."""

    began_at: datetime
    facts: int = Field(description="Facts it holds by now.")


class Events(BaseModel):
    """Lifecycle events as they were published."""

    events: list[dict[str, Any]] = Field(max_length=2_000)


class Taken(BaseModel):
    """How many of them were new, and which nobody can read: these are as dead letters are, in no numbers."""

    new: int
    unreadable: int


class CaughtUp(Taken):
    """The same, and whether that was not yet all."""

    more: bool = Field(description="Whether there is more than a swap need be asked to take over by itself.")


class Swap(BaseModel):
    """Which one, so that asking twice is the same as once."""

    began_at: datetime | None = Field(None, description="When it began. Where it is in place already: how that ended.")
    lose: bool = Field(False, description="Also where what is used has facts that the source lacks.")


def router(database: Database, rules: Rules) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1/shadow", tags=["audit"], dependencies=[Depends(guard)])

    @routes.get("", summary="The rebuild that is being filled")
    async def shown() -> Shadow:
        found = await database.run(storage.state)
        if found is None:
            raise Rejected("There is none.", status=404, code="no-rebuild", fix="Begin one: POST /v1/shadow.")
        return Shadow(**found)

    @routes.post("", status_code=201, summary="Begin to make all numbers again beside those that are used")
    async def begin(asked: Source) -> Shadow:
        """Asked again, it is the same one."""
        return Shadow(
            **await database.run(lambda tx: storage.begin(tx, asked.source), deadline_seconds=DEADLINE_SECONDS)
        )

    @routes.post("/events", summary="Events of the source, in any order, again as often as you like")
    async def events(given: Events) -> Taken:
        facts, unreadable = [], 0
        for one in given.events:
            try:
                event = PIPELINE_LIFECYCLE.parse(orjson.dumps(one))
                if isinstance(
                    event, LifecycleEvent
                ):  # what is told of visitors is no fact of a lead, and stays as it is
                    facts.append(fact_of(event))
            except (ValidationError, ValueError):
                unreadable += 1
        new = (
            await database.run(lambda tx: storage.add(tx, facts, rules), deadline_seconds=DEADLINE_SECONDS)
            if facts
            else 0
        )
        return Taken(new=new, unreadable=unreadable)

    @routes.post("/catch-up", summary="Take over what was folded beside it since it began")
    async def catch_up() -> CaughtUp:
        """Some at a time: again while there is more. While facts are folded something is always new; the swap takes it over."""
        new = await database.run(lambda tx: storage.catch_up(tx, rules), deadline_seconds=DEADLINE_SECONDS)
        return CaughtUp(new=new, unreadable=0, more=new >= storage.AT_ONCE)

    @routes.get("/comparison", summary="What differs from the numbers that are used, and why")
    async def comparison() -> dict[str, Any]:
        while await database.run(storage.merge, deadline_seconds=DEADLINE_SECONDS):
            pass
        return await database.run(storage.comparison, deadline_seconds=DEADLINE_SECONDS)

    @routes.post("/swap", summary="Put it in the place of the numbers that are used, in one transaction")
    async def swap(asked: Swap | None = None) -> dict[str, Any]:
        """What was used is kept until it is dropped or the next swap."""
        which = asked or Swap()
        return await database.run(
            lambda tx: storage.swap(tx, rules, which.began_at, lose=which.lose), deadline_seconds=DEADLINE_SECONDS
        )

    @routes.delete("", summary="Give up a rebuild, and what a swap kept of the numbers before")
    async def drop() -> dict[str, list[str]]:
        return {"dropped": await database.run(storage.drop, deadline_seconds=DEADLINE_SECONDS)}

    return routes
