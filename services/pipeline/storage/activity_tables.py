"""The table of what was done with leads."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Index, Text
from sqlmodel import Field

from services.pipeline.storage.tables import PipelineTable


class ActivityRow(PipelineTable, table=True):
    """That somebody reached out, met, wrote a note or did what was due: where to find it in the history. `outcome` is the last
    word on it. `lead_id` is the story that its fact is in."""

    __tablename__ = "activities"
    __table_args__ = (
        Index("activities_latest", "occurred_at", "event_id", "lead_id"),
        Index("activities_of_unit", "business_unit", "occurred_at", "event_id", "lead_id"),
        Index("activities_of_kind", "kind", "occurred_at", "event_id", "lead_id"),
        Index("activities_of_owner", "owner", "occurred_at", "event_id", "lead_id"),
        Index("activities_of_lead", "lead_id", "occurred_at", "event_id"),
    )

    event_id: UUID = Field(primary_key=True)
    lead_id: UUID = Field(primary_key=True)
    business_unit: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    owner: str | None = Field(default=None, sa_type=Text)
    occurred_at: datetime = Field(sa_type=DateTime(timezone=True))
    outcome: str | None = Field(default=None, sa_type=Text)
