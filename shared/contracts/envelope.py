"""The part every event has, whoever publishes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""A short label: a channel, a stage, an owner. Never a person's name or address."""

Money = Annotated[str, StringConstraints(pattern=r"^-?\d{1,15}(\.\d{1,6})?$")]
"""A decimal amount as a string, so that no reader loses a cent to binary floats. Its currency stands beside it."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""ISO 4217 code."""


EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)

Moment = Annotated[AwareDatetime, Field(ge=EARLIEST, lt=LATEST)]
"""A time with its offset, within what every calendar, zone and database here can hold."""

SchemaVersion = Annotated[int, Field(ge=1, le=1)]
"""The major versions there are. What a reader may ignore, as one field more, is no new version."""


class Event(BaseModel):
    """A fact in the past tense: frozen, with one owner and one definition.

    `occurred_at` says when it happened, `recorded_at` when Leadflow learned it. A derived event's `occurred_at` is the
    latest among its causes, never the wall clock. Readers ignore fields they do not know. An event of a name or of a
    `schema_version` that they do not know they set aside as a dead letter: it may mean anything.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", cache_strings="keys")

    event: str
    event_id: UUID
    lead_id: UUID
    business_unit: Name
    occurred_at: Moment
    recorded_at: Moment
    correlation_id: UUID
    causation_id: UUID | None = None
    schema_version: SchemaVersion = 1
    historical: bool = False

    def to_json(self) -> bytes:
        """The event as it travels: UTF-8 JSON without fields that are null."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)


class LifecycleEvent(Event):
    """An event of one lead's story. `version` counts that lead's events from 1; it orders and never deduplicates."""

    version: Annotated[int, Field(ge=1)]
    policy_version: str | None = None
    actor: str | None = None


Attributes = dict[str, Any]
