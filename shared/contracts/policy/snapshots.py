"""What is frozen of the numbers, and when: so that it can be read later what was known then."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.envelope import Name
from shared.contracts.policy.calendar import Period, Weekday
from shared.contracts.policy.section import Section

SetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]


class FrozenKpi(Section):
    """A number of the period that the moment is in, or of all time, by what it is cut."""

    kpi: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
    period: Period | Literal["ever"] = "quarter"
    group_by: Annotated[tuple[Name, ...], Field(max_length=3)] = ()


class Snapshots(Section):
    """On this day of each week at this hour, where the unit is, forecasts and these sets of numbers are frozen; on no day without one.
    What could not be within `grace_hours` is noted as missed. After `keep_days` they are forgotten."""

    weekday: Weekday | None = None
    hour: Annotated[int, Field(ge=0, le=23)] = 6
    grace_hours: Annotated[int, Field(ge=1, le=160)] = 24
    keep_days: Annotated[int, Field(ge=30, le=36_500)] = 1_830
    forecasts_by: tuple[Literal["owner", "team"], ...] = ("owner", "team")
    sets: dict[SetName, Annotated[tuple[FrozenKpi, ...], Field(min_length=1, max_length=50)]] = Field(
        default_factory=dict
    )
