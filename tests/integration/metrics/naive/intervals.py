"""How sure a share of few is, by what an interval is and not by its formula: all shares from which what was seen is no more than so
many standard deviations away."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

from tests.integration.metrics.naive.asked import Number

FEW = 30
AWAY = NormalDist().inv_cdf(0.975)


@lru_cache(maxsize=65_536)
def bounds(reached: float, n: float) -> tuple[float, float]:
    """The least and the greatest such share."""
    seen = reached / n
    return _edge(seen, n, seen, 0.0), _edge(seen, n, seen, 1.0)


def _edge(seen: float, n: float, inside: float, outside: float) -> float:
    """Where it ends, between a share that is inside and one that is not, or as far as shares go."""
    if _is_near(seen, n, outside):
        return outside
    for _ in range(200):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if _is_near(seen, n, middle) else (inside, middle)
    return inside


def _is_near(seen: float, n: float, share: float) -> bool:
    return n * (seen - share) ** 2 <= AWAY**2 * share * (1 - share)


def of_few(reached: float, n: float) -> Number:
    """What stands beside a share of fewer than thirty: of nobody nothing is sure."""
    if n >= FEW:
        return {}
    return {"interval": dict(zip(("low", "high"), bounds(reached, n), strict=True)) if n else None}
