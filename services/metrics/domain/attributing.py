"""Which numbers can be put down to touches, and cells that have been."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from services.metrics.domain.answers import Cell
from services.metrics.domain.forms import Cost, Count, Definition, MoneyTotal, PerDay, Ratio, Return


def takes_attribution(definition: Definition) -> bool:
    """Whether a number is a sum of things that can be put down to touches: counts, money, and what is made of spending. A share of a
    cohort is cut alike above and below the line, by what held when it began."""
    if definition.basis == "snapshot":
        return False
    match definition.form:
        case Count(_, timed):
            return not timed
        case Ratio(_, _, proportion):
            return not proportion
        case PerDay() | MoneyTotal() | Cost() | Return():
            return True
        case _:
            return False


def put_together(cells: Iterable[Cell]) -> list[Cell]:
    """Cells of one group, measure and currency as one."""
    sums: dict[tuple[object, ...], Cell] = {}
    for cell in cells:
        key = (cell.group, cell.measure, cell.currency)
        known = sums.get(key)
        sums[key] = (
            cell
            if known is None
            else replace(
                known,
                n=known.n + cell.n,
                amount=known.amount + cell.amount,
                first_at=min((at for at in (known.first_at, cell.first_at) if at is not None), default=None),
            )
        )
    return [cell for cell in sums.values() if cell.n or cell.amount]
