"""The table of contacts' names, by which erasure finds them in leads that are somebody else's."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Index, Text
from sqlmodel import Field

from services.pipeline.storage.tables import PipelineTable


class ContactName(PipelineTable, table=True):
    """A keyed identity of somebody who is or was a contact of a lead."""

    __tablename__ = "contact_names"
    __table_args__ = (Index("contact_names_of_lead", "lead_id", "contact_id"),)

    token: str = Field(sa_type=Text, primary_key=True)
    lead_id: UUID = Field(primary_key=True)
    contact_id: UUID = Field(primary_key=True)
    recorded_at: datetime = Field(sa_type=DateTime(timezone=True))
