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


def with_stays(
    ended: Mapping[Group | None, Values],
    still_open: Mapping[Group | None, Spread] | None,
    totals: Mapping[Group | None, Spread],
) -> dict[Group | None, Values]:
    """The values of every group in which a stay ended or goes on. What goes on is of no period: there is none of it (None)
    where periods part the answer."""
    nothing = {**plain(None, 0, 0, 0), "mean": None, "quantiles": quantiles(None), "negative": 0}
    return {
        group: {
            **ended.get(group, nothing),
            **({"open": _values(still_open.get(group))} if still_open is not None else {}),
            "each": _values(totals.get(group)),
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
