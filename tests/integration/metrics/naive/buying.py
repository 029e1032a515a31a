"""What somebody bought, and when they were a customer: orders that stand, and deals that were won."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from services.metrics.domain.facts import Fact
from tests.integration.metrics.naive.people import Cuts, Person


@dataclass
class Bought:
    """An order or a won deal. `number` is its place in the story. A deal of which an order tells does not `count` beside it."""

    number: int
    at: datetime
    cuts: Cuts
    revenue: float | None
    margin: float | None
    currency: str
    counts: bool = True
    order: Fact | None = None

    @property
    def name(self) -> str | None:
        return None if self.order is None else order_id(self.order)


def order_id(fact: Fact) -> str:
    return str(fact.data.get("order_id") or fact.event_id)


def bought(person: Person, currency: str, margin_rate: float | None) -> list[Bought]:
    """Everything, in the order of the story."""
    cancelled = {fact.data["order_id"] for fact in person.story if fact.event == "OrderCancelled"}
    orders: dict[str, tuple[int, Fact]] = {}
    for number, fact in enumerate(person.story):
        if fact.event == "OrderPlaced":
            orders.setdefault(order_id(fact), (number, fact))
    standing = [one for name, one in orders.items() if name not in cancelled]
    told_of = {fact.data.get("opportunity_id") for _, fact in standing}
    found = []
    for deal in person.deals:
        if deal.outcome == "won" and deal.end is not None:
            amount, said = deal.money()
            margin = None if amount is None or margin_rate is None else amount * margin_rate
            counts = None not in told_of and deal.name not in told_of
            place = person.story.index(deal.facts[deal.end])
            found.append(Bought(place, deal.closed, deal.held(deal.end), amount, margin, said or currency, counts))
    for number, fact in standing:
        amount, cost = float(fact.data["amount"]), fact.data.get("cost")
        margin = amount - float(cost) if cost is not None else None if margin_rate is None else amount * margin_rate
        cuts = _held(person, number, fact)
        found.append(
            Bought(number, fact.occurred_at, cuts, amount, margin, fact.data.get("currency") or currency, order=fact)
        )
    return sorted(found, key=lambda one: one.number)


def _held(person: Person, number: int, order: Fact) -> Cuts:
    """Who an order is put down to: what the deal that it names said by then, what held of the lead, and what it says itself."""
    before = [f for f in person.story[:number] if f.data.get("opportunity_id") == order.data.get("opportunity_id")]
    deals = [deal for deal in person.deals if deal.name == order.data.get("opportunity_id")]
    own = deals[0].own([fact for fact in before if fact in deals[0].facts]) if deals else {}
    product = {"product": order.data["product"]} if order.data.get("product") else {}
    return {**person.held(order.occurred_at), **own, **product}


def first_bought(person: Person, currency: str = "", margin_rate: float | None = None) -> Bought | None:
    return next(iter(bought(person, currency, margin_rate)), None)


def failed_since(person: Person) -> datetime | None:
    """Since when it is put aside, or each of its deals lost, while it has bought nothing."""
    since: datetime | None = None
    for at in dict.fromkeys(fact.occurred_at for fact in person.story):
        then = Person(person.root, person.unit, [fact for fact in person.story if fact.occurred_at <= at], None)
        lost = bool(then.deals) and all(deal.outcome == "lost" for deal in then.deals)
        since = (since or at) if first_bought(then) is None and (then.archived() or lost) else None
    return since


def stays(person: Person, everything: list[Bought]) -> Iterator[tuple[datetime, datetime | None]]:
    """From the first thing bought until they left, and again from what they bought after that."""
    places = {one.number for one in everything}
    since: datetime | None = None
    for number, fact in enumerate(person.story):
        if number in places and since is None:
            since = fact.occurred_at
        elif fact.event == "CustomerChurned" and since is not None:
            yield since, fact.occurred_at
            since = None
    if since is not None:
        yield since, None
