"""The steps from a lead that is worth somebody's time to a customer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.contracts.envelope import Name
from shared.contracts.policy.section import Section


class Stage(Section):
    """A step of a pipeline and how likely a deal in it is won."""

    name: Name
    probability: Annotated[float, Field(ge=0, le=1)]
