"""A score and its explanation as they are shown."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.contracts.scoring_events import Contribution, Likelihood, Reason, Silence


class LeadScore(BaseModel):
    """A lead's score. The points of `reasons` sum to `score`. `probability` is how likely it becomes an opportunity, with the
    `contributions` of the model that says so, and null where none is active; `customer` is the same of becoming a customer. `occurred_at` is when the last thing the score rests on happened, `scored_at` when it
    was worked out, `changes_at` when time alone changes it if nothing happens before. It is `stale` where another
    policy made it than the present one."""

    lead_id: UUID
    business_unit: str
    score: int
    grade: str
    rating: str | None
    temperature: str | None
    fit: int
    engagement: int
    reasons: list[Reason]
    policy_version: str
    stale: bool
    probability: float | None
    contributions: list[Contribution] | None
    model_version: str | None
    customer: Likelihood | None
    occurred_at: AwareDatetime
    scored_at: AwareDatetime
    changes_at: AwareDatetime | None


class View(BaseModel):
    """Read from what the domain has worked out."""

    model_config = ConfigDict(from_attributes=True)


class ShownScore(View):
    """A number and what it is called."""

    score: int
    grade: str
    rating: str
    temperature: str
    fit: int
    engagement: int


class ShownEntry(View):
    """One thing done. `remaining` is the share of its points that is left, from 1 to 0; where it does not count, `why_not`
    says why."""

    event_id: UUID
    occurred_at: AwareDatetime
    kind: str
    value: str | None
    points: int
    remaining: Decimal
    points_now: Decimal
    counts: bool
    why_not: str | None


class ShownLine(View):
    """One rule and what it gives. The `points_now` of its entries and `rounding` sum to its points."""

    rule: str
    group: str
    points: int
    because: str
    entries: list[ShownEntry]
    rounding: Decimal


class ShownStep(View):
    """What the score would be if one more rule held."""

    rule: str
    score: ShownScore


class ShownChange(View):
    """What will be told then if nothing happens before."""

    at: AwareDatetime
    score: ShownScore


class ShownAssessment(View):
    """What the model says. The log-odds of all `contributions` sum to those of `probability`."""

    probability: float
    model_version: str
    contributions: list[Contribution]


class ShownExplanation(View):
    """A score as of a moment, by the present policy, down to every point: `lines` and `bounds` sum to the score. What is
    marked as a test or as spam is `left_out`. `model` is what the model that speaks now says of its becoming an opportunity, else
    `without_model` says why none does; `customer` and `without_customer` are the same of its becoming a customer. `told` is the score as it was published last."""

    lead_id: UUID
    business_unit: str
    as_of: AwareDatetime
    policy_version: str
    score: ShownScore
    variant: str | None
    segments: list[str]
    lines: list[ShownLine]
    bounds: list[Reason]
    better: list[ShownStep]
    changes: list[ShownChange]
    taken_back: list[UUID]
    left_out: list[UUID]
    model: ShownAssessment | None
    without_model: Silence | None
    customer: ShownAssessment | None
    without_customer: Silence | None
    told: LeadScore | None
