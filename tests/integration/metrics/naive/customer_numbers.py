"""What is told of customers, from lines: what they are worth, who stays, who is satisfied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta

from tests.integration.metrics.naive.asked import DAY_SECONDS, PERIODS, Asked, Group, Number
from tests.integration.metrics.naive.intervals import of_few
from tests.integration.metrics.naive.line import Line, Lines, sums_of

DAYS_A_MONTH = 365.2425 / 12


def per_customer(what: str) -> Callable[[Asked, Lines, Lines], Number]:
    """Money to date ÷ customers; of several currencies, ÷ those who paid in it."""

    def number(_: Asked, lines: Lines, __: Lines) -> Number:
        sums = sums_of(lines[what])
        payers = {
            currency: {line.who for line in lines["revenue of customers"] if line.currency == currency}
            if len(sums) > 1
            else lines["new customers"]
            for currency in sums
        }
        return {"money": {currency: amount / len(payers[currency]) for currency, amount in sums.items()}}

    return number


def _life(asked: Asked, lines: Lines) -> tuple[float, float]:
    """How many months customers were customers together, and the share of them that leaves a month, which is at least one in the
    horizon."""
    lived = sum(((stay.until or asked.as_of) - stay.at).total_seconds() for stay in lines["stays as customer"])
    months = lived / DAY_SECONDS / DAYS_A_MONTH
    left = sum(stay.until is not None for stay in lines["stays as customer"])
    return months, max(left / months, DAYS_A_MONTH / asked.horizon_days) if months else 0.0


def projected(what: str) -> Callable[[Asked, Lines, Lines], Number]:
    """Money a month ÷ the share that leaves a month."""

    def number(asked: Asked, lines: Lines, _: Lines) -> Number:
        months, churn = _life(asked, lines)
        return {"money": {
            currency: amount / months / churn if months else None for currency, amount in sums_of(lines[what]).items()
        }}  # fmt: skip

    return number


def against_cost(*, months: bool) -> Callable[[Asked, Lines, Lines], Number]:
    """What one customer is worth ÷ what one cost; or what one cost ÷ what one brings a month."""

    def number(asked: Asked, lines: Lines, _: Lines) -> Number:
        spent, brought, n = sums_of(lines["spent"]), sums_of(lines["margin of customers"]), len(lines["new customers"])
        lived, churn = _life(asked, lines)
        found: dict[str, float | None] = dict.fromkeys({*spent, *brought})
        for currency in {*spent} & {*brought} if n and lived else ():
            cost, monthly = spent[currency] / n, brought[currency] / lived
            above, below = (cost, monthly) if months else (monthly / churn, cost)
            found[currency] = above / below if below > 0 else None
        return {"money": found}

    return number


def best(asked: Asked, lines: Lines, whole: Lines) -> Number:
    """The share of all worth that the best have: by margin, or by revenue where some margin is not known."""
    known = all(line.amount is not None for line in whole["margin of customers"])
    worth: dict[str, dict[object, float]] = defaultdict(lambda: defaultdict(float))
    for line in lines["margin of customers" if known else "revenue of customers"]:
        if line.amount is not None and line.currency:
            worth[line.currency][line.who] += line.amount
    found: dict[str, float | None] = {}
    for currency, each in worth.items():
        every = sum(each.values())
        found[currency] = sum(sorted(each.values(), reverse=True)[: asked.top]) / every if every > 1e-9 else None
    return {"money": found}


def satisfied(_: Asked, lines: Lines, __: Lines) -> Number:
    good, n, asked, replied = (len(lines[what]) for what in ("satisfied", "answered", "asked", "replied"))
    return {
        "value": good / n if n else None, "numerator": good, "denominator": n, "asked": asked,
        "response_rate": replied / asked if asked else None, **of_few(good, n),
        **{f"response_{name}": bound for name, bound in of_few(replied, asked).items()},
    }  # fmt: skip


def churn(asked: Asked) -> dict[Group | None, Number]:
    """Who was a customer as the window began, or each period of it, and who of them had left before it ended."""
    counted: dict[Group | None, list[int]] = defaultdict(lambda: [0, 0])
    counted[None] = [0, 0]
    for stay in asked.lines["stays as customer"]:
        held = {**stay.cuts, "business_unit": stay.unit}
        today = asked.day_of(stay.unit, asked.as_of)
        if asked.leaves_out(held) or today < asked.start:
            continue
        _count(counted[None], asked, stay, asked.start, asked.end)
        if asked.cuts:
            for first, after in _parts(asked, stay.unit, today):
                _count(counted[asked.key_of(held, asked.calendars[stay.unit], first)], asked, stay, first, after)
    return {
        group: {
            "value": lost / active if active else None,
            "numerator": lost,
            "denominator": active,
            **of_few(lost, active),
        }
        for group, (lost, active) in counted.items()
    }


def _count(sums: list[int], asked: Asked, stay: Line, first: date, after: date) -> None:
    left = None if stay.until is None else asked.day_of(stay.unit, stay.until)
    if asked.day_of(stay.unit, stay.at) < first and (left is None or left >= first):
        sums[0] += left is not None and left < after
        sums[1] += 1


def _parts(asked: Asked, unit: str, today: date) -> list[tuple[date, date]]:
    """The parts of the window that have begun, a new one with each day on which a period that is cut by begins."""
    periods, calendar = [cut for cut in asked.cuts if cut in PERIODS], asked.calendars[unit]
    if not periods:
        return [(asked.start, asked.end)]
    found: list[tuple[date, date]] = []
    nothing: dict[str, str | None] = dict.fromkeys(asked.cuts)
    day, names, begins = asked.start, None, asked.start
    while day < asked.end and day <= today:
        here = asked.key_of({**nothing, "business_unit": unit}, calendar, day)
        if names is not None and here != names:
            found.append((begins, day))
            begins = day
        names, day = here, day + timedelta(days=1)
    return [*found, (begins, asked.end)] if names is not None else []


NUMBERS: dict[str, Callable[[Asked, Lines, Lines], Number]] = {
    "clv_revenue": per_customer("revenue of customers"), "clv_observed": per_customer("margin of customers"),
    "clv_projected": projected("margin of customers"), "clv_projected_revenue": projected("revenue of customers"),
    "ltv_to_cac": against_cost(months=False), "payback": against_cost(months=True), "top_customers": best, "csat": satisfied,
}  # fmt: skip
