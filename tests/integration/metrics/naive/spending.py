"""What was spent, a line for each day of it, and the numbers that are made with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tests.integration.metrics.naive.asked import Asked, Number
from tests.integration.metrics.naive.line import Line, Lines, sums_of, weight_of
from tests.integration.metrics.naive.people import PLACES, Cuts

NOWHERE: Cuts = dict.fromkeys((*PLACES, "product", "owner", "team", "grade", "stage", "reason"))
MARKETING = ("advertising", "marketing")
KINDS = (*MARKETING, "salaries", "commissions", "travel", "tools")


class Spending(NamedTuple):
    """An amount for some days of a unit, the same on each of them."""

    unit: str
    kind: str
    place: Cuts
    first: date
    last: date
    amount: float
    currency: str


def spent_lines(rows: list[Spending], zones: dict[str, ZoneInfo], as_of: datetime) -> Lines:
    """A line for each day that has begun by a moment where it was spent."""
    found: Lines = {"spent": [], "spent on marketing": []}
    for row in rows:
        days = (row.last - row.first).days + 1
        for number in range(days):
            at = datetime.combine(row.first + timedelta(days=number), time(), zones[row.unit])
            if at <= as_of:
                line = Line(row.unit, at, at, {**NOWHERE, **row.place}, None, row.amount / days, row.currency)
                found["spent"].append(line)
                found["spent on marketing"] += [line] * (row.kind in MARKETING)
    return found


def cost_of(spent: str, counted: str) -> Callable[[Asked, Lines, Lines], Number]:
    """What was spent ÷ what came of it."""

    def number(_: Asked, lines: Lines, __: Lines) -> Number:
        n = weight_of(lines[counted])
        return {"money": {currency: amount / n if n else None for currency, amount in sums_of(lines[spent]).items()}}

    return number


def returned(earned: str) -> Callable[[Asked, Lines, Lines], Number]:
    """(What came back − what was spent) ÷ what was spent; no value where nothing was spent."""

    def number(_: Asked, lines: Lines, __: Lines) -> Number:
        spent, back = sums_of(lines["spent on marketing"]), sums_of(lines[earned])
        found: dict[str, float | None] = {name: None for name, amount in back.items() if abs(amount) > 1e-6}
        for currency, amount in spent.items():
            found[currency] = (back.get(currency, 0.0) - amount) / amount if amount else None
        return {"money": found}

    return number


def visitors(_: Asked, lines: Lines, __: Lines) -> Number:
    return {"value": len({line.who for line in lines["visits"]})}


def for_each_visitor(_: Asked, lines: Lines, __: Lines) -> Number:
    n, created = len({line.who for line in lines["visits"]}), len(lines["created"])
    return {"value": created / n if n else None, "numerator": created, "denominator": n}


NUMBERS: dict[str, Callable[[Asked, Lines, Lines], Number]] = {
    "cost_per_lead": cost_of("spent on marketing", "created"), "cac": cost_of("spent", "customers"),
    "cost_per_customer": cost_of("spent on marketing", "of cohort: customers"),
    "source_romi": returned("revenue of leads"), "source_roi": returned("margin of leads"),
    "visitors": visitors, "visitor_to_lead": for_each_visitor,
}  # fmt: skip
