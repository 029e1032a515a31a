"""When a lead is worth a salesperson's time, and the steps from there to a customer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.contracts.envelope import Name
from shared.contracts.policy.section import Section


class Qualification(Section):
    """When a lead is worth a salesperson's time. `automatic` decides on every new score; a person always may."""

    automatic: bool = True
    min_score: int = 60
    grades: tuple[Name, ...] = ()


class Stage(Section):
    """A step of a pipeline and how likely a deal in it is won."""

    name: Name
    probability: Annotated[float, Field(ge=0, le=1)]
