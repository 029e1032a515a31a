"""What pipeline publishes on `pipeline.erasures.v1`: whose personal data is to be forgotten, by everybody, for good."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.envelope import Event, Moment, Name


class ErasureOrdered(Event):
    """What was recorded of a person up to `until` is to be forgotten wherever it is kept, and never kept again, however
    often it is read. The person is known by lead ids and identity tokens: keyed hashes, so that this reveals nobody. One
    erasure may be told in several orders, as more of the person becomes known. `reason` names nobody."""

    event: Literal["ErasureOrdered"] = "ErasureOrdered"
    erasure_id: UUID
    until: Moment
    lead_ids: tuple[UUID, ...] = ()
    tokens: tuple[str, ...] = ()
    actor: Name
    reason: Annotated[str, Field(max_length=500)]


ErasureEvents = ErasureOrdered
