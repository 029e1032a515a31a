"""From what customers count as to what is told of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from services.metrics.domain.answers import TOTAL, Cell, Group, Values, one_or_each, plain, ratio
from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import Worth
from services.metrics.domain.questions import Question
from services.metrics.domain.spending import Spent

DAYS_A_MONTH = 365.2425 / 12
M = Measure


class Lives(NamedTuple):
    """How many customers there are in a group, how many times one of them left, and how long all were customers together."""

    n: int = 0
    lost: int = 0
    seconds: float = 0.0

    @property
    def months(self) -> float:
        """How long, in months of the mean length."""
        return self.seconds / 86_400 / DAYS_A_MONTH


class Best(NamedTuple):
    """One of the customers who are worth most, in a currency, beside what all are worth in it and how many they are."""

    group: Group | None
    currency: str
    lead_id: UUID
    worth: Decimal
    since: datetime
    whole: Decimal
    n: int


def grouped(cells: Iterable[Cell]) -> dict[Group | None, list[Cell]]:
    """Cells by their group. A total is always there."""
    found: dict[Group | None, list[Cell]] = defaultdict(list)
    found[TOTAL] = []
    for cell in cells:
        found[cell.group].append(cell)
    return found


def _amounts(cells: Iterable[Cell], money: Measure) -> tuple[dict[str, Decimal], int]:
    """What was paid by currency, and of how many nothing is known."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    unknown = 0
    for cell in cells:
        if cell.measure == money and cell.currency:
            sums[cell.currency] += cell.amount
        elif cell.measure == money:
            unknown += cell.n
    return sums, unknown


def per_customer(cells: Iterable[Cell], money: Measure) -> dict[Group | None, Values]:
    """Money to date for each customer; of several currencies, for each who paid in it."""
    return {group: _per_customer(own, money) for group, own in grouped(cells).items()}


def _per_customer(cells: Sequence[Cell], money: Measure) -> Values:
    n = sum(cell.n for cell in cells if cell.measure == M.CUSTOMER)
    sums, unknown = _amounts(cells, money)
    each: dict[str, Values] = {}
    for currency, amount in sums.items():
        payers = n
        if len(sums) > 1:
            payers = sum(cell.n for cell in cells if cell.measure == M.CUSTOMER_IN and cell.currency == currency)
        each[currency] = plain(float(amount / payers) if payers else None, float(amount), payers, payers)
    return one_or_each(each, n, unknown, plain(None, 0, n, n))


def satisfied(cells: Iterable[Cell]) -> dict[Group | None, Values]:
    """The share of good answers, and of those who were asked and answered."""
    found: dict[Group | None, Values] = {}
    for group, own in grouped(cells).items():
        count: dict[Measure, int] = defaultdict(int)
        for cell in own:
            count[cell.measure] += cell.n
        asked, replied = count[M.SATISFACTION_ASKED], count[M.SATISFACTION_REPLIED]
        answered = ratio(replied, asked, interval=True)
        found[group] = {
            **ratio(count[M.SATISFIED], count[M.SATISFACTION_TOLD], interval=True),
            "asked": asked,
            "response_rate": answered["value"],
            **({"response_interval": answered["interval"]} if "interval" in answered else {}),
        }
    return found


class Life(NamedTuple):
    """What one customer brings: money a month, the share of them that leaves a month, and what that comes to in the end."""

    monthly: float
    churn: float
    capped: float

    @property
    def worth(self) -> float:
        """All that one is expected to bring."""
        return self.monthly / self.capped

    def shown(self) -> Values:
        """What stands beside an answer made of it."""
        return {"per_month": self.monthly, "churn_per_month": self.churn, "is_capped": self.capped > self.churn}


def life(amount: Decimal, lives: Lives, lifetime_months: float) -> Life | None:
    """None where nobody has been a customer for any time yet."""
    if lives.months <= 0:
        return None
    churn = lives.lost / lives.months
    return Life(float(amount) / lives.months, churn, max(churn, 1 / lifetime_months))


