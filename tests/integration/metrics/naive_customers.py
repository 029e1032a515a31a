"""What is told of customers, computed a second time, naively, from the facts and the words of the definitions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.metrics.domain.facts import Fact
from tests.integration.metrics.brute_force import CURRENCY, ZONES, stories

Money = tuple[datetime, float | None, float | None, str]
"""When, how much was paid, how much of that is margin, in what."""

MONTH_SECONDS = 365.2425 / 12 * 86_400


@dataclass
class Person:
    unit: str
    channel: str | None
    created: datetime
    ids: set[UUID]
    bought: list[tuple[datetime, int]] = field(default_factory=list)
    purchases: list[Money] = field(default_factory=list)
    refunds: list[Money] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    stays: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    asks: list[tuple[datetime, bool]] = field(default_factory=list)
    answers: list[tuple[datetime, float]] = field(default_factory=list)

    @property
    def since(self) -> datetime | None:
        return min(self.bought)[0] if self.bought else None

    def worth(self, of: int) -> dict[str, float]:
        found: dict[str, float] = defaultdict(float)
        for line in (*self.purchases, *self.refunds):
            amount = line[of]
            if isinstance(amount, float):
                found[line[3]] += amount
        return dict(found)

    def lived_seconds(self, until: datetime) -> float:
        return sum(((left or until) - since).total_seconds() for since, left in self.stays)


def persons(facts: list[Fact], as_of: datetime, rate: float | None) -> list[Person]:
    return [_person(story, rate) for story, mark in stories(facts, as_of) if not mark]


def _person(story: list[Fact], rate: float | None) -> Person:
    unit = story[0].business_unit
    captures = [
        f for f in story if (f.event == "LeadCreated" and not f.data.get("implied")) or f.data.get("kind") == "captured"
    ]
    channel = next((f.data["channel"] for f in story if f.event.startswith("Lead") and f.data.get("channel")), None)
    person = Person(unit, channel, (captures or story)[0].occurred_at, {f.lead_id for f in story})
    own = CURRENCY[unit]
    cancelled = {f.data["order_id"] for f in story if f.event == "OrderCancelled"}
    placed: dict[str, tuple[int, Fact]] = {}
    for number, fact in enumerate(story):
        if fact.event == "OrderPlaced":
            placed.setdefault(fact.data.get("order_id") or str(fact.event_id), (number, fact))
    standing = {name: one for name, one in placed.items() if name not in cancelled}
    named = {fact.data.get("opportunity_id") for _, fact in standing.values()}
    for name in sorted({f.data["opportunity_id"] for f in story if f.event.startswith(("Opp", "Stage"))}):
        deal = [
            (n, f) for n, f in enumerate(story) if f.data.get("opportunity_id") == name and f.event != "OrderPlaced"
        ]
        number, last = deal[-1]
        if last.event != "OpportunityWon":
            continue
        person.bought.append((last.occurred_at, number))
        if name not in named and None not in named:
            amounts = [float(f.data["amount"]) for _, f in deal if f.data.get("amount")]
            money = [f.data["currency"] for _, f in deal if f.data.get("currency")]
            paid = amounts[-1] if amounts else None
            margin = None if paid is None or rate is None else paid * rate
            person.purchases.append((last.occurred_at, paid, margin, money[-1] if money else own))
    renewed = {fact.data.get("renews") for name, (_, fact) in standing.items() if fact.data.get("renews") != name}
    for name, (number, fact) in standing.items():
        data, at = fact.data, fact.occurred_at
        person.bought.append((at, number))
        amount, currency = float(data["amount"]), data.get("currency") or own
        cost = float(data["cost"]) if data.get("cost") else None
        margin = amount - cost if cost is not None else None if rate is None else amount * rate
        person.purchases.append((at, amount, margin, currency))
        until = data.get("runs_until")
        person.orders.append({
            "at": at, "amount": amount, "currency": currency, "renewed": name in renewed,
            "until": datetime.fromisoformat(until) if until else None,
        })  # fmt: skip
        for refund in story:
            if refund.event == "OrderRefunded" and refund.data["order_id"] == name:
                back = -float(refund.data["amount"])
                share = back if cost is not None else None if rate is None else back * rate
                person.refunds.append((refund.occurred_at, back, share, refund.data.get("currency") or currency))
    _stays(person, [(f.occurred_at, n) for n, f in enumerate(story) if f.event == "CustomerChurned"])
    _opinions(person, story)
    return person


def _stays(person: Person, churned: list[tuple[datetime, int]]) -> None:
    since: datetime | None = None
    for (at, _), what in sorted([*((one, "bought") for one in person.bought), *((one, "left") for one in churned)]):
        if what == "bought" and since is None:
            since = at
        elif what == "left" and since is not None:
            person.stays.append((since, at))
            since = None
    if since is not None:
        person.stays.append((since, None))


def _opinions(person: Person, story: list[Fact]) -> None:
    for fact in story:
        if not fact.event.startswith("Satisfaction") or fact.data["scale"] != "csat":
            continue
        if fact.event == "SatisfactionAsked":
            person.asks.append((fact.occurred_at, False))
            continue
        person.answers.append((fact.occurred_at, fact.data["value"]))
        if person.asks:
            person.asks[-1] = (person.asks[-1][0], True)


class NaiveCustomers:
    """Every number over one window of local days."""

    def __init__(
        self, facts: list[Fact], as_of: datetime, start: date, end: date, rate: float | None, channel: str | None = ""
    ) -> None:
        self.people = [one for one in persons(facts, as_of, rate) if channel in ("", one.channel)]
        self.as_of, self.start, self.end = as_of, start, end

    def inside(self, unit: str, at: datetime | None) -> bool:
        return at is not None and self.start <= self.day(unit, at) < self.end

    def day(self, unit: str, at: datetime) -> date:
        return at.astimezone(ZONES[unit]).date()

    @property
    def cohort(self) -> list[Person]:
        return [one for one in self.people if self.inside(one.unit, one.since)]

    def orders(self) -> dict[str, tuple[int, float]]:
        return self._sums(
            (one.unit, order["at"], order["amount"], order["currency"]) for one in self.people for order in one.orders
        )

    def refunds(self) -> dict[str, tuple[int, float]]:
        return self._sums(
            (one.unit, at, -(paid or 0), currency) for one in self.people for at, paid, _, currency in one.refunds
        )

    def _sums(self, lines: Iterable[tuple[str, datetime, float, str]]) -> dict[str, tuple[int, float]]:
        found: dict[str, tuple[int, float]] = {}
        for unit, at, amount, currency in lines:
            if self.inside(unit, at):
                n, total = found.get(currency, (0, 0.0))
                found[currency] = (n + 1, total + amount)
        return found

    def renewals(self) -> tuple[int, int]:
        due = [
            order
            for one in self.people
            for order in one.orders
            if self.inside(one.unit, order["until"]) and order["until"] <= self.as_of
        ]
        return sum(order["renewed"] for order in due), len(due)

    def totals(self, of: int) -> dict[str, float]:
        found: dict[str, float] = defaultdict(float)
        for one in self.cohort:
            for currency, amount in one.worth(of).items():
                found[currency] += amount
        return dict(found)

    def repeated(self) -> tuple[int, int]:
        return sum(len(one.purchases) > 1 for one in self.cohort), len(self.cohort)

    def months_and_losses(self) -> tuple[float, int]:
        months = sum(one.lived_seconds(self.as_of) for one in self.cohort) / MONTH_SECONDS
        return months, sum(left is not None for one in self.cohort for _, left in one.stays)

    def churn(self, first: date, after: date) -> tuple[int, int]:
        """Who was there as a day began, and who of them left from then until before another."""
        lost = active = 0
        for one in self.people:
            for since, left in one.stays:
                if self.day(one.unit, since) < first and (left is None or self.day(one.unit, left) >= first):
                    active += 1
                    lost += left is not None and self.day(one.unit, left) < after
        return lost, active

    def satisfaction(self) -> tuple[int, int, int, int]:
        answers = [value for one in self.people for at, value in one.answers if self.inside(one.unit, at)]
        asks = [replied for one in self.people for at, replied in one.asks if self.inside(one.unit, at)]
        return sum(value >= 4 for value in answers), len(answers), sum(asks), len(asks)

    def lead_margin(self) -> dict[str, float]:
        found: dict[str, float] = defaultdict(float)
        for one in self.people:
            if self.inside(one.unit, one.created):
                for currency, amount in one.worth(2).items():
                    found[currency] += amount
        return dict(found)

    def ranked(self, of: int, currency: str, key: Callable[[Person], Any]) -> list[tuple[Any, float]]:
        worths = [(key(one), one.worth(of)[currency]) for one in self.cohort if currency in one.worth(of)]
        return sorted(worths, key=lambda one: -one[1])
