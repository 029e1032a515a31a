"""What a learned model says beside the rules, and where it is asked. Without an active model rules alone speak."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, Protocol

from services.scoring.domain.touches import Touch
from shared.contracts.scoring_events import Contribution, Silence


class Case(NamedTuple):
    """One person to assess: everything known that had happened by `as_of`, in no order."""

    business_unit: str
    touches: Sequence[Touch]
    as_of: datetime


class Assessment(NamedTuple):
    """How likely the lead becomes an opportunity, or a customer, from 0 to 1, and why: the log-odds of `contributions` sum to those of
    `probability`, each rounded so that every machine gives the same."""

    probability: float
    contributions: tuple[Contribution, ...]
    model_version: str


@lru_cache(maxsize=65536)
def contribution(feature: str, words: str, log_odds: float) -> Contribution:
    """One feature's part. There are few different ones, and each is made once."""
    return Contribution(feature=feature, words=words, log_odds=log_odds)


class Assessor(Protocol):
    """The models of one outcome at work. Pure: the same cases give the same assessments, and what is not assessed gets the reason why."""

    def assess(self, cases: Sequence[Case]) -> Sequence[Assessment | Silence]:
        """One answer for each case, in their order."""
        ...


SILENT: tuple[Assessment | Silence, ...] = ("none_active",)


class NoModel:
    """Stands where no model is active."""

    def assess(self, cases: Sequence[Case]) -> Sequence[Assessment | Silence]:
        """Nothing, for anybody."""
        return SILENT * len(cases)
