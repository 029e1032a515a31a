"""What a customer counts as: how many there are, what they are worth, who left, who is satisfied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from services.metrics.domain.customers import (
    CUSTOMER_SCOPE,
    PURCHASE,
    REFUND,
    SATISFIED_FROM,
    Customer,
    Opinion,
    Purchase,
    Refund,
)
from services.metrics.domain.entries import Dims, Entry, Measure, elapsed
from services.metrics.domain.opportunities import Held


class Born(NamedTuple):
    """Whose entries they are: the lead as it was created, its unit and that unit's currency. `dims` adds where it came from."""

    root_id: UUID
    business_unit: str
    currency: str
    at: datetime
    held: Held
    dims: Callable[[Held], Dims]


class _Maker(NamedTuple):
    born: Born
    now: datetime

    def entry(
        self,
        measure: Measure,
        at: datetime,
        held: Held,
        *,
        of: str = "",
        cohort_at: datetime | None = None,
        since: datetime | None = None,
        money: Decimal | None = None,
        currency: str | None = None,
    ) -> Entry:
        born = self.born
        seconds, negative = elapsed(since, at) if since else (None, False)
        return Entry(
            measure, f"{measure}:{of}" if of else measure, born.business_unit, at, cohort_at or at, born.dims(held),
            None, None, seconds, negative, money, currency, born.root_id, self.now,
        )  # fmt: skip


def customer_entries(customer: Customer, scope: str, born: Born, now: datetime) -> Iterator[Entry]:
    """What holds in one scope of a customer."""
    make = _Maker(born, now)
    if scope == CUSTOMER_SCOPE:
        return _standing(customer, make)
    if scope.startswith(REFUND):
        return _refund(customer, customer.refunds[scope.removeprefix(REFUND)], make)
    if not scope.startswith(PURCHASE):
        return _opinion(customer.opinions[scope.partition(":")[2]], make)
    bought = customer.purchase(scope)
    return iter(()) if bought is None else _purchase(customer, bought, make)


def _standing(customer: Customer, make: _Maker) -> Iterator[Entry]:
    """That they are one, since when, in which currencies, and every time they left or came back."""
    first = customer.first
    if first is None:
        return
    yield make.entry(Measure.CUSTOMER, first.at, first.held)
    for currency in {one or make.born.currency for one in customer.currencies}:
        yield make.entry(Measure.CUSTOMER_IN, first.at, first.held, of=currency, currency=currency)
    if second := customer.second:
        yield make.entry(Measure.CUSTOMER_REPEATED, second.at, first.held, cohort_at=first.at, since=first.at)
    for number, stay in enumerate(customer.stays):
        of = str(number)
        if number:
            yield make.entry(Measure.CUSTOMER_RETURNED, stay.since, first.held, of=of, cohort_at=first.at)
        if stay.left is not None:
            yield make.entry(
                Measure.CUSTOMER_LOST, stay.left, first.held, of=of, cohort_at=stay.since, since=stay.since
            )
            yield make.entry(Measure.CUSTOMER_GONE, stay.left, first.held, of=of, cohort_at=first.at)


def _money(
    customer: Customer,
    make: _Maker,
    at: datetime,
    of: str,
    revenue: Decimal | None,
    margin: Decimal | None,
    currency: str,
) -> Iterator[Entry]:
    """What was paid, or paid back: in the cohort of customers, and in that of leads."""
    first, born = customer.first, make.born
    assert first is not None
    for measure, amount in ((Measure.CUSTOMER_REVENUE, revenue), (Measure.CUSTOMER_MARGIN, margin)):
        known = None if amount is None else currency
        yield make.entry(measure, at, first.held, of=of, cohort_at=first.at, money=amount, currency=known)
    for measure, amount in ((Measure.COHORT_REVENUE, revenue), (Measure.COHORT_MARGIN, margin)):
        if amount is not None:
            yield make.entry(measure, at, born.held, of=of, cohort_at=born.at, money=amount, currency=currency)


def _purchase(customer: Customer, bought: Purchase, make: _Maker) -> Iterator[Entry]:
    """What it brought, and, of an order, that it was placed, when it runs out and whether it was renewed."""
    first, of = customer.first, bought.key
    assert first is not None
    own = bought.paid.currency or make.born.currency
    yield from _money(customer, make, bought.at, of, bought.paid.revenue, bought.paid.margin, own)
    if bought.order_id is None:
        return
    yield make.entry(
        Measure.ORDER_PLACED, bought.at, bought.held, of=of, cohort_at=first.at, money=bought.paid.revenue, currency=own
    )
    if bought.runs_until is not None:
        yield make.entry(Measure.ORDER_DUE, bought.runs_until, bought.held, of=of, cohort_at=bought.at)
        if customer.renewed.get(bought.order_id):
            yield make.entry(Measure.ORDER_RENEWED, bought.runs_until, bought.held, of=of, cohort_at=bought.at)


def _refund(customer: Customer, refund: Refund, make: _Maker) -> Iterator[Entry]:
    """What it takes away again, where its order counts."""
    bought = customer.refunded(refund)
    if bought is None:
        return
    currency, margin = refund.currency or bought.paid.currency or make.born.currency, customer.margin_of(refund, bought)
    each = f"refund:{refund.key}"
    taken = _money(customer, make, refund.at, each, -refund.amount, None if margin is None else -margin, currency)
    yield from (entry for entry in taken if entry.amount is not None)
    held = refund.held._replace(product=bought.held.product)
    yield make.entry(
        Measure.ORDER_REFUNDED, refund.at, held, of=each, cohort_at=bought.at, money=refund.amount, currency=currency
    )


def _opinion(opinion: Opinion, make: _Maker) -> Iterator[Entry]:
    """An ask, and whether it was answered; or an answer, and whether it was a good one."""
    if opinion.value is None:
        yield make.entry(Measure.SATISFACTION_ASKED, opinion.at, opinion.held, of=opinion.key)
        if opinion.answered:
            yield make.entry(Measure.SATISFACTION_REPLIED, opinion.at, opinion.held, of=opinion.key)
        return
    yield make.entry(Measure.SATISFACTION_TOLD, opinion.at, opinion.held, of=opinion.key)
    if opinion.value >= SATISFIED_FROM:
        yield make.entry(Measure.SATISFIED, opinion.at, opinion.held, of=opinion.key)
