"""How many were there, and how many leads came of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from services.metrics.domain.answers import TOTAL, Cell, Group, Values, plain

CUTS = ("business_unit", "channel", "source", "campaign")
"""By what visitors are known."""


def counted(visitors: Mapping[Group | None, int]) -> dict[Group | None, Values]:
    """How many different ones were there, in all and in each group. One who came by two ways is in two groups and once in all."""
    return {group: plain(n, n, None, n) for group, n in {TOTAL: 0, **visitors}.items()}


def for_each(visitors: Mapping[Group | None, int], cells: Iterable[Cell]) -> dict[Group | None, Values]:
    """How many leads there are for each visitor. Somebody who called was none, so it may exceed 1."""
    leads: dict[Group | None, int] = defaultdict(int)
    for cell in cells:
        leads[cell.group] += cell.n
    found: dict[Group | None, Values] = {}
    for group in dict.fromkeys((TOTAL, *visitors, *leads)):
        n, came = visitors.get(group, 0), leads[group]
        found[group] = plain(came / n if n else None, came, n, n)
    return found
