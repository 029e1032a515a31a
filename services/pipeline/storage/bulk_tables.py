"""The tables of bulk jobs. They name leads by their ids and nobody otherwise."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from services.pipeline.storage.tables import PipelineTable


class BulkJob(PipelineTable, table=True):
    """One command for many leads: by whom, in which units (null: all), how far it has come, who works on it until when. It goes on
    for the credentials that it is `vouched_by`; `stopped` says why it ended by itself."""

    __tablename__ = "bulk_jobs"
    __table_args__ = (
        Index("bulk_jobs_open", "created_at", postgresql_where=text("status IN ('waiting', 'running')")),
        Index("bulk_jobs_by_creation", "created_at", "job_id"),
    )

    job_id: UUID = Field(primary_key=True)
    fingerprint: str = Field(sa_type=Text)
    doing: str = Field(sa_type=Text)
    said: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    actor: str = Field(sa_type=Text)
    vouched_by: str | None = Field(default=None, sa_type=Text)
    stopped: str | None = Field(default=None, sa_type=Text)
    units: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    status: str = Field(sa_type=Text)
    items: int = Field(sa_type=Integer)
    done: int = Field(sa_type=Integer)
    refused: int = Field(sa_type=Integer)
    worker: UUID | None = None
    leased_until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    created_at: datetime = Field(sa_type=DateTime(timezone=True))
    started_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    ended_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class BulkItem(PipelineTable, table=True):
    """One lead of a job, by its place in it, and what became of it. `lead_id` is null where nobody is known by what was given."""

    __tablename__ = "bulk_items"
    __table_args__ = (Index("bulk_items_left", "job_id", "place", postgresql_where=text("outcome IS NULL")),)

    job_id: UUID = Field(primary_key=True)
    place: int = Field(sa_type=Integer, primary_key=True)
    lead_id: UUID | None = None
    outcome: str | None = Field(default=None, sa_type=Text)
    code: str | None = Field(default=None, sa_type=Text)
    detail: str | None = Field(default=None, sa_type=Text)
