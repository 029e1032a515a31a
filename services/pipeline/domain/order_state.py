"""What an order is, as a fold over its facts. As in `deal_state`, every part is a register, so the order of arrival is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from services.pipeline.domain.amounts import plain
from services.pipeline.domain.facts import Fact, Key

OrderStatus = Literal["placed", "refunded", "cancelled"]

ORDER_EVENTS = ("OrderPlaced", "OrderRefunded", "OrderCancelled")


@dataclass(frozen=True, slots=True)
class OrderState:
    """One order after everything known. `placed` is the earliest fact that placed it, None while only what became of it is known;
    `values` are that fact's."""

    order_id: str
    first: Key
    placed: Key | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    refunds: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    cancelled: Key | None = None
    reason: str | None = None

    @property
    def lead_id(self) -> UUID:
        """The lead whose story holds this order."""
        return (self.placed or self.first).lead_id

    @property
    def stands(self) -> bool:
        """Placed, and not cancelled."""
        return self.placed is not None and self.cancelled is None

    @property
    def refunded(self) -> Decimal:
        """What was paid back."""
        return sum((Decimal(one["amount"]) for one in self.refunds.values()), Decimal())

    @property
    def left(self) -> Decimal:
        """What the order still is worth."""
        return Decimal(self.values["amount"]) - self.refunded if self.stands else Decimal()

    @property
    def status(self) -> OrderStatus:
        """Where it stands: `refunded` once nothing of it is left."""
        if self.cancelled is not None:
            return "cancelled"
        return "refunded" if self.refunds and self.left <= 0 else "placed"

    @property
    def runs_until(self) -> datetime | None:
        """Until when what was ordered runs."""
        until = self.values.get("runs_until")
        return datetime.fromisoformat(until) if until is not None else None

    def refunded_text(self) -> str:
        """What was paid back, as it is written down."""
        return plain(self.refunded)


def order_id_of(fact: Fact) -> str:
    """Which order a fact is about: one that nobody named is its own."""
    name: str | None = fact.data.get("order_id")
    return name or str(fact.event_id)


def evolve_order(order: OrderState | None, fact: Fact) -> OrderState:
    """The order after one more of its facts, whenever that fact happened."""
    key = fact.key
    order = order or OrderState(order_id_of(fact), key)
    if key < order.first:
        order = replace(order, first=key)
    match fact.event:
        case "OrderPlaced" if order.placed is None or key < order.placed:
            return replace(order, placed=key, values=fact.data)
        case "OrderRefunded":
            return replace(order, refunds={**order.refunds, key: fact.data})
        case "OrderCancelled" if order.cancelled is None or key < order.cancelled:
            return replace(order, cancelled=key, reason=fact.data.get("reason"))
        case _:
            return order
