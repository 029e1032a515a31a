"""Whether something changed, or is only what chance makes of it: a test for each kind of change, with how large the change is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

AT_LEAST_EACH = 20
"""Fewer than this on a side say nothing of how long things take or what becomes of them."""
AT_LEAST_ENDED = 20
REFERENCES = 12
"""How many weeks before are what is usual."""
FEWEST_REFERENCES = 8
ANSCOMBE = 3 / 8
POISSON_SPREAD = 0.5
"""How far counts lie about their mean by chance alone, on the scale of square roots."""
MAD_OF_NORMAL = 1.4826


class Found(NamedTuple):
    """What a test says: what it was and became, how many times as much that is, and how likely chance makes as large a difference.
    `enough` is whether the difference matters, if there is one."""

    before: float | None
    after: float | None
    n_before: int
    n_after: int
    effect: float | None
    p: float
    enough: bool


class Stays(NamedTuple):
    """Stays of one side: how long those took that ended, and how long the others have lasted."""

    ended: Sequence[float]
    lasting: Sequence[float]

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.ended) + len(self.lasting)


def of_dwell(before: Stays, after: Stays) -> Found | None:
    """Whether things stay longer or shorter: the log-rank test (Mantel 1966), in which a stay that lasts counts up to its age. The effect
    is how many times as fast they leave, observed over expected ends on either side; the values are Kaplan–Meier medians, None where
    more than half stay on. None where there is too little to say anything."""
    ends = len(before.ended) + len(after.ended)
    if min(before.n, after.n) < AT_LEAST_EACH or ends < AT_LEAST_ENDED:
        return None
    observed, expected, variance = 0, 0.0, 0.0
    at_risk = [before.n, after.n]
    for _, ended, gone in _steps(before, after):
        total, out = sum(at_risk), sum(ended)
        if out:
            observed += ended[1]
            expected += out * at_risk[1] / total
            if total > 1:
                variance += out * at_risk[0] * at_risk[1] * (total - out) / (total * total * (total - 1))
        at_risk = [at_risk[side] - ended[side] - gone[side] for side in (0, 1)]
    if variance <= 0 or not 0 < expected < ends:
        return None
    z = (observed - expected) / math.sqrt(variance)
    rest = (ends - observed) / (ends - expected)
    effect = observed / expected / rest if rest else None
    enough = effect is None or not 0.8 < effect < 1.25
    return Found(_median(before), _median(after), before.n, after.n, effect, math.erfc(abs(z) / math.sqrt(2)), enough)


def _steps(before: Stays, after: Stays) -> list[tuple[float, list[int], list[int]]]:
    """Every age at which something ended or is only known to have lasted, with how many on each side."""
    steps: dict[float, tuple[list[int], list[int]]] = {}
    for side, stays in enumerate((before, after)):
        for place, ages in enumerate((stays.ended, stays.lasting)):
            for age in ages:
                steps.setdefault(age, ([0, 0], [0, 0]))[place][side] += 1
    return [(age, *steps[age]) for age in sorted(steps)]


def _median(stays: Stays) -> float | None:
    staying, at_risk = 1.0, stays.n
    for age, ended, gone in _steps(stays, Stays((), ())):
        staying *= 1 - ended[0] / at_risk
        if staying <= 0.5 + 1e-12:
            return age
        at_risk -= ended[0] + gone[0]
    return None


def of_drop_off(before: tuple[int, int], after: tuple[int, int]) -> Found | None:
    """Whether another share drops out, of (dropped out, came in) that all had as long to: Fisher's exact test of two proportions."""
    if min(before[1], after[1]) < AT_LEAST_EACH:
        return None
    from scipy.stats import fisher_exact  # takes a second to load, and only this asks for it

    shares = before[0] / before[1], after[0] / after[1]
    p = fisher_exact([[before[0], before[1] - before[0]], [after[0], after[1] - after[0]]]).pvalue
    effect = shares[1] / shares[0] if shares[0] else None
    enough = abs(shares[1] - shares[0]) >= 0.05
    return Found(*shares, before[1], after[1], effect, float(p), enough)


def of_count(references: Sequence[int], count: int) -> Found | None:
    """Whether a count is another one than those before it, of the same weekday or of whole weeks: on Anscombe's scale √(y + 3/8), on
    which counts spread alike, it is held against the median by the median absolute deviation, which is taken as no less than what chance
    alone makes of counts, by a t distribution with half as many degrees as there are references: the deviation of so few is itself not
    sure. One week that was unlike the others moves neither."""
    if len(references) < FEWEST_REFERENCES:
        return None
    from scipy.stats import t

    roots = [math.sqrt(one + ANSCOMBE) for one in references]
    usual = statistics.median(roots)
    spread = max(MAD_OF_NORMAL * statistics.median(abs(one - usual) for one in roots), POISSON_SPREAD)
    n = len(roots)
    distance = (math.sqrt(count + ANSCOMBE) - usual) / (spread * math.sqrt(1 + math.pi / 2 / n))
    before = statistics.median(references)
    enough = abs(count - before) >= max(5, 0.2 * before)
    return Found(before, count, n, 1, count / before if before else None, 2 * float(t.sf(abs(distance), n / 2)), enough)


def controlled(p_values: Sequence[float]) -> list[float]:
    """What share of findings at least as sure as each would be false: the step-up of Benjamini and Hochberg ("Controlling the false
    discovery rate", Journal of the Royal Statistical Society B 57, 1995)."""
    order = sorted(range(len(p_values)), key=lambda one: -p_values[one])
    found = [1.0] * len(p_values)
    least = 1.0
    for place, one in enumerate(order):
        least = min(least, p_values[one] * len(p_values) / (len(p_values) - place))
        found[one] = least
    return found
