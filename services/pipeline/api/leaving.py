"""For whoever was written to, and for no system: they want no more of it. Nobody says who they are; what a message named is enough,
and good for nothing else. Looking at it does nothing, as mail programs look at everything."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from services.pipeline.api.parts import parts_of
from services.pipeline.asking import Asked
from services.pipeline.domain.consents import decide_consent, is_refused
from services.pipeline.domain.facts import Draft, Fact
from services.pipeline.domain.leaving import BY_MESSAGE, Written
from services.pipeline.storage import queries
from shared.kit.errors import Rejected

router = APIRouter(include_in_schema=False)

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="robots" content="noindex">
<meta name="viewport" content="width=device-width"><title>E-mail</title>
<body style="font-family: sans-serif; max-width: 30em; margin: 4em auto; padding: 0 1em"><p>{words}</p>{more}</body></html>"""
ASK = """<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click"><button>Send me no more</button></form>"""
ADDRESS = "/unsubscribe/{token}"


@router.get(ADDRESS)
async def look(request: Request, token: str) -> HTMLResponse:
    """Asks whether it is meant."""
    if parts_of(request).leaving.read(token) is None:
        return _page("This address is not one that we wrote to you.", status_code=404)
    return _page("Do you want no more e-mails of this kind?", ASK)


@router.post(ADDRESS)
async def leave(request: Request, token: str) -> HTMLResponse:
    """One click of a mail program (RFC 8058), or of the page. What it sends is not read. Done again it is nothing new."""
    written = parts_of(request).leaving.read(token)
    if written is None or not await _refuses(request, written):
        return _page("This address is not one that we wrote to you.", status_code=404)
    return _page("You get no more e-mails of this kind.")


async def _refuses(request: Request, written: Written) -> bool:
    """Records that the person permits it no more, whoever they are by now: in the story of each of their ids, so that it holds of
    each when they are parted again. False where nobody is known."""
    parts = parts_of(request)
    for attempt in range(3):
        root_id = await queries.root_of(parts.database, written.lead_id)
        if root_id is None:
            return False
        try:
            await parts.commands.on_person(
                root_id,
                Asked(":record-consent", {}, BY_MESSAGE),
                lambda _, unit, act: decide_consent(
                    act,
                    purpose=unit.contact.mail_purpose,
                    granted=False,
                    lawful_basis=None,
                    text_version=None,
                    proof=f"by the address in message {written.message_id}",
                ),
                unless=_is_refused,
            )
        except Rejected as error:
            if error.code != "merged" or attempt == 2:
                raise
            continue
        return True
    return False


def _is_refused(story: Sequence[Fact], draft: Draft) -> bool:
    return is_refused(story, draft.data["purpose"])


def _page(words: str, more: str = "", *, status_code: int = 200) -> HTMLResponse:
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return HTMLResponse(PAGE.format(words=words, more=more), status_code=status_code, headers=headers)
