"""What a lead is and needs, and who there is to speak with about it, over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from services.pipeline.api.guard import WORK, allowed
from services.pipeline.api.parts import Label, Note, Said, With, answer, parts_of
from services.pipeline.contact_people import Also
from services.pipeline.domain.decisions import decide_describe
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.ledger import Ledger

router = APIRouter(prefix="/v1/leads", tags=["leads"])

Words = Annotated[Note, Field(min_length=1)]


class Describe(Said):
    """A person or an organisation, and what they need, in their words."""

    kind: Literal["person", "organisation"] | None = None
    need: Words | None = None


@router.post("/{lead_id}:describe", summary="Say what the lead is, a person or an organisation, and what it needs")
@allowed(WORK)
async def describe(request: Request, lead_id: UUID, said: Describe, circumstances: With) -> Response:
    """The last word holds. The need is kept with the person, and forgotten with them."""

    def known(ledger: Ledger, lead_id: UUID, drafts: list[Draft]) -> list[Draft]:
        if said.need is not None:
            ledger[lead_id].personal = {**ledger[lead_id].personal, "need": said.need}
        return drafts

    done = await parts_of(request).commands.on_lead(
        lead_id,
        circumstances.asked(":describe", said),
        lambda state, _, act: decide_describe(act, kind=said.kind, need=said.need),
        guard=known,
    )
    return answer(done)


class Contact(Said):
    """Somebody to speak with, in a role of the policy, with a name, an address or a number at least."""

    role: Label
    name: Label | None = None
    email: Label | None = None
    phone: Label | None = None
    job_title: Label | None = None


class ContactChange(Said):
    """What is different of a contact."""

    role: Label | None = None
    name: Label | None = None
    email: Label | None = None
    phone: Label | None = None
    job_title: Label | None = None


@router.post("/{lead_id}/contacts", summary="Add somebody to speak with about the lead, in a role", status_code=201)
@allowed(WORK)
async def add_contact(request: Request, lead_id: UUID, said: Contact, circumstances: With) -> Response:
    """Where their address or number is nobody's yet and not shared, whoever comes with it is of this lead."""
    also = parts_of(request).contact_people.add(_of(said))
    return await _contact(request, lead_id, said, circumstances, "", also)


@router.post("/{lead_id}/contacts/{contact_id}:change", summary="A contact has another role, address, number or name")
@allowed(WORK)
async def change_contact(
    request: Request, lead_id: UUID, contact_id: UUID, said: ContactChange, circumstances: With
) -> Response:
    """What is not sent stays."""
    also = parts_of(request).contact_people.change(contact_id, _of(said))
    return await _contact(request, lead_id, said, circumstances, ":change", also, contact_id)


@router.post("/{lead_id}/contacts/{contact_id}:remove", summary="A contact is none any more")
@allowed(WORK)
async def remove_contact(
    request: Request, lead_id: UUID, contact_id: UUID, circumstances: With, said: Said | None = None
) -> Response:
    """The history keeps that there was one."""
    also = parts_of(request).contact_people.remove(contact_id)
    return await _contact(request, lead_id, said or Said(), circumstances, ":remove", also, contact_id)


async def _contact(
    request: Request,
    lead_id: UUID,
    said: Said,
    circumstances: With,
    does: str,
    also: Also,
    contact_id: UUID | None = None,
) -> Response:
    whose = f"/{contact_id}" if contact_id is not None else ""
    asked = replace(circumstances.asked(f"/contacts{whose}{does}", said), counted_as=f"/contacts{does}")
    done = await parts_of(request).commands.on_lead(lead_id, asked, lambda _state, _unit, _act: [], also=also)
    return answer(done, created=contact_id is None)


def _of(said: Contact | ContactChange) -> dict[str, str]:
    return said.model_dump(exclude={"occurred_at"}, exclude_none=True)
