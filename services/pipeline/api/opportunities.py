"""Opportunities over HTTP: open, look, move, say what they are worth, win, lose, reopen."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.pipeline.api.guard import READ, WORK, Reaching, allowed
from services.pipeline.api.lines import Lines, as_lines
from services.pipeline.api.parts import Amount, Label, Note, Said, With, answer, parts_of
from services.pipeline.asking import one_deal
from services.pipeline.commands import DecideDeal
from services.pipeline.domain import deal_story, deals
from services.pipeline.domain.versions import etag
from services.pipeline.storage import by_name, queries, tasks
from shared.contracts.envelope import Currency, Moment
from shared.kit.ids import new_id
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1", tags=["opportunities"])

Unit = Annotated[Label | None, Query(description="Needed where several units have an opportunity of this id.")]


class Open(Said):
    """A deal. Without a pipeline it begins in the one that the policy's rules choose, without a stage in the pipeline's first.
    Without an amount it is worth the sum of its lines. Without an id it is given one."""

    opportunity_id: Label | None = None
    pipeline: Label | None = None
    stage: Label | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    product: Label | None = None
    owner: Label | None = None
    team: Label | None = None
    expected_close: Moment | None = None
    lines: Lines = ()


class Move(Said):
    """The stage the deal entered."""

    stage: Label


class ChangeAmount(Said):
    """What the deal is worth."""

    amount: Amount
    currency: Currency | None = None


class ChangeLines(Said):
    """All that the deal is about, from now on. It is worth the sum of it, unless an amount is given."""

    lines: Lines
    amount: Amount | None = None
    currency: Currency | None = None


class ChangeCloseDate(Said):
    """When the deal is expected to close."""

    expected_close: Moment


class HandOver(Said):
    """Who has the deal from now on."""

    owner: Label
    team: Label | None = None


class Win(Said):
    """What the deal was won for, if not its amount so far, and why, where the policy has win reasons; `other` needs a note."""

    amount: Amount | None = None
    currency: Currency | None = None
    reason: Label | None = None
    note: Note | None = None


class Lose(Said):
    """Why: a loss reason of the policy; `other` needs a note."""

    reason: Label
    note: Note | None = None


@router.post("/leads/{lead_id}/opportunities", status_code=201, summary="Open an opportunity with a qualified lead")
@allowed(WORK)
async def open_one(request: Request, lead_id: UUID, circumstances: With, said: Open | None = None) -> Response:
    """The lead is converted from then on."""
    deal = said or Open()
    name = deal.opportunity_id or str(new_id())
    done = await parts_of(request).commands.on_lead(
        lead_id,
        circumstances.asked("/opportunities", deal),
        lambda state, unit, act: deals.decide_open(
            state,
            unit,
            act,
            deals.Deal(
                name,
                deal.pipeline,
                deal.stage,
                deal.amount,
                deal.currency,
                deal.product,
                deal.owner,
                deal.team,
                deal.expected_close,
                as_lines(deal.lines),
            ),
        ),
    )
    return answer(done, of_deal=True, created=True)


@router.get("/opportunities/{opportunity_id:path}", summary="One opportunity as it is now")
@allowed(READ)
async def one(request: Request, reach: Reaching, opportunity_id: Label, business_unit: Unit = None) -> Response:
    """The deal, where it has been and what it was worth when; and its lead's version to decide on."""
    parts = parts_of(request)
    row = one_deal(await by_name.found(parts.database, by_name.DEALS, opportunity_id, business_unit, reach.all))
    version = await queries.version_of(parts.database, row.root_id)  # before what it is the version of
    row = one_deal(await by_name.found(parts.database, by_name.DEALS, opportunity_id, row.business_unit, reach.all))
    facts = await queries.facts_of(parts.database, row.root_id)
    unit = parts.policy.unit(row.business_unit)
    story = deal_story.told(opportunity_id, facts, unit, parts.database.clock.now())
    due = await tasks.open_tasks(parts.database, [row.lead_id])
    overdue_at = next((one.due_at for one in due if one.kind == "stage" and one.opportunity_id == opportunity_id), None)
    document = {**queries.deal_document(row), "overdue_at": overdue_at, **story}
    return JSONAnswer(document, headers={"ETag": etag(version, document)})


@router.post("/opportunities/{opportunity_id:path}:move", summary="Move it to a stage, forward, back or skipping")
@allowed(WORK)
async def move(
    request: Request, opportunity_id: Label, said: Move, circumstances: With, business_unit: Unit = None
) -> Response:
    """Stages are the policy's."""
    return await _do(
        request, opportunity_id, business_unit, circumstances, ":move", said,
        lambda deal, unit, act: deals.decide_move(deal, unit, act, stage=said.stage),
    )  # fmt: skip


