"""What services ask each other about a person: who it is, by which names, and up to when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)

Token = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]
"""The keyed hash of one way to recognise somebody."""


class Names(BaseModel):
    """A person's names. `until`, the moment of an erasure, leaves out what was recorded after it; `whole` shows what there is."""

    model_config = ConfigDict(extra="forbid")

    lead_ids: Annotated[list[UUID], Field(max_length=10_000)]
    tokens: Annotated[list[Token], Field(max_length=10_000)]
    until: Annotated[AwareDatetime, Field(ge=EARLIEST, lt=LATEST)] | None = None
    whole: bool = False

    def everything(self) -> set[str]:
        """All names, as erasures and dead letters know them."""
        return {*map(str, self.lead_ids), *self.tokens}
