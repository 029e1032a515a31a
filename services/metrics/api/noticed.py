"""Findings that go on, and what people say of them: HTTP in, HTTP out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel, ConfigDict, Field

from services.metrics.access import Access, Reaching, guard
from services.metrics.domain.noticing import State, Word
from services.metrics.moments import gone
from services.metrics.storage import noticed as storage
from shared.contracts.envelope import Moment
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.errors import Rejected
from shared.kit.header_texts import AsWritten
from shared.kit.problems import JSONAnswer

Actor = Annotated[
    str,
    AsWritten,
    Header(alias="Leadflow-Actor", max_length=200, description="Who says so; put on record.", pattern=r"^[^\x00]*$"),
]
SAID: dict[str, State] = {
    "acknowledge": State.ACKNOWLEDGED,
    "dismiss": State.DISMISSED,
    "reopen": State.OPEN,
}


class Said(BaseModel):
    """What somebody thinks of a finding. It names nobody."""

    model_config = ConfigDict(extra="forbid")

    why: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
    until: Moment | None = Field(None, description="When it is open again; as long as it lasts where it is not said.")


def router(database: Database, clock: Clock) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1/findings", tags=["kpis"], dependencies=[Depends(guard)])

    @routes.get("/noticed", summary="Findings over time, and where they stand with people")
    async def listing(
        state: Annotated[State | None, Query(description="Only these; all that go on when left out.")] = None,
        business_unit: Annotated[list[str] | None, Query(description="Only of this unit; may be repeated.")] = None,
        as_of: Annotated[Moment | None, Query(description="As it was at this moment.")] = None,
        after: Annotated[str | None, Query(max_length=100, description="The `next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
    ) -> JSONAnswer:
        """The latest first. It is looked for them as of every midnight and again during the day; one that is found again goes on, one
        that comes back after it was not found is a new one, of which nothing was said."""
        now = clock.now()
        moment = gone("as_of", as_of, now) if as_of else now
        look = await storage.last_look(database)
        found = await storage.known(
            database, moment, units=business_unit or (), ended=state is State.ENDED, before=_place(after), limit=limit
        )
        last = found[-1] if len(found) == limit else None
        return JSONAnswer(
            {
                "as_of": moment,
                "looked": {"as_of": look.as_of, "at": look.looked_at, "tests": look.tests},
                "items": [noticed_shown(one) for one in found if state is None or one.state is state],
                "next": None if last is None else f"{last.since.isoformat()}~{last.noticed_id}",
            }
        )

    @routes.get("/noticed/{noticed_id}", summary="One of them, with everything that was said of it")
    async def one(noticed_id: UUID, access: Reaching) -> JSONAnswer:
        return JSONAnswer(await _shown(noticed_id, access))

    @routes.post("/noticed/{noticed_id}:{what}", summary="Acknowledge or dismiss one, or open it again; with a reason")
    async def say(
        noticed_id: UUID,
        what: Literal["acknowledge", "dismiss", "reopen"],
        said: Said,
        access: Reaching,
        actor: Actor = "api",
    ) -> JSONAnswer:
        """The last word holds until its time is over, or the finding is. Every word is kept, with who said it."""
        now = clock.now()
        if said.until is not None and said.until <= now:
            raise Rejected("until has passed.", code="invalid-parameter", field="until", fix="Send a time to come.")
        await _shown(noticed_id, access)
        word = Word(SAID[what], actor or "api", said.why, now, said.until)
        if not await database.run(lambda tx: storage.say(tx, noticed_id, word)):
            raise _unknown()
        return JSONAnswer(await _shown(noticed_id, access))

    async def _shown(noticed_id: UUID, access: Access) -> dict[str, Any]:
        found = await storage.known(database, clock.now(), ended=True, one=noticed_id)
        if not found or not access.sees(found[0].business_unit):
            raise _unknown()
        said = await storage.words(database, noticed_id)
        return {**noticed_shown(found[0]), "words": [word_shown(word) for word in said]}

    return routes


def noticed_shown(one: storage.Noticed) -> dict[str, Any]:
    """A finding as it was when it was last found, since when it is there and where it stands."""
    return {
        "id": one.noticed_id,
        "since": one.since,
        "seen": one.seen,
        "ended": one.ended,
        "severity": one.severity,
        "state": one.state,
        **word_shown(one.word),
        "finding": one.content,
    }


def word_shown(word: Word | None) -> dict[str, Any]:
    """What somebody said."""
    if word is None:
        return {"said": None, "by": None, "why": None, "at": None, "until": None}
    return {"said": word.said, "by": word.by, "why": word.why, "at": word.at, "until": word.until}


def _place(after: str | None) -> tuple[datetime, UUID] | None:
    if after is None:
        return None
    try:
        since, _, noticed_id = after.partition("~")
        return datetime.fromisoformat(since), UUID(noticed_id)
    except ValueError:
        raise Rejected(
            "It is no place to go on from.", code="invalid-parameter", field="after",
            fix="Send the `next` of the page before.",
        ) from None  # fmt: skip


def _unknown() -> Rejected:
    return Rejected(
        "There is no finding of this id.", status=404, code="unknown-finding", field="noticed_id",
        fix="GET /v1/findings/noticed lists them.",
    )  # fmt: skip
