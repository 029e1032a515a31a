"""What is known of somebody as a customer: since when, for how much, whether they are still there, what they said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from services.pipeline.domain.amounts import plain
from services.pipeline.domain.facts import Fact
from services.pipeline.domain.order_state import OrderState
from services.pipeline.domain.state import fold

SAID = ("SatisfactionAsked", "SatisfactionRecorded")


def told(facts: Iterable[tuple[Fact, Mapping[str, Any]]]) -> dict[str, Any]:
    """The customer, from all facts of the lead with what was said beside them. `revenue` is what orders still are worth, by
    currency; deals that were won are in it where they were ordered."""
    known = list(facts)
    state = fold(fact for fact, _ in known)
    orders = [order for order in state.orders.values() if order.placed is not None]
    wins = [deal.ended for deal in state.deals.values() if deal.status == "won" and deal.ended is not None]
    bought = [*wins, *(order.placed for order in orders if order.stands and order.placed is not None)]
    revenue: dict[str, Decimal] = defaultdict(Decimal)
    for order in orders:
        revenue[order.values.get("currency") or ""] += order.left
    return {
        "customer_since": min(bought).occurred_at if bought else None,
        "last_bought_at": max(bought).occurred_at if bought else None,
        "has_left": state.has_left,
        "left_at": state.churned.key.occurred_at if state.churned is not None and state.has_left else None,
        "left_because": state.churned.reason if state.churned is not None and state.has_left else None,
        "revenue": {currency: plain(amount) for currency, amount in sorted(revenue.items())},
        "orders": [_order(order) for order in sorted(orders, key=lambda order: (order.placed, order.order_id))],
        "satisfaction": [
            {
                "at": fact.occurred_at,
                "asked": fact.event == "SatisfactionAsked",
                "scale": fact.data.get("scale", "csat"),
                "value": fact.data.get("value"),
                "comment": said.get("comment"),
            }
            for fact, said in known
            if fact.event in SAID
        ],
    }


def _order(order: OrderState) -> dict[str, Any]:
    names = ("opportunity_id", "amount", "currency", "product", "cost", "lines", "renews", "runs_until")
    return {
        "order_id": order.order_id,
        "status": order.status,
        "placed_at": order.placed.occurred_at if order.placed is not None else None,
        **{name: order.values.get(name) for name in names},
        "refunded": order.refunded_text(),
        "cancelled_at": order.cancelled.occurred_at if order.cancelled is not None else None,
        "refunds": [
            {"at": key.occurred_at, "amount": one["amount"], "reason": one.get("reason")}
            for key, one in sorted(order.refunds.items())
        ],
    }
