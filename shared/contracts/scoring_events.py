"""What scoring publishes on `scoring.scores.v1`: how promising a lead is, and why."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.envelope import Event, Name


class Reason(BaseModel):
    """One rule's contribution. The points of all reasons sum to the score before it is held within its range;
    a reason named `range` carries the difference, so that they always sum to the score itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rule: Name
    points: int
    group: Literal["fit", "engagement", "range"]


class LeadScored(Event):
    """The score of a lead after what was known at `occurred_at`."""

    event: Literal["LeadScored"] = "LeadScored"
    score: Annotated[int, Field(ge=0, le=100)]
    grade: Name
    fit: int
    engagement: int
    reasons: tuple[Reason, ...]
    policy_version: str
    model_version: str | None = None


ScoringEvents = Annotated[LeadScored, Field()]
