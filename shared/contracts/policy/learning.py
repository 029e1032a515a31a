"""What is kept to learn from, what models may learn from, and when one may speak."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.envelope import Name
from shared.contracts.policy.section import Section


class Learning(Section):
    """How a unit's model is learned. `attributes` are those kept for it beside what rules look at: those named; those
    with a `plain` name, as `industry` or `employees`; or `all` whose name or value does not look like somebody's own. Of the features `leave_out` names those that may not be used, because they
    are filled in later or should not decide, and `trusted` those that may although they foretell the outcome suspiciously
    well. A value of `missing` says nothing. A model is activated by itself where it is better, or `by_hand`."""

    enabled: bool = True
    attributes: Literal["plain", "all"] | tuple[Name, ...] = "plain"
    leave_out: tuple[Name, ...] = ()
    trusted: tuple[Name, ...] = ()
    missing: tuple[str, ...] = ("select", "n/a", "na", "none", "null", "-", "--", "?", "not specified", "not provided")
    imported_history: bool = False
    history_days: Annotated[int, Field(ge=30, le=3650)] = 730
    customer_horizon_days: Annotated[int, Field(ge=1, le=3650)] = 180
    least_to_learn: Annotated[int, Field(ge=20)] = 200
    least_to_judge: Annotated[int, Field(ge=10)] = 50
    activate: Literal["better", "by_hand"] = "better"
    most_calibration_error: Annotated[float, Field(gt=0, le=0.5)] = 0.05
