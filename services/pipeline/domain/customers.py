"""What may happen after a sale: orders, what is paid back of them, that a customer leaves, how satisfied they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from services.pipeline.domain.amounts import Line, plain, worth
from services.pipeline.domain.decisions import Act, refuse_marked
from services.pipeline.domain.facts import Draft, given
from services.pipeline.domain.order_state import OrderState
from services.pipeline.domain.reasons import known_reason
from services.pipeline.domain.refusals import Refused, illegal
from services.pipeline.domain.state import LeadState
from shared.contracts.lifecycle_events import (
    CustomerChurned,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    SatisfactionAsked,
    SatisfactionRecorded,
    Scale,
)
from shared.contracts.policy import UnitPolicy

HIGHEST: dict[Scale, tuple[int, int]] = {"csat": (1, 5), "nps": (0, 10)}


@dataclass(frozen=True, slots=True)
class Order:
    """An order as somebody says it was placed. What it does not name, its lines, its deal and the unit do."""

    order_id: str
    opportunity_id: str | None = None
    amount: str | None = None
    currency: str | None = None
    product: str | None = None
    cost: str | None = None
    lines: Sequence[Line] | None = None
    renews: str | None = None
    runs_until: datetime | None = None


def decide_order(state: LeadState, policy: UnitPolicy, act: Act, order: Order) -> list[Draft]:
    """Places an order. Told again, it is nothing new; told otherwise, it contradicts."""
    refuse_marked(state, "Placing an order")
    amount = worth(order.amount, order.lines)
    if amount is None:
        raise Refused(
            "The order has no amount.",
            kind="invalid",
            code="amount-missing",
            field="amount",
            fix="Send an amount, or lines that have prices.",
        )
    if Decimal(amount) < 0:
        raise Refused(
            "The lines come to less than nothing.",
            kind="invalid",
            code="less-than-nothing",
            field="lines",
            fix="Record what is paid back as a refund of the order that it was paid for.",
        )
    if order.opportunity_id is not None and order.opportunity_id not in state.deals:
        raise _not_of_the_lead("opportunity_id", "an opportunity")
    if order.renews is not None and (order.renews == order.order_id or order.renews not in state.orders):
        raise _not_of_the_lead("renews", "another order")
    deal = state.deals.get(order.opportunity_id or "")
    data = given(
        order_id=order.order_id,
        opportunity_id=order.opportunity_id,
        amount=amount,
        currency=order.currency or (deal.value("currency") if deal is not None else None) or policy.currency,
        product=order.product or (deal.value("product") if deal is not None else None),
        cost=order.cost,
        lines=list(order.lines) if order.lines else None,
        renews=order.renews,
        runs_until=order.runs_until.astimezone(UTC).isoformat() if order.runs_until is not None else None,
    )
    known = state.orders.get(order.order_id)
    if known is not None and known.placed is not None:
        if contradicts(known, data):
            raise contradicting()
        return []
    return [act.draft(OrderPlaced, **data)]


def contradicts(order: OrderState, data: dict[str, Any]) -> bool:
    """Whether something else is said of an order that was placed."""
    named = ("opportunity_id", "amount", "currency", "product", "cost", "lines", "renews", "runs_until")
    known = dict(order.values)
    if order.runs_until is not None:  # orders from before it was made so have it with the offset that it was said with
        known["runs_until"] = order.runs_until.astimezone(UTC).isoformat()
    return any(name in data and data[name] != known.get(name) for name in named)


def contradicting() -> Refused:
    """An order was told before with other facts."""
    return Refused(
        "order_id was told before with other facts; the first stay.",
        kind="conflict",
        code="conflicting-order",
        field="order_id",
        fix="Give each order an id of its own; refund or cancel the one that was wrong.",
    )


def decide_refund(
    state: LeadState,
    policy: UnitPolicy,
    act: Act,
    *,
    order_id: str,
    amount: str | None,
    reason: str | None,
    note: str | None,
) -> list[Draft]:
    """Pays back a part of an order, or all that is left of it."""
    order = _standing(state, act, order_id, "Refunding the order")
    paid_back = Decimal(amount) if amount is not None else order.left
    if paid_back <= 0 or paid_back > order.left:
        raise Refused(
            "That is not between nothing and what is left of the order.",
            kind="invalid",
            code="not-left",
            field="amount",
            fix="Send an amount up to what is left, or none to refund all of it.",
            extra={"left": str(order.left)},
        )
    draft = act.draft(
        OrderRefunded,
        order_id=order_id,
        amount=amount if amount is not None else plain(order.left),
        currency=order.values.get("currency"),
        reason=_reason(reason, policy, note),
    )
    return [draft._replace(aside=given(note=note))]


def decide_cancel_order(
    state: LeadState, policy: UnitPolicy, act: Act, *, order_id: str, reason: str | None, note: str | None
) -> list[Draft]:
    """Takes an order back as a whole."""
    _standing(state, act, order_id, "Cancelling the order")
    draft = act.draft(OrderCancelled, order_id=order_id, reason=_reason(reason, policy, note))
    return [draft._replace(aside=given(note=note))]


def decide_churn(state: LeadState, policy: UnitPolicy, act: Act, *, reason: str, note: str | None) -> list[Draft]:
    """A customer leaves, for a reason of the policy."""
    known_reason(reason, policy.churn_reasons, note)
    _must_be_customer(state, "Recording that the customer left")
    if state.has_left:
        raise illegal("Recording that the customer left", "somebody who left", "They left already.")
    act.not_before(state.bought, "the customer's last purchase")
    return [act.draft(CustomerChurned, reason=reason)._replace(aside=given(note=note))]


def decide_ask(state: LeadState, act: Act, *, scale: Scale) -> list[Draft]:
    """A customer is asked how satisfied they are."""
    _must_be_customer(state, "Asking how satisfied the customer is")
    return [act.draft(SatisfactionAsked, scale=scale)]


def decide_satisfaction(state: LeadState, act: Act, *, scale: Scale, value: float, comment: str | None) -> list[Draft]:
    """A customer says how satisfied they are, asked or not."""
    _must_be_customer(state, "Recording an answer")
    lowest, highest = HIGHEST[scale]
    if not lowest <= value <= highest:
        raise Refused(
            f"value is no answer from {lowest} to {highest}.",
            kind="invalid",
            code="no-answer",
            field="value",
            fix="Send the number that was answered, and the scale it was asked on.",
        )
    draft = act.draft(SatisfactionRecorded, value=value, scale=scale)
    return [draft._replace(data={**draft.data, "value": value}, aside=given(comment=comment))]


def _standing(state: LeadState, act: Act, order_id: str, command: str) -> OrderState:
    order = state.orders.get(order_id)
    if order is None or order.placed is None:
        raise _not_of_the_lead("order_id", "an order")
    if not order.stands:
        raise illegal(command, "cancelled", "There is nothing left of it.")
    act.not_before(order.placed, "the order was placed")
    return order


def _must_be_customer(state: LeadState, command: str) -> None:
    refuse_marked(state, command)
    if state.bought is None:
        raise illegal(command, f"{state.status} and has bought nothing", "Win an opportunity or place an order first.")


def _reason(reason: str | None, policy: UnitPolicy, note: str | None) -> str | None:
    return known_reason(reason, policy.refund_reasons, note) if reason is not None else None


def _not_of_the_lead(field: str, what: str) -> Refused:
    return Refused(
        f"{field} is not {what} of this customer.",
        kind="invalid",
        code=f"unknown-{field.replace('_', '-')}",
        field=field,
        fix=f"Send one that GET /v1/leads/{{lead_id}}/customer shows, or leave {field} out.",
    )
