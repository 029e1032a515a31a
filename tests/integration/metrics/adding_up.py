"""Whether what is behind a number adds up to it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.forms import (
    Best,
    Churn,
    Cost,
    PerCustomer,
    PerDay,
    PerVisitor,
    Projected,
    Return,
    Velocity,
    Visitors,
    Worth,
)
from tests.integration.metrics.harness import Metrics

PARTLY = (Velocity, Cost, Return, Projected, Worth, Best)
"""Forms that are made of more than what is above and below the line."""
BELOW_IS_OTHER = (PerDay, Velocity, Return, PerCustomer, Projected, Worth, Best, Churn)


def sums(behind: list[dict[str, Any]]) -> dict[tuple[Any, str | None], list[float]]:
    """Numerator, denominator and n by group and currency."""
    found: dict[tuple[Any, str | None], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for one in behind:
        key = tuple(one["key"].values()) if "key" in one else None
        for place, name in enumerate(("numerator", "denominator", "n")):
            found[key, one.get("currency")][place] += one[name]
    return found


def agrees(kpi: str, values: dict[str, Any], parts: dict[str | None, list[float]], context: str = "") -> None:
    """Whether the sums of what is behind a group are its values."""
    form = BY_ID[kpi].form
    if isinstance(form, Visitors):  # they are nobody by name
        assert not parts, (kpi, context)
        return
    if isinstance(form, PerVisitor):
        assert sum(above for above, _, _ in parts.values()) == (values["numerator"] or 0), (kpi, context)
        return
    assert isinstance(form, Churn) or values["n"] == _near(sum(n for _, _, n in parts.values())), (kpi, context)
    by_currency = values.get("by_currency") or {values.get("currency"): values}
    for currency, each in by_currency.items():
        above, below, _ = parts.get(currency, [0.0, 0.0, 0.0])
        if currency is None or isinstance(
            form, Cost
        ):  # what was spent is shared out among all of them in each currency
            above, below = (sum(one[place] for one in parts.values()) for place in (0, 1))
        if not isinstance(form, PARTLY):
            assert each["numerator"] == _near(above), (kpi, currency, context)
        if not isinstance(form, BELOW_IS_OTHER) and each["denominator"] is not None:
            assert each["denominator"] == _near(below), (kpi, currency, context)


def _near(value: float) -> Any:
    return pytest.approx(value, rel=1e-6, abs=1e-6)


async def adds_up(metrics: Metrics, kpi: str, context: str = "", **asked: Any) -> None:
    """Whether every group of an answer, or its total where nothing is cut, is what the leads behind it make together."""
    answer = await metrics.ask(kpi, **asked)
    groups: dict[Any, dict[str | None, list[float]]] = defaultdict(dict)
    for (key, currency), parts in sums(await metrics.leads(kpi, **asked, limit=7)).items():
        groups[key][currency] = parts
    if not asked.get("group_by"):
        agrees(kpi, answer["total"], groups.pop(None, {}), context)
    for group in answer["groups"]:
        agrees(kpi, group, groups.pop(tuple(group["key"].values()), {}), context)
    assert not groups, f"{kpi}: {context}"