def projected(
    question: Question, cells: Iterable[Cell], lives: Mapping[Group | None, Lives], money: Measure
) -> dict[Group | None, Values]:
    """What a customer is expected to bring: money a month ÷ the share that leaves a month."""
    by_group = grouped(cells)
    found: dict[Group | None, Values] = {}
    for group in dict.fromkeys((TOTAL, *lives, *by_group)):
        own = lives.get(group, Lives())
        sums, unknown = _amounts(by_group.get(group, []), money)
        each: dict[str, Values] = {}
        for currency, amount in sums.items():
            one = life(amount, own, question.lifetime_months)
            value = plain(None, 0, 0, own.n)
            if one is not None:
                value = {**plain(one.worth, one.monthly, one.capped, own.n), **one.shown()}
            each[currency] = value
        found[group] = {
            **one_or_each(each, own.n, unknown, plain(None, 0, 0, own.n)),
            "months_lived": own.months,
            "lifetime_months": question.lifetime_months,
        }
    return found


def worth(
    question: Question,
    form: Worth,
    cells: Iterable[Cell],
    lives: Mapping[Group | None, Lives],
    spent: Iterable[Spent],
) -> dict[Group | None, Values]:
    """What customers bring against what they cost; known in currencies in which both are."""
    by_group = grouped(cells)
    paid: dict[Group | None, dict[str, Decimal]] = defaultdict(dict)
    for one in spent:
        paid[one.group][one.currency] = one.amount
    found: dict[Group | None, Values] = {}
    for group in dict.fromkeys((TOTAL, *lives, *by_group, *paid)):
        own = lives.get(group, Lives())
        sums, unknown = _amounts(by_group.get(group, []), form.money)
        each: dict[str, Values] = {}
        for currency in sorted({*sums, *paid[group]}):
            cost = float(paid[group][currency] / own.n) if own.n and currency in paid[group] else None
            brings = life(sums[currency], own, question.lifetime_months) if currency in sums else None
            each[currency] = _against(form, brings, cost, own.n)
        found[group] = one_or_each(each, own.n, unknown, plain(None, 0, 0, own.n))
    return found


def _against(form: Worth, brings: Life | None, cost: float | None, n: int) -> Values:
    if brings is None or cost is None:
        return {**plain(None, 0, 0, n), "cac": cost}
    above, below = (cost, brings.monthly) if form.months else (brings.worth, cost)
    value = above / below if below > 0 else None
    return {**plain(value, above, below, n), "cac": cost, **brings.shown()}


def with_total(rows: Sequence[Best], top: int) -> list[Best]:
    """The best of all beside the best of each group, among whom they are: everybody is in one group."""
    by_currency: dict[str, dict[Group | None, list[Best]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_currency[row.currency][row.group].append(row)
    found = list(rows)
    for groups in by_currency.values():
        each = [own[0] for own in groups.values()]
        whole, n = sum((one.whole for one in each), Decimal(0)), sum(one.n for one in each)
        everybody = sorted((one for own in groups.values() for one in own), key=_place)
        found += [one._replace(group=TOTAL, whole=whole, n=n) for one in everybody[:top]]
    return found


def _place(one: Best) -> tuple[Decimal, UUID]:
    return -one.worth, one.lead_id


def best(rows: Iterable[Best], customers: Iterable[Cell], ranked_by: str) -> dict[Group | None, Values]:
    """Who is worth most, and their share of what all are worth; of so many `customers`, each once in however many currencies."""
    by_group: dict[Group | None, dict[str, list[Best]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_group[row.group][row.currency].append(row)
    counted = grouped(customers)
    found: dict[Group | None, Values] = {}
    for group in dict.fromkeys((*counted, *by_group)):
        currencies = by_group[group]
        each: dict[str, Values] = {}
        for currency, own in currencies.items():
            top, whole = sum((one.worth for one in own), Decimal(0)), own[0].whole
            each[currency] = {
                **plain(float(top / whole) if whole > 0 else None, float(top), float(whole), own[0].n),
                "customers": [
                    {"lead_id": one.lead_id, "worth": float(one.worth), "since": one.since}
                    for one in sorted(own, key=_place)
                ],
            }
        empty = {**plain(None, 0, 0, 0), "customers": []}
        n = sum(cell.n for cell in counted[group])
        found[group] = {**one_or_each(each, n, 0, empty), "ranked_by": ranked_by}
    return found
