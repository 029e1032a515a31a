"""How far off forecasts turned out to be that were frozen: for each whole period the last one that was near each lead time, against
what was won in it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from tests.integration.metrics.naive.asked import Number
from tests.integration.metrics.naive.forecasts import Foreseen, Owner

LEAD_DAYS = (90, 60, 30, 0)
NEAR_DAYS = 8
METHODS = ("weighted", "historical", "combined")


class Frozen(NamedTuple):
    """What was foreseen at a moment, from what had been told by then: by whom of what is told."""

    at: datetime
    by: dict[str, Foreseen]


class Pair(NamedTuple):
    """One forecast of one period, by a method, and what was won."""

    lead_days: int
    method: str
    foreseen: float
    won: float


Key = tuple[str, Owner | bool]
"""A period's name, and whose it is, or everybody's (True)."""


def judged(
    frozen: list[Frozen], periods: list[tuple[str, date, date]], by: str, kind: str, now: Foreseen
) -> dict[Key, list[Pair]]:  # fmt: skip
    """Every forecast that counts of periods that are over, by period and owner or team; `now` knows what was won."""
    found: dict[Key, list[Pair]] = defaultdict(list)
    zone = now.asked.zones[now.unit or "default"]
    for name, first, after in periods:
        won: dict[Owner | bool, float] = defaultdict(float)
        for line in now.lines("won"):
            if first <= now.asked.day_of(line.unit, line.at) < after:
                won[now.whose(line)] += now.then(line) or 0.0
                won[True] += now.then(line) or 0.0
        for lead in LEAD_DAYS:
            latest, earliest = (
                datetime.combine(first - timedelta(days=days), time(), zone) for days in (lead, lead + NEAR_DAYS)
            )
            near = [one for one in frozen if earliest <= one.at <= latest]
            if not near:
                continue
            last = max(near, key=lambda one: one.at)
            foreseen = last.by[by].forecasts(first, after, kind)
            for owner, sold in list(won.items()):
                if owner not in foreseen and owner is not True and sold:
                    found[name, owner] += [Pair(lead, method, 0.0, sold) for method in METHODS]
            for owner, numbers in foreseen.items():
                found[name, owner] += [
                    Pair(lead, method, numbers[method].won + numbers[method].to_come.mean, won[owner]) for method in METHODS
                ]  # fmt: skip
    return found


def off_by(pairs: list[Pair], lead_days: int, method: str) -> Number:
    """Σ|forecast − won| ÷ Σ won, and Σ(forecast − won) ÷ Σ won."""
    own = [pair for pair in pairs if (pair.lead_days, pair.method) == (lead_days, method)]
    won = sum(pair.won for pair in own)
    off, over = sum(abs(pair.foreseen - pair.won) for pair in own), sum(pair.foreseen - pair.won for pair in own)
    return {
        "wape": off / won if won else None, "bias": over / won if won else None, "off": off, "actual": won, "n": len(own),
    }  # fmt: skip
