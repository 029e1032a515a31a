"""The tables of visitors that were told of."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Date, DateTime, Index, Text
from sqlmodel import Field

from services.pipeline.storage.tables import PipelineTable


class VisitRow(PipelineTable, table=True):
    """A visitor on one day of their unit, by one way, and the first moment known of that. Empty is a source or campaign that nobody
    named. `way` stands for channel, source and campaign, which are too long for a key of an index."""

    __tablename__ = "visits"
    __table_args__ = (Index("visits_of_day", "day"),)

    visitor: UUID = Field(primary_key=True)
    day: date = Field(sa_type=Date, primary_key=True)
    way: UUID = Field(primary_key=True)
    channel: str = Field(sa_type=Text, nullable=False)
    source: str = Field(sa_type=Text, nullable=False)
    campaign: str = Field(sa_type=Text, nullable=False)
    first_at: datetime = Field(sa_type=DateTime(timezone=True), nullable=False)


class VisitorLead(PipelineTable, table=True):
    """A lead who did something as a visitor of whom no lead is known by that name, and the day on which that was first told."""

    __tablename__ = "visitor_leads"
    __table_args__ = (Index("visitor_leads_lead", "lead_id"),)

    visitor: UUID = Field(primary_key=True)
    lead_id: UUID = Field(primary_key=True)
    day: date = Field(sa_type=Date, nullable=False)