@router.post("/opportunities/{opportunity_id:path}:change-amount", summary="Correct what it is worth")
@allowed(WORK)
async def change_amount(
    request: Request, opportunity_id: Label, said: ChangeAmount, circumstances: With, business_unit: Unit = None
) -> Response:
    """While it is open."""
    return await _do(
        request, opportunity_id, business_unit, circumstances, ":change-amount", said,
        lambda deal, unit, act: deals.decide_change_amount(deal, unit, act, amount=said.amount, currency=said.currency),
    )  # fmt: skip


@router.post("/opportunities/{opportunity_id:path}:change-lines", summary="Say anew what it is about: all its lines")
@allowed(WORK)
async def change_lines(
    request: Request, opportunity_id: Label, said: ChangeLines, circumstances: With, business_unit: Unit = None
) -> Response:
    """While it is open. Its amount is their sum, unless one is given."""
    return await _do(
        request, opportunity_id, business_unit, circumstances, ":change-lines", said,
        lambda deal, unit, act: deals.decide_change_lines(
            deal, unit, act, lines=as_lines(said.lines), amount=said.amount, currency=said.currency
        ),
    )  # fmt: skip


@router.post("/opportunities/{opportunity_id:path}:change-close-date", summary="Correct when it is expected to close")
@allowed(WORK)
async def change_close_date(
    request: Request, opportunity_id: Label, said: ChangeCloseDate, circumstances: With, business_unit: Unit = None
) -> Response:
    """While it is open."""
    return await _do(
        request, opportunity_id, business_unit, circumstances, ":change-close-date", said,
        lambda deal, _, act: deals.decide_change_close_date(deal, act, expected_close=said.expected_close),
    )  # fmt: skip


@router.post("/opportunities/{opportunity_id:path}:assign", summary="Give it to somebody else, with what is due for it")
@allowed(WORK)
async def hand_over(
    request: Request, opportunity_id: Label, said: HandOver, circumstances: With, business_unit: Unit = None
) -> Response:
    """While it is open. What was done with it before stays theirs who did it; the lead keeps its owner."""
    return await _do(
        request, opportunity_id, business_unit, circumstances, ":assign", said,
        lambda deal, _, act: deals.decide_hand_over(deal, act, owner=said.owner, team=said.team),
    )  # fmt: skip


@router.post("/opportunities/{opportunity_id:path}:win", summary="Close it with a sale")
@allowed(WORK)
async def win(
    request: Request, opportunity_id: Label, circumstances: With, said: Win | None = None, business_unit: Unit = None
) -> Response:
    """The lead is a customer from then on."""
    won = said or Win()
    return await _do(
        request, opportunity_id, business_unit, circumstances, ":win", won,
        lambda deal, unit, act: deals.decide_win(
            deal, unit, act, amount=won.amount, currency=won.currency, reason=won.reason, note=won.note
        ),
    )  # fmt: skip


@router.post(
    "/opportunities/{opportunity_id:path}:lose", summary="Close it without a sale, with a reason of the policy"
)
@allowed(WORK)
async def lose(
    request: Request, opportunity_id: Label, said: Lose, circumstances: With, business_unit: Unit = None
) -> Response:
    """Its last amount stays."""
    return await _do(
        request, opportunity_id, business_unit, circumstances, ":lose", said,
        lambda deal, unit, act: deals.decide_lose(deal, unit, act, reason=said.reason, note=said.note),
    )  # fmt: skip


@router.post("/opportunities/{opportunity_id:path}:reopen", summary="Open it again in the stage it was closed from")
@allowed(WORK)
async def reopen(
    request: Request, opportunity_id: Label, circumstances: With, said: Said | None = None, business_unit: Unit = None
) -> Response:
    """Won or lost."""
    return await _do(
        request, opportunity_id, business_unit, circumstances, ":reopen", said or Said(), deals.decide_reopen_deal
    )  # fmt: skip


async def _do(
    request: Request,
    opportunity_id: Label,
    business_unit: str | None,
    circumstances: With,
    name: str,
    said: Said,
    decide: DecideDeal,
) -> Response:
    asked = circumstances.asked(f"/opportunities{name}", said)
    done = await parts_of(request).commands.on_deal(opportunity_id, business_unit, asked, decide, ends=name == ":lose")
    return answer(done, of_deal=True)
