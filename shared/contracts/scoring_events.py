"""What scoring publishes on `scoring.scores.v1`: how promising a lead is, and why."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.envelope import Event, Name


class Reason(BaseModel):
    """One rule's contribution. The five strongest either way are told; one of the group `range` carries the rest of them,
    and one each what a cap or the range of the score takes away or adds, so that all points sum to the score."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rule: Name
    points: int
    group: Literal["fit", "engagement", "range"]


Silence = Literal["none_active", "too_little_data", "unusable", "nothing_known", "failed"]
"""Why a score has no probability: no model was activated, or none may speak for the unit; there is too little data to learn one; the active one cannot be
used; nothing is known of the lead, as of one that is held out; the model failed at this lead."""


class Contribution(BaseModel):
    """What one feature adds to the log-odds of the model's probability, in words a salesperson reads."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    feature: Name
    words: str
    log_odds: float


class Likelihood(BaseModel):
    """How likely a model says that something comes of a lead, and why: the log-odds of `contributions` sum to those of
    `probability`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    probability: Annotated[float, Field(ge=0, le=1)]
    model_version: str
    contributions: tuple[Contribution, ...]


class LeadScored(Event):
    """The score of a lead after what was known at `occurred_at`. Score, grade, `rating` (a letter for fit, a
    number for engagement) and temperature come from the policy's rules. Where models are active they stand beside them, each with
    reasons of its own, and change none: `probability` is that of an opportunity, else `without_model` says why there is none; `customer`
    is that of a customer, and absent where no model says it. One without a `causation_id` was caused by time alone."""

    event: Literal["LeadScored"] = "LeadScored"
    score: Annotated[int, Field(ge=0, le=100)]
    grade: Name
    rating: str | None = None
    temperature: Literal["hot", "warm", "cold"] | None = None
    segments: tuple[Name, ...] | None = None
    fit: int
    engagement: int
    reasons: tuple[Reason, ...]
    policy_version: str
    model_version: str | None = None
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    contributions: tuple[Contribution, ...] | None = None
    without_model: Silence | None = None
    customer: Likelihood | None = None


ScoringEvents = Annotated[LeadScored, Field()]
