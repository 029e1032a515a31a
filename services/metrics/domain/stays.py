"""What stands beside the stays that have ended: those that have not, and what the stays of each one add up to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from services.metrics.domain.answers import TOTAL, Group, Values, plain, quantiles


class Spread(NamedTuple):
    """So many durations in seconds: how they spread, by the quantiles of every answer, and their mean."""

    n: int
    quantiles_seconds: tuple[float, ...]
    mean_seconds: float


MANY = 20_000
"""So many stays are not looked at one by one while somebody waits."""
UNTOLD = {
    "open": f"Of more than {MANY:,} stays sums are read, which tell those in no stage apart by stage only. Group by stage as well.",
    "each": f"Of more than {MANY:,} stays sums are read, which do not say whose they were. Cut by two things, or ask for fewer days.",
}


def with_stays(
    ended: Mapping[Group | None, Values],
    still_open: Mapping[Group | None, Spread] | None,
    totals: Mapping[Group | None, Spread] | None,
    *,
    of_periods: bool,
) -> dict[Group | None, Values]:
    """The values of every group in which a stay ended or goes on. What goes on is of no period: there is none of it where
    periods part the answer. What is not known (None) is told as that, with why."""
    sides = {**({} if of_periods else {"open": still_open}), "each": totals}
    untold = {name: UNTOLD[name] for name, spreads in sides.items() if spreads is None}
    nothing = {**plain(None, 0, 0, 0), "mean": None, "quantiles": quantiles(None), "negative": 0}
    return {
        group: {
            **ended.get(group, nothing),
            **{name: None if spreads is None else _values(spreads.get(group)) for name, spreads in sides.items()},
            **({"untold": untold} if untold else {}),
        }
        for group in dict.fromkeys((TOTAL, *ended, *(still_open or ())))
    }


def _values(spread: Spread | None) -> Values:
    if spread is None:
        return {"value": None, "n": 0, "mean": None, "quantiles": quantiles(None)}
    return {
        "value": spread.quantiles_seconds[0],
        "n": spread.n,
        "mean": spread.mean_seconds,
        "quantiles": quantiles(spread.quantiles_seconds),
    }
