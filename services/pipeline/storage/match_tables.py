"""The tables of matching: who is to be looked at, under which keyed hashes people are found, and who is probably one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Double, Identity, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.pipeline.storage.tables import PipelineTable


class MatchUnit(PipelineTable, table=True):
    """A business unit in which people are looked for, those who were there before among them."""

    __tablename__ = "match_units"

    business_unit: str = Field(sa_type=Text, primary_key=True)
    begun_at: datetime = Field(sa_type=DateTime(timezone=True))


class MatchQueue(PipelineTable, table=True):
    """A lead of which something new is known, or that is to be looked at again."""

    __tablename__ = "match_queue"

    place: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True, nullable=False)
    )
    lead_id: UUID


class MatchKey(PipelineTable, table=True):
    """Something that a lead has in common with whoever may be the same person, as a keyed hash."""

    __tablename__ = "match_keys"
    __table_args__ = (Index("match_keys_of_lead", "lead_id"),)

    token: UUID = Field(primary_key=True)
    lead_id: UUID = Field(primary_key=True)


class MergeCandidate(PipelineTable, table=True):
    """Two leads that are probably one person, why, and what was decided. `parts` tell how far what is known agrees, never
    what it is; `content` is a keyed hash of it."""

    __tablename__ = "merge_candidates"
    __table_args__ = (
        Index("merge_candidates_by_confidence", "status", "bits", "candidate_id"),
        Index("merge_candidates_of_lead", "lead_id"),
        Index("merge_candidates_of_other", "other_id"),
    )

    candidate_id: UUID = Field(primary_key=True)
    lead_id: UUID
    other_id: UUID
    business_unit: str = Field(sa_type=Text)
    confidence: float = Field(sa_column=Column(Double, nullable=False))
    bits: float = Field(sa_column=Column(Double, nullable=False))
    contradicted: bool = Field(sa_column=Column(Boolean, nullable=False))
    automatic: bool = Field(sa_column=Column(Boolean, nullable=False))
    parts: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    content: str = Field(sa_type=Text)
    status: str = Field(sa_type=Text)
    found_at: datetime = Field(sa_type=DateTime(timezone=True))
    decided_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    actor: str | None = Field(default=None, sa_type=Text)
