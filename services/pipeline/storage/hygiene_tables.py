"""The tables of hygiene: what is to be put in order about which lead since when, and how far the present look is."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.pipeline.storage.tables import PipelineTable


class HygieneEntry(PipelineTable, table=True):
    """Something to be put in order about a lead, from when it was found until a look did not find it any more. `facts` names fields
    and counts; nothing of the person."""

    __tablename__ = "hygiene"
    __table_args__ = (
        Index("hygiene_open", "lead_id", "kind", unique=True, postgresql_where=text("resolved_at IS NULL")),
        Index("hygiene_by_unit", "business_unit", "found_at", "lead_id"),
        Index("hygiene_found", "found_at", "lead_id"),
    )

    lead_id: UUID = Field(primary_key=True)
    kind: str = Field(sa_type=Text, primary_key=True)
    found_at: datetime = Field(sa_type=DateTime(timezone=True), primary_key=True)
    business_unit: str = Field(sa_type=Text)
    facts: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    resolved_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class HygieneLook(PipelineTable, table=True):
    """How far the look at all leads is: one row. `counts` is what the last whole one found, by unit and kind."""

    __tablename__ = "hygiene_look"

    look: int = Field(sa_type=Integer, primary_key=True)
    position: UUID | None = None
    began_at: datetime = Field(sa_type=DateTime(timezone=True))
    ended_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    counted_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    counts: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
