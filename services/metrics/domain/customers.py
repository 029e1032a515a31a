"""One person as a customer: what they bought, whether they are still there, how satisfied they are; as their facts have made it so far."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from services.metrics.domain.facts import Fact
from services.metrics.domain.opportunities import Held, Opportunity

ORDER_EVENTS = frozenset({"OrderPlaced", "OrderRefunded", "OrderCancelled"})
CUSTOMER_EVENTS = ORDER_EVENTS | {"CustomerChurned", "SatisfactionAsked", "SatisfactionRecorded"}
SATISFIED_FROM = 4.0
CSAT = "csat"

CUSTOMER_SCOPE = "customer"
PURCHASE = "purchase:"
REFUND = "refund:"
OPINION = "opinion:"

When = tuple[datetime, int]
"""A moment, and the place in the story, which parts what happened at the same one."""


class Sum(NamedTuple):
    """Money: what was paid, what of it is margin (None where that is not known), in a currency (None is the unit's own)."""

    revenue: Decimal | None
    margin: Decimal | None
    currency: str | None


class Refund(NamedTuple):
    """What was paid back of an order."""

    key: str
    order_id: str
    at: datetime
    held: Held
    amount: Decimal
    currency: str | None


class Purchase(NamedTuple):
    """An order, or a deal that was won: `order_id` is None for a deal. `deal` is the one it is, or the one that an order names."""

    key: str
    when: When
    held: Held
    paid: Sum
    deal: str | None
    order_id: str | None = None
    has_cost: bool = False
    renews: str | None = None
    runs_until: datetime | None = None

    @property
    def at(self) -> datetime:
        """When it was bought."""
        return self.when[0]


class Opinion(NamedTuple):
    """A customer was asked how satisfied they are, or answered. `follows` says, of an answer, what it was asked by."""

    key: str
    at: datetime
    held: Held
    value: float | None = None
    answered: bool = False


class Stay(NamedTuple):
    """From becoming a customer, or one again, to leaving."""

    since: datetime
    left: datetime | None


class Customer:
    """What one person bought and did after it. A purchase is an order that was not cancelled, or a won deal of which no order
    tells what was bought: neither one that names the deal nor one that names none."""

    def __init__(self, margin_rate: Decimal | None) -> None:
        self._margin_rate = margin_rate
        self._told = 0
        self._purchases: dict[str, Purchase] = {}
        self._bought: list[tuple[When, str]] = []
        self._refunds: dict[str, list[Refund]] = {}
        self.refunds: dict[str, Refund] = {}
        self._cancelled: set[str] = set()
        self._naming: dict[str | None, int] = {}
        self._deals: set[str] = set()
        self._paid: Counter[str | None] = Counter()
        self._churned: list[When] = []
        self.opinions: dict[str, Opinion] = {}
        self._asked: str | None = None
        self.renewed: dict[str, int] = {}

    @property
    def first(self) -> Purchase | None:
        """What made them a customer: the earliest thing they bought that stands."""
        return self._purchases[self._bought[0][1]] if self._bought else None

    @property
    def scopes(self) -> Iterator[str]:
        """Everything that is told of them, piece by piece."""
        yield CUSTOMER_SCOPE
        yield from (PURCHASE + key for key in self._purchases)
        yield from (REFUND + key for key in self.refunds)
        yield from (OPINION + key for key in self.opinions)

    def purchase(self, scope: str) -> Purchase | None:
        """What was bought, of its scope, where it counts for what the customer is worth."""
        found = self._purchases.get(scope.removeprefix(PURCHASE))
        return found if found is not None and self._counts(found) else None

    def refunded(self, refund: Refund) -> Purchase | None:
        """The order that a refund is of, where it counts."""
        return self.purchase(_order_key(refund.order_id))

    def margin_of(self, refund: Refund, purchase: Purchase) -> Decimal | None:
        """What a refund takes of the margin: all of it where the order has a cost, which stays; the margin's share else."""
        if purchase.has_cost:
            return refund.amount
        return None if self._margin_rate is None else refund.amount * self._margin_rate

    @property
    def currencies(self) -> set[str | None]:
        """In what they paid, or were paid back."""
        won = (self._purchases[key] for key in self._deals)
        deals = {one.paid.currency for one in won if one.paid.revenue is not None and self._counts(one)}
        return deals | {currency for currency, n in self._paid.items() if n}

    @property
    def second(self) -> Purchase | None:
        """The second thing they bought."""
        counting = (one for _, key in self._bought if self._counts(one := self._purchases[key]))
        next(counting, None)
        return next(counting, None)

    @property
    def stays(self) -> list[Stay]:
        """Every time they were a customer without a break: until they left, and again from when they bought after that."""
        found: list[Stay] = []
        at = 0
        while at < len(self._bought):
            since, _ = begun = self._bought[at][0]
            after = bisect_right(self._churned, begun)
            left = self._churned[after] if after < len(self._churned) else None
            found.append(Stay(since, left[0] if left is not None else None))
            if left is None:
                break
            at = bisect_right(self._bought, left, key=lambda one: one[0])
        return found

    def apply(self, fact: Fact, lead: Held, deals: dict[str, Opportunity]) -> set[str]:
        """The customer after one more fact, and the scopes that it changed: all, where it is another purchase now that made them one."""
        before = self.first
        changed = self._take(fact, lead, deals)
        return changed if before in (None, self.first) else {*changed, *self.scopes}

    def deal(self, deal: Opportunity, at: datetime) -> set[str]:
        """After a deal moved: won, it is a purchase; not any more, it is none."""
        before = self.first
        changed = self._win(deal, at)
        return changed if before in (None, self.first) else {*changed, *self.scopes}

    def _take(self, fact: Fact, lead: Held, deals: dict[str, Opportunity]) -> set[str]:
        self._told += 1
        data = fact.data
        match fact.event:
            case "OrderPlaced":
                return self._place(fact, lead, deals)
            case "OrderRefunded":
                name = str(data["order_id"])
                key = f"{fact.lead_id}:{fact.event_id}"
                refund = Refund(key, name, fact.occurred_at, lead, Decimal(data["amount"]), data.get("currency"))
                self.refunds[key] = refund
                self._refunds.setdefault(name, []).append(refund)
                order = self._purchases.get(_order_key(name))
                if order is not None and self._counts(order):
                    self._paid[refund.currency or order.paid.currency] += 1
                return {CUSTOMER_SCOPE, REFUND + key}
            case "OrderCancelled":
                return self._cancel(str(data["order_id"]))
            case "CustomerChurned":
                self._churned.append((fact.occurred_at, self._told))
                return {CUSTOMER_SCOPE}
        return self._opine(fact, lead) if data.get("scale", CSAT) == CSAT else set()

    def _win(self, deal: Opportunity, at: datetime) -> set[str]:
        key = f":{deal.opportunity_id}"
        known = self._purchases.get(key)
        if known is None and deal.status != "won":
            return set()
        self._told += 1
        when = known.when if known is not None and known.at == deal.closed_at else (at, self._told)
        if known is not None:
            self._drop(known)
        if deal.status == "won":
            amount, rate = deal.close_amount, self._margin_rate
            margin = None if amount is None or rate is None else amount * rate
            paid = Sum(amount, margin, deal.close_currency)
            self._keep(Purchase(key, when, deal.held, paid, deal.opportunity_id))
        return {CUSTOMER_SCOPE, PURCHASE + key}

    def _known(self, key: str) -> set[str]:
        """The scope of a purchase, where there is one."""
        return {PURCHASE + key} if key in self._purchases else set()

    def _counts(self, purchase: Purchase) -> bool:
        if purchase.order_id is not None:
            return purchase.order_id not in self._cancelled
        return not self._naming.get(None) and not self._naming.get(purchase.deal)

    def _place(self, fact: Fact, lead: Held, deals: dict[str, Opportunity]) -> set[str]:
        data = fact.data
        name = str(data.get("order_id") or fact.event_id)
        key = _order_key(name)
        if key in self._purchases:
            return set()
        deal = deals.get(data.get("opportunity_id") or "")
        held = lead if deal is None else deal.held_with(lead)
        if data.get("product"):
            held = held._replace(product=data["product"])
        amount, cost = Decimal(data["amount"]), data.get("cost")
        margin = amount - Decimal(cost) if cost is not None else None
        if margin is None and self._margin_rate is not None:
            margin = amount * self._margin_rate
        until = data.get("runs_until")
        placed = Purchase(
            key, (fact.occurred_at, self._told), held, Sum(amount, margin, data.get("currency")), data.get("opportunity_id"),
            name, cost is not None, data.get("renews"), datetime.fromisoformat(until) if until else None,
        )  # fmt: skip
        if name in self._cancelled:
            self._purchases[key] = placed
            return set()
        self._keep(placed)
        return {CUSTOMER_SCOPE, PURCHASE + key, *self._count_naming(placed, 1)}

    def _cancel(self, name: str) -> set[str]:
        if name in self._cancelled:
            return set()
        self._cancelled.add(name)
        order = self._purchases.get(_order_key(name))
        if order is None:
            return set()
        self._bought.remove((order.when, order.key))
        return {CUSTOMER_SCOPE, PURCHASE + order.key, *self._count_naming(order, -1)}

    def _count_naming(self, order: Purchase, more: int) -> set[str]:
        """Notes one order more, or less, that tells of a deal, or of none, and what it renews; what that changes beside it."""
        named = self._naming.get(order.deal, 0)
        self._naming[order.deal] = named + more
        refunds = self._refunds.get(order.order_id or "", [])
        for currency in (order.paid.currency, *(one.currency or order.paid.currency for one in refunds)):
            self._paid[currency] += more
        changed = {REFUND + one.key for one in refunds}
        if not named or not named + more:  # the first that tells of it, or the last one gone
            changed |= {PURCHASE + key for key in self._deals} if order.deal is None else self._known(f":{order.deal}")
        if order.renews is not None and order.renews != order.order_id:
            self.renewed[order.renews] = self.renewed.get(order.renews, 0) + more
            changed |= self._known(_order_key(order.renews))
        return changed

    def _keep(self, purchase: Purchase) -> None:
        self._purchases[purchase.key] = purchase
        if purchase.order_id is None:
            self._deals.add(purchase.key)
        insort(self._bought, (purchase.when, purchase.key))

    def _drop(self, purchase: Purchase) -> None:
        del self._purchases[purchase.key]
        self._deals.discard(purchase.key)
        self._bought.remove((purchase.when, purchase.key))

    def _opine(self, fact: Fact, held: Held) -> set[str]:
        key = f"{fact.lead_id}:{fact.event_id}"
        if fact.event == "SatisfactionAsked":
            self.opinions[key] = Opinion(key, fact.occurred_at, held)
            self._asked = key
            return {OPINION + key}
        self.opinions[key] = Opinion(key, fact.occurred_at, held, float(fact.data["value"]), answered=True)
        changed = {OPINION + key}
        if self._asked is not None:
            self.opinions[self._asked] = self.opinions[self._asked]._replace(answered=True)
            changed.add(OPINION + self._asked)
            self._asked = None
        return changed


def _order_key(order_id: str) -> str:
    return f"order:{order_id}"
