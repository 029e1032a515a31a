"""Leads over HTTP: look, list, and the commands on one lead."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.pipeline.api.guard import READ, WORK, Reaching, allowed
from services.pipeline.api.narrowing import Fields, OnlyLeads, asks_for, sparse
from services.pipeline.api.parts import Label, Note, Said, With, answer, parts_of
from services.pipeline.asking import moved, no_such_lead
from services.pipeline.domain import decisions
from services.pipeline.domain.consents import decide_consent
from services.pipeline.domain.outcomes import worded
from services.pipeline.domain.qualification import confirming
from services.pipeline.domain.state import Status
from services.pipeline.domain.versions import etag, version_in
from services.pipeline.storage import lead_list, queries
from services.pipeline.storage.touches import last_touches
from shared.contracts.activity_events import Seconds
from shared.contracts.addresses import read_email
from shared.contracts.envelope import Moment
from shared.contracts.identity import email_identity, external_identity, identity
from shared.contracts.marks import Mark
from shared.contracts.tokens import spellings
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1/leads", tags=["leads"])


class Assign(Said):
    """Who has the lead from now on."""

    owner: Label
    team: Label | None = None


class Archive(Said):
    """Why the lead is put aside: a reason of the policy; `other` needs a note. At `recycle_at` it comes back by itself; without
    one after the policy's `recycle_days` of the reason, if it has any."""

    reason: Label
    note: Note | None = None
    recycle_at: Moment | None = None


class Attempt(Said):
    """An attempt to reach the lead: a call, a message, a `meeting`. With `made` it was made already, and is recorded whatever
    the rules say of it. An `outcome` in words that the policy does not have is kept as a note is, and travels as `other`."""

    kind: Label
    outcome: Label | None = None
    owner: Label | None = None
    human: bool = True
    outbound: bool = True
    duration_seconds: Seconds | None = None
    made: bool = False


class Consent(Said):
    """What the person permits, or no longer does (`granted: false`)."""

    purpose: Label
    granted: bool
    lawful_basis: Label | None = None
    text_version: Label | None = None
    proof: Note | None = None


class MarkAs(Said):
    """What the lead is, if not a lead."""

    mark: Mark
    note: Note | None = None


class Release(Said):
    """Why the mark was a mistake."""

    note: Note | None = None


