"""Where leads come from, and by what else entries are cut. Those that are alike are one object: a batch has many of them, and they are
compared often."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from services.metrics.domain.entries import Dims
from services.metrics.domain.opportunities import Held


class FirstTouch(NamedTuple):
    """Where a lead came from: its earliest touch that names a channel or a source."""

    channel: str | None
    source: str | None
    campaign: str | None


@lru_cache(maxsize=4096)
def place_of(channel: str | None, source: str | None, campaign: str | None) -> FirstTouch:
    """What a touch names; what is empty is not named."""
    return FirstTouch(channel or None, source or None, campaign or None)


@lru_cache(maxsize=16_384)
def dims_of(touch: FirstTouch | None, held: Held) -> Dims:
    """By what is cut what happened to a lead from there while this held."""
    channel, source, campaign = touch or (None, None, None)
    return Dims(channel, source, campaign, *held)
