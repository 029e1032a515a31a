"""What the routes work with, and how every one of them is asked and answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import Response

from services.pipeline.api.guard import access_of
from services.pipeline.asking import Asked, Done
from services.pipeline.assigning import Assigning
from services.pipeline.bulk import Bulk
from services.pipeline.commands import Commands
from services.pipeline.contact_people import ContactPeople
from services.pipeline.contacting import Contacting
from services.pipeline.domain.access import EVERYWHERE, ApiToken, Reach
from services.pipeline.domain.amounts import normal_amount
from services.pipeline.domain.leaving import Leaving
from services.pipeline.domain.versions import etag, version_in
from services.pipeline.erasing import Erasing
from services.pipeline.exporting import Exporting
from services.pipeline.imports import HistoryImports
from services.pipeline.searching import Searching
from services.pipeline.webhooks.endpoints import Endpoints
from shared.contracts.envelope import Moment, Name
from shared.contracts.identity import event_id_from
from shared.contracts.policy import Policy
from shared.kit.database import Database
from shared.kit.header_texts import AsWritten
from shared.kit.ids import new_id
from shared.kit.keys.commands import KeyCommands
from shared.kit.problems import JSONAnswer


@dataclass(frozen=True, slots=True)
class Parts:
    """What `app.py` put together for the routes."""

    database: Database
    policy: Policy
    commands: Commands
    imports: HistoryImports
    identity_secret: bytes
    erasing: Erasing
    assigning: Assigning
    contacting: Contacting
    contact_people: ContactPeople
    tokens: KeyCommands[ApiToken]
    searching: Searching
    bulk: Bulk
    webhooks: Endpoints
    exporting: Exporting
    leaving: Leaving


def parts_of(request: Request) -> Parts:
    """The parts of this application."""
    parts: Parts = request.app.state.pipeline
    return parts


def _amount(value: Any) -> str:
    amount = normal_amount(value)
    if amount is None:
        raise ValueError("is no amount; write a decimal such as 1234.50")
    return amount


def _printable(value: str) -> str:
    if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError("has a character that no text has")
    return value


Amount = Annotated[str, BeforeValidator(_amount)]
Label = Annotated[Name, AfterValidator(_printable)]
Note = Annotated[str, Field(max_length=2000), AfterValidator(_printable)]


class Said(BaseModel):
    """What every command may say: when it happened, if not now. An unknown field is refused."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    occurred_at: Moment | None = None

    def body(self) -> dict[str, Any]:
        """What was said, to tell a repeated command from another one."""
        return self.model_dump(mode="json", exclude_none=True)


DEPLOYMENT_KEYS = "pipeline-api"
"""Where the keys of the deployment's token live; everybody else's live below."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The headers of a command."""

    actor: str
    idempotency_key: str | None
    if_match: str | None
    reach: Reach = EVERYWHERE
    namespace: str = DEPLOYMENT_KEYS

    def id_of(self, name: str) -> UUID:
        """The id of what is made: the same under the same key of the same sender."""
        if self.idempotency_key is None:
            return new_id()
        return event_id_from(f"{name}{self.namespace.removeprefix(DEPLOYMENT_KEYS)}", self.idempotency_key)

    def asked(self, name: str, said: Said) -> Asked:
        """A command under these circumstances."""
        at: datetime | None = said.occurred_at
        return Asked(name, said.body(), self.actor, at, self.idempotency_key, self.if_match, self.reach, self.namespace)


Doer = Annotated[
    str | None,
    AsWritten,
    Header(
        alias="Leadflow-Actor",
        min_length=1,
        max_length=200,
        description="Who does this, where the credentials name nobody.",
    ),
]
Key = Annotated[
    str | None,
    AsWritten,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="A name of your own for what you ask: sent again under it, it is done once.",
    ),
]


def _unversioned(request: Request, leadflow_actor: Doer = None, idempotency_key: Key = None) -> Circumstances:
    return _circumstances(request, leadflow_actor, idempotency_key)


def _circumstances(
    request: Request,
    leadflow_actor: Doer = None,
    idempotency_key: Key = None,
    if_match: Annotated[str | None, Header(description="The ETag the decision was made on.")] = None,
) -> Circumstances:
    caller, reach = access_of(request).caller, access_of(request).reach
    namespace = DEPLOYMENT_KEYS if caller.subject is None else f"{DEPLOYMENT_KEYS}/{caller.subject}"
    return Circumstances(caller.actor(leadflow_actor), idempotency_key, if_match, reach, namespace)


With = Annotated[Circumstances, Depends(_circumstances)]
Unversioned = Annotated[Circumstances, Depends(_unversioned)]
"""Of what has no version: the guard refuses an If-Match."""


def answer(done: Done, *, of_deal: bool = False, created: bool = False) -> Response:
    """A command's answer with the version to decide on next."""
    document = done.deal if of_deal and done.deal is not None else done.lead
    status = 201 if created and not done.repeated else 200
    return JSONAnswer(document, status_code=status, headers={"ETag": etag(version_in(done.lead))})
