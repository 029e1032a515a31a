"""What customers count as, a line each: what they bought and were paid back, when they were customers, how satisfied they were."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.integration.metrics.naive.buying import Bought, bought, order_id, stays
from tests.integration.metrics.naive.line import Line, Lines, Terms
from tests.integration.metrics.naive.people import Cuts, Person

GOOD_FROM = 4


def of_customer(person: Person, terms: Terms, found: Lines) -> None:
    """All lines of one person."""
    _of_opinions(person, found)
    everything = bought(person, terms.currency, terms.margin_rate)
    if not everything:
        return
    first, counting = everything[0], [one for one in everything if one.counts]
    found["new customers"].append(_line(person, first.at, first.at, first.cuts))
    if len(counting) > 1:
        found["repeated"].append(_line(person, counting[1].at, first.at, first.cuts))
    for since, until in stays(person, everything):
        found["stays as customer"].append(_line(person, since, first.at, first.cuts, until=until))
    renewed = {
        one.order.data.get("renews") for one in counting if one.order and one.order.data.get("renews") != one.name
    }
    for one in counting:
        _of_money(person, first, one.at, (one.revenue, one.margin, one.currency), found)
        if one.order is None:
            continue
        at, money = one.at, {"amount": one.revenue, "currency": one.currency}
        found["orders"].append(_line(person, at, at, one.cuts, **money))
        if until := one.order.data.get("runs_until"):
            due = _line(person, datetime.fromisoformat(until), at, one.cuts)
            found["due"].append(due)
            found["renewed"] += [due] * (one.name in renewed)
        _of_refunds(person, first, one, terms, found)


def _line(person: Person, at: datetime, began: datetime, cuts: Cuts, **more: Any) -> Line:
    return Line(person.unit, at, began, {**cuts, "stage": None, "reason": None})._replace(**more)


Money = tuple[float | None, float | None, str]
"""Revenue, margin of it and their currency."""


def _of_money(person: Person, first: Bought, at: datetime, money: Money, found: Lines) -> None:
    """What was paid, or paid back: put down to who they were when they became a customer, and when their lead came in."""
    born = person.held(person.created)
    for name, amount in zip(("revenue", "margin"), money, strict=False):
        own = {"amount": amount, "currency": None if amount is None else money[2]}
        found[f"{name} of customers"].append(_line(person, at, first.at, first.cuts, **own))
        if amount is not None:
            found[f"{name} of leads"].append(_line(person, at, person.created, born, **own))


def _of_refunds(person: Person, first: Bought, order: Bought, terms: Terms, found: Lines) -> None:
    """All of a refund is lost margin where the order has a cost, else the share that is margin."""
    assert order.order is not None
    for fact in person.story:
        if fact.event != "OrderRefunded" or fact.data["order_id"] != order_id(order.order):
            continue
        at, amount, currency = fact.occurred_at, float(fact.data["amount"]), fact.data.get("currency") or order.currency
        rate = 1.0 if order.order.data.get("cost") is not None else terms.margin_rate
        cuts = {**person.held(at), "product": order.cuts["product"]}
        found["refunds"].append(_line(person, at, order.at, cuts, amount=amount, currency=currency, bought=order.at))
        paid_back: Lines = {
            "margin of customers": [],
            "revenue of customers": [],
            "margin of leads": [],
            "revenue of leads": [],
        }
        _of_money(person, first, at, (-amount, None if rate is None else -amount * rate, currency), paid_back)
        for what, lines in paid_back.items():
            found[what] += [line._replace(bought=order.at) for line in lines if line.amount is not None]


def _of_opinions(person: Person, found: Lines) -> None:
    """Each ask, and whether anything answered it before the next one; each answer, and whether it was good."""
    asked: Line | None = None
    for fact in person.story:
        if not fact.event.startswith("Satisfaction") or fact.data.get("scale", "csat") != "csat":
            continue
        line = _line(person, fact.occurred_at, fact.occurred_at, person.held(fact.occurred_at))
        if fact.event == "SatisfactionAsked":
            asked = line
            found["asked"].append(line)
            continue
        found["answered"].append(line)
        found["satisfied"] += [line] * (fact.data["value"] >= GOOD_FROM)
        if asked is not None:
            found["replied"].append(asked)
            asked = None
