"""The table of dry runs: what another policy would have decided, asked for and counted a page of leads at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, DateTime, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from services.pipeline.storage.tables import PipelineTable


class DryRun(PipelineTable, table=True):
    """A dry run. `policy` is the new one as it was written; `position` the last lead that was counted. Whoever counts a page holds
    the row for as long as that takes, so that a process that ends leaves nothing behind."""

    __tablename__ = "dry_runs"

    job_id: UUID = Field(primary_key=True)
    status: str = Field(sa_type=Text)
    version: str = Field(sa_type=Text)
    policy: str = Field(sa_type=Text)
    units: list[str] | None = Field(sa_column=Column(ARRAY(Text), nullable=True))
    actor: str = Field(sa_type=Text)
    asked_at: datetime = Field(sa_type=DateTime(timezone=True))
    updated_at: datetime = Field(sa_type=DateTime(timezone=True))
    ended_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    position: UUID | None = None
    leads: int = Field(sa_type=Integer)
    seen: int = Field(sa_type=Integer)
    counts: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    problem: str | None = Field(default=None, sa_type=Text)
