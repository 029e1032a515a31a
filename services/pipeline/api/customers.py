"""After the sale, over HTTP: orders and what becomes of them, customers who leave, how satisfied they are."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator
from starlette.responses import Response

from services.pipeline.api.guard import READ, WORK, Reaching, allowed, no_such_order
from services.pipeline.api.leads import to_canonical
from services.pipeline.api.lines import Lines, as_lines
from services.pipeline.api.parts import Amount, Label, Note, Said, With, answer, parts_of
from services.pipeline.asking import Done
from services.pipeline.commands import DecideLead
from services.pipeline.domain import customer_story, customers
from services.pipeline.domain.versions import etag, version_in
from services.pipeline.naming import ambiguous
from services.pipeline.storage import by_name, queries
from shared.contracts.envelope import Currency, Moment
from shared.contracts.lifecycle_events import Scale
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1", tags=["customers"])

Unit = Annotated[Label | None, Query(description="Needed where several units have an order of this id.")]


def _not_less_than_nothing(value: str) -> str:
    if Decimal(value) < 0:
        raise ValueError("is less than nothing; what is paid back is a refund")
    return value


Paid = Annotated[Amount, AfterValidator(_not_less_than_nothing)]


class Place(Said):
    """An order under the id that it has where it comes from; without one it is given one. It is worth its lines, unless an amount
    is given. `renews` names the order that it goes on with, `runs_until` when what was ordered ends."""

    order_id: Label | None = None
    opportunity_id: Label | None = None
    amount: Paid | None = None
    currency: Currency | None = None
    product: Label | None = None
    cost: Paid | None = None
    lines: Lines = ()
    renews: Label | None = None
    runs_until: Moment | None = None


class Refund(Said):
    """How much is paid back, all that is left where it is not said, and why."""

    amount: Paid | None = None
    reason: Label | None = None
    note: Note | None = None


class CancelOrder(Said):
    """Why."""

    reason: Label | None = None
    note: Note | None = None


class Churn(Said):
    """Why: a churn reason of the policy; `other` needs a note."""

    reason: Label
    note: Note | None = None


class Ask(Said):
    """On which scale."""

    scale: Scale = "csat"


class Satisfaction(Said):
    """1 to 5 (`csat`), or 0 to 10 (`nps`), and what was said beside it."""

    value: float
    scale: Scale = "csat"
    comment: Note | None = None


@router.post("/leads/{lead_id}/orders", status_code=201, summary="Place an order of a customer")
@allowed(WORK)
async def place(request: Request, lead_id: UUID, said: Place, circumstances: With) -> Response:
    """Whoever orders is a customer. An order that is known already is nothing new (200), another one under its id refused."""
    name = said.order_id or str(circumstances.id_of("orders"))
    wanted = customers.Order(
        name, said.opportunity_id, said.amount, said.currency, said.product, said.cost, as_lines(said.lines) or None,
        said.renews, said.runs_until,
    )  # fmt: skip
    parts = parts_of(request)
    before = any(row.root_id == lead_id for row in await by_name.found(parts.database, by_name.ORDERS, name, None))
    done = await parts.commands.on_lead(
        lead_id,
        circumstances.asked("/orders", said),
        lambda state, unit, act: customers.decide_order(state, unit, act, wanted),
    )
    return await _told(request, name, done, status=200 if done.repeated or before else 201)


@router.get("/leads/{lead_id}/customer", summary="What is known of a lead as a customer")
@allowed(READ)
async def customer(request: Request, lead_id: UUID) -> Response:
    """Orders, revenue, answers, and whether they are still there."""
    await to_canonical(request, lead_id, "/customer")
    return JSONAnswer({"lead_id": lead_id, **await _customer(request, lead_id)})


@router.get("/orders/{order_id:path}", summary="One order as it is now")
@allowed(READ)
async def one(request: Request, reach: Reaching, order_id: Label, business_unit: Unit = None) -> Response:
    """With its refunds, and its lead's version to decide on."""
    row = await _order(request, reach, order_id, business_unit)
    version = await queries.version_of(parts_of(request).database, row.root_id)  # before what it is the version of
    shown = await _customer(request, row.root_id)
    found = next(order for order in shown["orders"] if order["order_id"] == order_id)
    document = {"lead_id": row.root_id, **found}
    return JSONAnswer(document, headers={"ETag": etag(version, document)})


