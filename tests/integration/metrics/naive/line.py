"""What is counted, a line each: when it counts, what it is cut by, how long it took and what it was worth."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from tests.integration.metrics.naive.people import Cuts


class Terms(NamedTuple):
    """What holds of a unit: its currency, the share of revenue that is margin, how likely a deal in a stage of a pipeline is won."""

    currency: str
    margin_rate: float | None = None
    chances: dict[tuple[str, str], float] = {}  # noqa: RUF012


class Line(NamedTuple):
    """One thing counted. `began` is when its cohort began. `seconds` None is not measured, or not measurable. `weight` is the part of
    it that is put down to one of the `touches` of `who` it is of; of what was paid back, to those up to when it was `bought`."""

    unit: str
    at: datetime
    began: datetime
    cuts: Cuts
    seconds: float | None = None
    amount: float | None = None
    currency: str | None = None
    score: int | None = None
    until: datetime | None = None
    chance: float | None = None
    who: UUID | None = None
    touches: tuple[tuple[datetime, Cuts], ...] = ()
    weight: float = 1.0
    bought: datetime | None = None


Lines = dict[str, list[Line]]


def weight_of(lines: list[Line]) -> float:
    """How many they are, where a part of one is a part."""
    return sum(line.weight for line in lines)


def sums_of(lines: list[Line]) -> dict[str, float]:
    """What they are worth together, by currency."""
    found: dict[str, float] = defaultdict(float)
    for line in lines:
        if line.amount is not None and line.currency:
            found[line.currency] += line.amount * line.weight
    return dict(found)
