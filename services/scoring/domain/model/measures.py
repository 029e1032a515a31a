"""How good probabilities were, once it is known what happened. Nothing here knows where they came from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from shared.contracts import ranking

BINS = 10

SURELY = 1e-6
"""A probability is held so far from 0 and 1 where its logarithm is taken."""


class Decile(NamedTuple):
    """A tenth of the leads, those with the highest probabilities first."""

    leads: int
    positives: int
    expected: float
    observed: float
    lift: float | None


class Quality(NamedTuple):
    """What was told against what happened. `auc` and `lift` are None where everything ended alike.

    `ece` is the mean distance of expected and observed over ten equally wide ranges of probability, weighted by their
    leads; `ece_by_decile` the same over tenths of the leads.
    """

    leads: int
    positives: int
    auc: float | None
    brier: float
    log_loss: float
    ece: float
    ece_by_decile: float
    lift: float | None
    deciles: tuple[Decile, ...]

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**self._asdict(), "deciles": [decile._asdict() for decile in self.deciles]}


def quality(probabilities: Sequence[float], outcomes: Sequence[bool]) -> Quality | None:
    """How good the probabilities were; None where there are none."""
    leads, positives = len(probabilities), sum(outcomes)
    if leads == 0:
        return None
    deciles = by_decile(probabilities, outcomes)
    return Quality(
        leads=leads,
        positives=positives,
        auc=auc(probabilities, outcomes),
        brier=math.fsum((told - was) ** 2 for told, was in zip(probabilities, outcomes, strict=True)) / leads,
        log_loss=math.fsum(_surprise(told, was) for told, was in zip(probabilities, outcomes, strict=True)) / leads,
        ece=_calibration_error(probabilities, outcomes),
        ece_by_decile=math.fsum(abs(one.expected - one.observed) * one.leads for one in deciles) / leads,
        lift=deciles[0].lift,
        deciles=deciles,
    )


def auc(scores: Sequence[float], outcomes: Sequence[bool]) -> float | None:
    """How often a lead with the outcome has the higher score than one without it, ties counting half."""
    return ranking.auc(ranking.tally(zip(scores, outcomes, strict=True)))


def range_of(probability: float) -> int:
    """Which of ten equally wide ranges a probability lies in."""
    return min(int(probability * BINS), BINS - 1)


def by_decile(probabilities: Sequence[float], outcomes: Sequence[bool]) -> tuple[Decile, ...]:
    """The leads in ten parts, as equal as their number allows, best first; fewer where there are fewer leads. Leads that
    were told the same are shared out evenly between the parts they fall into, in whatever order they are given."""
    leads, positives = len(outcomes), sum(outcomes)
    ended = ranking.tally(zip(probabilities, outcomes, strict=True))
    parts = min(BINS, leads)
    sizes = [leads // parts + (part < leads % parts) for part in range(parts)]
    deciles: list[Decile] = []
    values = iter(sorted(ended, reverse=True))
    value, left, share = 0.0, 0.0, 0.0
    for size in sizes:
        wanted, expected, observed = float(size), 0.0, 0.0
        while wanted > 1e-9:
            if left <= 1e-9:
                value = next(values)
                left, share = float(ended[value].leads), ended[value].followed / ended[value].leads
            taken = min(left, wanted)
            expected += taken * value
            observed += taken * share
            left -= taken
            wanted -= taken
        rate = observed / size
        lift = rate * leads / positives if positives else None
        deciles.append(Decile(size, round(observed), expected / size, rate, lift))
    return tuple(deciles)


def stability(before: Mapping[str, float], now: Mapping[str, float]) -> float:
    """The population stability index between two distributions, each a count by cell: 0 for the same, more than 0.25 for
    another population. A cell that is empty on one side counts as half a lead."""
    cells = before.keys() | now.keys()
    total_before, total_now = sum(before.values()), sum(now.values())
    if not cells or not total_before or not total_now:
        return 0.0
    index = 0.0
    for cell in cells:
        was = max(before.get(cell, 0.0), 0.5) / total_before
        is_now = max(now.get(cell, 0.0), 0.5) / total_now
        index += (is_now - was) * math.log(is_now / was)
    return index


def drift(before: Mapping[str, float], now: Mapping[str, float], people_before: int, people_now: int) -> float:
    """The stability index without what chance alone makes of it where so many people stand behind either side, which is
    what it comes to on average where nothing changed; 0 where no more than that is found."""
    cells = len({*before, *now})
    by_chance = (cells - 1) * (1 / max(people_before, 1) + 1 / max(people_now, 1))
    return max(0.0, stability(before, now) - by_chance)


def _surprise(told: float, was: bool) -> float:
    held = min(max(told, SURELY), 1 - SURELY)
    return -math.log(held if was else 1 - held)


def _calibration_error(probabilities: Sequence[float], outcomes: Sequence[bool]) -> float:
    told, happened = [0.0] * BINS, [0.0] * BINS
    for probability, was in zip(probabilities, outcomes, strict=True):
        part = range_of(probability)
        told[part] += probability
        happened[part] += was
    return math.fsum(abs(one - other) for one, other in zip(told, happened, strict=True)) / len(outcomes)