@router.post("/orders/{order_id:path}:refund", summary="Pay a part of an order back, or all that is left of it")
@allowed(WORK)
async def refund(
    request: Request,
    reach: Reaching,
    order_id: Label,
    circumstances: With,
    said: Refund | None = None,
    business_unit: Unit = None,
) -> Response:
    """Each refund is one: send it again under its Idempotency-Key."""
    word = said or Refund()
    return await _do(
        request, reach, order_id, business_unit, circumstances, ":refund", word,
        lambda state, unit, act: customers.decide_refund(
            state, unit, act, order_id=order_id, amount=word.amount, reason=word.reason, note=word.note
        ),
    )  # fmt: skip


@router.post("/orders/{order_id:path}:cancel", summary="Take an order back as a whole")
@allowed(WORK)
async def cancel(
    request: Request,
    reach: Reaching,
    order_id: Label,
    circumstances: With,
    said: CancelOrder | None = None,
    business_unit: Unit = None,
) -> Response:
    """Whoever has bought nothing else is no customer any more."""
    word = said or CancelOrder()
    return await _do(
        request, reach, order_id, business_unit, circumstances, ":cancel", word,
        lambda state, unit, act: customers.decide_cancel_order(
            state, unit, act, order_id=order_id, reason=word.reason, note=word.note
        ),
    )  # fmt: skip


@router.post("/leads/{lead_id}:churn", summary="Record that a customer has left")
@allowed(WORK)
async def churn(request: Request, lead_id: UUID, said: Churn, circumstances: With) -> Response:
    """Until they buy again."""
    done = await parts_of(request).commands.on_lead(
        lead_id,
        circumstances.asked(":churn", said),
        lambda state, unit, act: customers.decide_churn(state, unit, act, reason=said.reason, note=said.note),
    )
    return answer(done)


@router.post("/leads/{lead_id}:ask-satisfaction", summary="Record that a customer was asked how satisfied they are")
@allowed(WORK)
async def ask(request: Request, lead_id: UUID, circumstances: With, said: Ask | None = None) -> Response:
    """What answers are a share of."""
    word = said or Ask()
    done = await parts_of(request).commands.on_lead(
        lead_id,
        circumstances.asked(":ask-satisfaction", word),
        lambda state, _, act: customers.decide_ask(state, act, scale=word.scale),
    )
    return answer(done)


@router.post("/leads/{lead_id}:record-satisfaction", summary="Record how satisfied a customer says they are")
@allowed(WORK)
async def satisfaction(request: Request, lead_id: UUID, said: Satisfaction, circumstances: With) -> Response:
    """Asked or not."""
    done = await parts_of(request).commands.on_lead(
        lead_id,
        circumstances.asked(":record-satisfaction", said),
        lambda state, _, act: customers.decide_satisfaction(
            state, act, scale=said.scale, value=said.value, comment=said.comment
        ),
    )
    return answer(done)


async def _customer(request: Request, root_id: UUID) -> dict[str, Any]:
    return customer_story.told(await queries.facts_of(parts_of(request).database, root_id))


async def _order(request: Request, reach: Reaching, order_id: str, business_unit: str | None) -> Any:
    found = await by_name.found(parts_of(request).database, by_name.ORDERS, order_id, business_unit, reach.all)
    if not found:
        raise no_such_order()
    if len(found) > 1:
        raise ambiguous("order", found)
    return found[0]


async def _do(
    request: Request,
    reach: Reaching,
    order_id: Label,
    business_unit: str | None,
    circumstances: With,
    name: str,
    said: Said,
    decide: DecideLead,
) -> Response:
    row = await _order(request, reach, order_id, business_unit)
    asked = replace(circumstances.asked(f"/orders{name}", said), target=f"{row.business_unit}/{order_id}")
    commands = parts_of(request).commands
    try:
        done = await commands.on_lead(row.root_id, asked, decide)
    except Rejected as rejected:
        if rejected.code != "merged":
            raise
        now = await _order(request, reach, order_id, row.business_unit)  # its lead was merged since it was looked up
        done = await commands.on_lead(now.root_id, asked, decide)
    return await _told(request, order_id, done)


async def _told(request: Request, order_id: str, done: Done, *, status: int = 200) -> Response:
    """An order after a command, of whomever it is now: sent again after an unmerge, that may be another lead than it was."""
    database = parts_of(request).database
    (row,) = await by_name.found(database, by_name.ORDERS, order_id, done.lead["business_unit"])
    is_same = str(row.root_id) == str(done.lead["lead_id"])
    version = version_in(done.lead) if is_same else await queries.version_of(database, row.root_id)
    shown = await _customer(request, row.root_id)
    document = next(order for order in shown["orders"] if order["order_id"] == order_id)
    return JSONAnswer(document, status_code=status, headers={"ETag": etag(version)})
