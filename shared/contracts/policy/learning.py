"""What models may learn from, and when one may speak."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.envelope import Name
from shared.contracts.policy.section import Section

LearnedOutcome = Literal["opportunity", "customer"]


class Learning(Section):
    """How a unit's model is learned. `attributes` are those it may use, beside what every lead has; `leave_out` names
    what may not be used because it is filled in later, or should not decide. A value of `missing` says nothing."""

    enabled: bool = True
    outcomes: tuple[LearnedOutcome, ...] = ("opportunity", "customer")
    attributes: Literal["all"] | tuple[Name, ...] = "all"
    leave_out: tuple[Name, ...] = ()
    missing: tuple[Name, ...] = ("select", "n/a", "na", "none", "null", "-", "--", "?", "not specified", "not provided")
    imported_history: bool = True
    history_days: Annotated[int, Field(ge=30, le=3650)] = 730
    least_leads: Annotated[int, Field(ge=100)] = 500
    least_outcomes: Annotated[int, Field(ge=20)] = 50
    every_hours: Annotated[int, Field(ge=1, le=720)] = 24
    activate: Literal["better", "by hand"] = "better"
    better_by: Annotated[float, Field(ge=0, le=0.5)] = 0.005
    most_calibration_error: Annotated[float, Field(gt=0, le=0.5)] = 0.05
