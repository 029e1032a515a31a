"""What was spent to win customers: on what, where, over which days; and which numbers are made with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from services.metrics.domain.answers import TOTAL, Cell, Group, Values, one_or_each, plain
from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import Cost, Return
from services.metrics.domain.spend_kinds import SpendKind

CUTS = ("business_unit", "channel", "source", "campaign")
"""By what spending is known."""


class Spend(NamedTuple):
    """Money for the days from `first_day` until before `after_day`, the same for each. None is no channel, source or campaign of
    its own."""

    business_unit: str
    kind: SpendKind
    channel: str | None
    source: str | None
    campaign: str | None
    first_day: date
    after_day: date
    amount: Decimal
    currency: str


class Spent(NamedTuple):
    """What was spent in a window on one group, in one currency; of the whole window, for the group None."""

    group: Group | None
    currency: str
    amount: Decimal


def from_spent(form: Cost | Return, cells: Iterable[Cell], spent: Iterable[Spent]) -> dict[Group | None, Values]:
    """What each of those counted cost, or what came back, in the total and in every group, by currency. Where nobody said
    what was spent, nothing is known of the cost. What came back where nothing was spent, or in another currency, has no value
    and is told above the line, so that groups add up."""
    counted: dict[Group | None, list[Cell]] = defaultdict(list)
    paid: dict[Group | None, dict[str, Decimal]] = defaultdict(dict)
    for cell in cells:
        counted[cell.group].append(cell)
    for one in spent:
        paid[one.group][one.currency] = one.amount
    found: dict[Group | None, Values] = {}
    for group in dict.fromkeys((TOTAL, *counted, *paid)):
        of = form.measure if isinstance(form, Cost) else Measure.COHORT_CUSTOMER
        own, n = counted[group], sum(cell.n for cell in counted[group] if cell.measure == of)
        each: dict[str, Values] = {}
        returned: dict[str, Decimal] = defaultdict(Decimal)
        if isinstance(form, Return):
            for cell in own:
                if cell.measure == form.revenue and cell.currency and cell.amount:
                    returned[cell.currency] += cell.amount
        for currency in dict.fromkeys((*paid[group], *returned)):
            amount = paid[group].get(currency, Decimal(0))
            if isinstance(form, Cost):
                each[currency] = plain(float(amount) / n if n else None, float(amount), n, n)
            else:
                earned = returned[currency] - amount
                each[currency] = plain(float(earned / amount) if amount else None, float(earned), float(amount), n)
        found[group] = one_or_each(each, n, 0, plain(None, 0, n if isinstance(form, Cost) else 0, n))
    return found