@router.get("", summary="Leads, oldest first, by unit, status, grade, owner, where they came from, identity and time")
@allowed(READ)
async def listing(
    request: Request,
    reach: Reaching,
    only: OnlyLeads,
    business_unit: Label | None = None,
    status: Status | None = None,
    mark: Annotated[Literal["test", "spam", "any", "none"] | None, Query(description="Whether held out.")] = None,
    contradicted: Annotated[
        bool, Query(description="Only those of which a record came again under its id, with another content.")
    ] = False,
    email: Annotated[
        str | None, Query(description="Needs business_unit where it is not `default`, or the only one you reach.")
    ] = None,
    external_id: str | None = None,
    sender: Annotated[str, Query(description="The system that external_id is from.")] = "import",
    fields: Fields = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """One page; `next_cursor` leads to the next, and the last has none. A page looks at no more than 2,000 leads: where few of them
    are meant it has fewer than `limit`, or none. `last_touch` is told where `fields` names it: it is read from all that each did."""
    parts = parts_of(request)
    sparse({}, fields, queries.LEAD_FIELDS)
    tokens: list[tuple[str, str, list[str]]] = []
    units = reach.within(business_unit)
    if email is not None or external_id is not None:
        unit = reach.one(business_unit)
        units = frozenset({unit})
        if email is not None:
            address = email_identity(read_email(email) or "")
            if address is None:
                raise Rejected(
                    "email is no address that recognises a person.",
                    field="email",
                    fix="Send a personal address such as name@example.com.",
                )
            tokens.append((unit, "email", [identity(parts.identity_secret, unit, "email", address).token]))
        if external_id is not None:
            known_by = [external_identity(sender, name) for name in spellings(external_id)]
            of = [identity(parts.identity_secret, unit, "external", value).token for value in known_by]
            tokens.append((unit, "external", of))
    found, following = await lead_list.listed(
        parts.database,
        units=units,
        status=status,
        mark=mark,
        contradicted=contradicted,
        tokens=tokens,
        only=only,
        after=_after(cursor),
        limit=limit,
    )
    if asks_for("last_touch", fields):
        last = await last_touches(parts.database, [one["lead_id"] for one in found])
        found = [{**one, "last_touch": last[one["lead_id"]]} for one in found]
    items = [sparse(one, fields, queries.LEAD_FIELDS) for one in found]
    following_page = _cursor(following.created_at, following.lead_id) if following is not None else None
    return JSONAnswer({"items": items, "next_cursor": following_page})


@router.get(
    "/{lead_id}", summary="One lead with its person and its opportunities; a merged id leads to its canonical one"
)
@allowed(READ)
async def one(request: Request, lead_id: UUID, fields: Fields = None) -> Response:
    """The lead as it is now."""
    database = parts_of(request).database
    await to_canonical(request, lead_id)
    document = await queries.lead_document(database, lead_id)
    return JSONAnswer(sparse(document, fields, document), headers={"ETag": etag(version_in(document), document)})


@router.get("/{lead_id}/history", summary="Everything that happened to a lead, in order, merged ids included")
@allowed(READ)
async def history(request: Request, lead_id: UUID) -> Response:
    """The whole story."""
    await to_canonical(request, lead_id, "/history")
    events = await queries.story(parts_of(request).database, lead_id)
    return JSONAnswer({"lead_id": lead_id, "events": events})


@router.get(
    "/{lead_id}/consents", summary="What the person permits now, and everything that was said about it, with proof"
)
@allowed(READ)
async def consents(request: Request, lead_id: UUID) -> Response:
    """By purpose, and as a history."""
    await to_canonical(request, lead_id, "/consents")
    now, said = await queries.consents(parts_of(request).database, lead_id)
    return JSONAnswer({"lead_id": lead_id, "purposes": now, "history": said})


@router.post("/{lead_id}:assign", summary="Give the lead an owner")
@allowed(WORK)
async def assign(request: Request, lead_id: UUID, said: Assign, circumstances: With) -> Response:
    """The first human action makes a new lead a worked one."""
    done = await parts_of(request).commands.on_lead(
        lead_id,
        circumstances.asked(":assign", said),
        lambda state, _, act: decisions.decide_assign(state, act, owner=said.owner, team=said.team),
    )
    return answer(done)


@router.post(
    "/{lead_id}:qualify", summary="Qualify the lead by your judgement, or confirm that a rule is right about it"
)
@allowed(WORK)
async def qualify(request: Request, lead_id: UUID, circumstances: With, said: Said | None = None) -> Response:
    """Worth a salesperson's time. Ends what was waiting to be confirmed."""
    done = await parts_of(request).commands.on_lead(
        lead_id,
        circumstances.asked(":qualify", said or Said()),
        lambda state, _, act: decisions.decide_qualify(state, act),
        guard=confirming,
    )
    return answer(done)


@router.post("/{lead_id}:requalify", summary="Ask the policy's rules of today about the lead again")
@allowed(WORK)
async def requalify(request: Request, lead_id: UUID, circumstances: With, said: Said | None = None) -> Response:
    """After a policy has changed: without it rules are asked when something becomes known. 409 where none holds."""
    done = await parts_of(request).commands.requalify(lead_id, circumstances.asked(":requalify", said or Said()))
    return answer(done)


@router.post("/{lead_id}:archive", summary="Put the lead aside, with a reason of the policy, for good or until a date")
@allowed(WORK)
async def archive(request: Request, lead_id: UUID, said: Archive, circumstances: With) -> Response:
    """Reversible with `:reopen`."""
    done = await parts_of(request).commands.on_lead(
        lead_id,
        circumstances.asked(":archive", said),
        lambda state, unit, act: decisions.decide_archive(
            state, unit, act, reason=said.reason, note=said.note, recycle_at=said.recycle_at
        ),
    )
    return answer(done)


@router.post("/{lead_id}:reopen", summary="Take an archived lead up again")
@allowed(WORK)
async def reopen(request: Request, lead_id: UUID, circumstances: With, said: Said | None = None) -> Response:
    """It stands where it stood before it was archived."""
    done = await parts_of(request).commands.on_lead(
        lead_id,
        circumstances.asked(":reopen", said or Said()),
        lambda state, _, act: decisions.decide_reopen(state, act),
    )
    return answer(done)


@router.post("/{lead_id}:record-contact", summary="Record that someone tried to reach the lead")
@allowed(WORK)
async def record_contact(request: Request, lead_id: UUID, said: Attempt, circumstances: With) -> Response:
    """Only an outbound attempt by a human counts as a response. One that consent, a limit or quiet hours forbid is answered 409,
    with `allowed_at` where time makes it allowed."""
    contacting = parts_of(request).contacting
    done = await parts_of(request).commands.on_lead(
        lead_id,
        circumstances.asked(":record-contact", said),
        lambda state, unit, act: [
            worded(unit, draft)
            for draft in decisions.decide_contact(
                state,
                act,
                kind=said.kind,
                outcome=said.outcome,
                owner=said.owner,
                human=said.human,
                outbound=said.outbound,
                duration_seconds=said.duration_seconds,
            )
        ],
        guard=contacting.made if said.made else contacting.wanted,
    )
    return answer(done)


@router.get(
    "/{lead_id}/contact-allowance", summary="Whether the lead may be contacted on a channel now, and if not, when"
)
@allowed(READ)
async def contact_allowance(request: Request, lead_id: UUID, channel: Label) -> Response:
    """What `:record-contact` would say."""
    await to_canonical(request, lead_id, "/contact-allowance")
    no = await parts_of(request).contacting.verdict(lead_id, channel)
    return JSONAnswer(
        {
            "lead_id": lead_id,
            "channel": channel,
            "allowed": no is None,
            "reason": no.reason if no else None,
            "words": no.words if no else None,
            "allowed_at": no.allowed_at if no else None,
        }
    )


@router.post(
    "/{lead_id}:record-consent", summary="Record that the person permits something, refuses it or withdraws it"
)
@allowed(WORK)
async def record_consent(request: Request, lead_id: UUID, said: Consent, circumstances: With) -> Response:
    """The last word on a purpose holds, by `occurred_at`. A refusal holds of each of the ids that are this person by then, also
    when a merge is taken back."""
    commands = parts_of(request).commands
    done = await (commands.on_lead if said.granted else commands.on_person)(
        lead_id,
        circumstances.asked(":record-consent", said),
        lambda state, _, act: decide_consent(
            act,
            purpose=said.purpose,
            granted=said.granted,
            lawful_basis=said.lawful_basis,
            text_version=said.text_version,
            proof=said.proof,
        ),
    )
    return answer(done)


@router.post("/{lead_id}:mark", summary="Hold the lead out of qualification and numbers, as a test or as spam")
@allowed(WORK)
async def mark(request: Request, lead_id: UUID, said: MarkAs, circumstances: With) -> Response:
    """Holds whatever is captured of it later, until somebody releases it."""
    done = await parts_of(request).commands.on_person(
        lead_id,
        circumstances.asked(":mark", said),
        lambda state, _, act: decisions.decide_mark(state, act, mark=said.mark, note=said.note),
    )
    return answer(done)


@router.post("/{lead_id}:release", summary="Take every mark of the lead back")
@allowed(WORK)
async def release(request: Request, lead_id: UUID, circumstances: With, said: Release | None = None) -> Response:
    """It counts from when it came in, as if there had been no mark."""
    word = said or Release()
    done = await parts_of(request).commands.on_person(
        lead_id,
        circumstances.asked(":release", word),
        lambda state, _, act: decisions.decide_release(state, act, note=word.note),
    )
    return answer(done)


@router.post("/{lead_id}:unmerge", summary="Take the merge of this id back, for good")
@allowed(WORK)
async def unmerge(request: Request, lead_id: UUID, circumstances: With, said: Said | None = None) -> Response:
    """Name the id that was merged into another. The same identity does not join the two again."""
    done = await parts_of(request).commands.unmerge(
        lead_id, circumstances.asked(":unmerge", said or Said()), decisions.decide_unmerge
    )
    return answer(done)


async def to_canonical(request: Request, lead_id: UUID, below: str = "") -> None:
    """Answers 404 for an id nobody knows and 308 for a merged one, with all that was asked, through `Rejected`."""
    root_id = await queries.root_of(parts_of(request).database, lead_id)
    if root_id is None:
        raise no_such_lead()
    if root_id != lead_id:
        raise moved(lead_id, root_id, f"{below}?{query}" if (query := request.url.query) else below)


def _cursor(created_at: datetime, lead_id: UUID) -> str:
    return base64.urlsafe_b64encode(f"{created_at.isoformat()} {lead_id}".encode()).decode()


def _after(cursor: str | None) -> lead_list.Page | None:
    if cursor is None:
        return None
    try:
        at, _, lead_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        return lead_list.Page(datetime.fromisoformat(at), UUID(lead_id))
    except (ValueError, binascii.Error):
        raise Rejected(
            "cursor is none of ours.", field="cursor", fix="Send the next_cursor of the page before."
        ) from None
