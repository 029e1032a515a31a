"""What services ask each other about a person: who it is, by which names, and up to when."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Names(BaseModel):
    """A person's names. `until`, the moment of an erasure, leaves out what was recorded after it; `whole` shows what there is."""

    model_config = ConfigDict(extra="forbid")

    lead_ids: Annotated[list[UUID], Field(max_length=10_000)]
    tokens: Annotated[list[str], Field(max_length=10_000)]
    until: AwareDatetime | None = None
    whole: bool = False

    def everything(self) -> set[str]:
        """All names, as erasures and dead letters know them."""
        return {*map(str, self.lead_ids), *self.tokens}
