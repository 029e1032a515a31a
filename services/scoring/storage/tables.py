"""Schema `scoring`: the ledger of touches, who each is counted for, and the leads."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Double, Index, Integer, MetaData, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class ScoringTable(SQLModel, registry=registry(metadata=MetaData(schema="scoring"))):
    """A table of this service."""


class TouchRow(ScoringTable, table=True):
    """One touch, for ever as it was written. `kind` is null where the lead was captured. It counts for `lead_id`, the id
    it was recorded under, or for `attached_to` alone where that is known, and is known of it from `known_at` on."""

    __tablename__ = "touches"
    __table_args__ = (
        Index("touches_event_id", "event_id"),
        Index("touches_attached_to", "attached_to", postgresql_where=text("attached_to IS NOT NULL")),
    )

    lead_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    occurred_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    channel: str = Field(sa_column=Column(Text, nullable=False))
    kind: str | None = Field(sa_column=Column(Text))
    email: bool = Field(sa_column=Column(Boolean, nullable=False))
    phone: bool = Field(sa_column=Column(Boolean, nullable=False))
    company: bool = Field(sa_column=Column(Boolean, nullable=False))
    job_title: str | None = Field(sa_column=Column(Text))
    country: str | None = Field(sa_column=Column(Text))
    language: str | None = Field(sa_column=Column(Text))
    source: str | None = Field(sa_column=Column(Text))
    product: str | None = Field(sa_column=Column(Text))
    campaign: str | None = Field(sa_column=Column(Text))
    consents: dict[str, bool] | None = Field(sa_column=Column(JSONB))
    attributes: dict[str, Any] | None = Field(sa_column=Column(JSONB))
    attached_to: UUID | None = Field(sa_column=Column(Uuid))
    value: str | None = Field(sa_column=Column(Text))
    direction: str | None = Field(sa_column=Column(Text))
    outcome: str | None = Field(sa_column=Column(Text))
    duration_seconds: float | None = Field(sa_column=Column(Double))
    retracts: UUID | None = Field(sa_column=Column(Uuid))
    medium: str | None = Field(sa_column=Column(Text))
    known_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    historical: bool | None = Field(sa_column=Column(Boolean))
    mark: str | None = Field(sa_column=Column(Text))


class AttachmentRow(ScoringTable, table=True):
    """The touch at (`lead_id`, `event_id`) counts for `attached_to`, be it in the ledger already or still to come."""

    __tablename__ = "attachments"

    lead_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    attached_to: UUID = Field(sa_column=Column(Uuid, nullable=False))
    known_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))


class LeadRow(ScoringTable, table=True):
    """One lead id: the group it belongs to and the last score published under it. Where time could not be let pass for it,
    that is tried again at `postponed_until`."""

    __tablename__ = "leads"
    __table_args__ = (
        Index("leads_merged", "root_id", postgresql_where=text("root_id <> lead_id")),
        Index("leads_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    lead_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    business_unit: str = Field(sa_column=Column(Text, nullable=False))
    root_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    known: bool = Field(sa_column=Column(Boolean, nullable=False))
    merged_into: UUID | None = Field(sa_column=Column(Uuid))
    merge_version: int = Field(sa_column=Column(BigInteger, nullable=False))
    merge_occurred_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    score: int | None = Field(sa_column=Column(Integer))
    grade: str | None = Field(sa_column=Column(Text))
    fit: int | None = Field(sa_column=Column(Integer))
    engagement: int | None = Field(sa_column=Column(Integer))
    reasons: list[dict[str, Any]] | None = Field(sa_column=Column(JSONB))
    policy_version: str | None = Field(sa_column=Column(Text))
    probability: float | None = Field(sa_column=Column(Double))
    contributions: list[dict[str, Any]] | None = Field(sa_column=Column(JSONB))
    model_version: str | None = Field(sa_column=Column(Text))
    scored_occurred_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    scored_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    rating: str | None = Field(sa_column=Column(Text))
    temperature: str | None = Field(sa_column=Column(Text))
    historical: bool | None = Field(sa_column=Column(Boolean))
    due_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    word: str | None = Field(sa_column=Column(Text))
    word_version: int | None = Field(sa_column=Column(BigInteger))
    postponed_until: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    customer_probability: float | None = Field(sa_column=Column(Double))
    customer_contributions: list[dict[str, Any]] | None = Field(sa_column=Column(JSONB))
    customer_model_version: str | None = Field(sa_column=Column(Text))


class OutcomeRow(ScoringTable, table=True):
    """One thing that came of a lead, under the id it was told of. It was known from `known_at` on. Of one
    kind, `marked`, `mark` is what somebody said the lead to be, and `version` the place of that in the lead's story."""

    __tablename__ = "outcomes"

    lead_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    occurred_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    known_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    opportunity_id: str | None = Field(sa_column=Column(Text))
    mark: str | None = Field(sa_column=Column(Text))
    version: int | None = Field(sa_column=Column(BigInteger))


class ErasedRow(ScoringTable, table=True):
    """A lead id or an identity token of somebody who was erased: what was recorded under it up to then says only what
    happened. `erased_at` is when this service did it."""

    __tablename__ = "erased"
    __table_args__ = (Index("erased_until", "until"),)

    name: str = Field(sa_column=Column(Text, primary_key=True))
    until: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    erasure_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    erased_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class PolicyRow(ScoringTable, table=True):
    """What a version of the policy says about scoring, by the digest of what it says."""

    __tablename__ = "policies"

    version: str = Field(sa_column=Column(Text, primary_key=True))
    digest: str = Field(sa_column=Column(Text, primary_key=True))
    document: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    first_used_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class RescoreRow(ScoringTable, table=True):
    """Somebody asked that every lead be scored by this policy, as of the moment of asking. `after_id` is how far it has
    come; a rescore that another one took the place of is `superseded`."""

    __tablename__ = "rescores"

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    policy_version: str = Field(sa_column=Column(Text, nullable=False))
    requested_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    after_id: UUID | None = Field(sa_column=Column(Uuid))
    leads: int = Field(sa_column=Column(BigInteger, nullable=False))
    done: int = Field(sa_column=Column(BigInteger, nullable=False))
    changed: int = Field(sa_column=Column(BigInteger, nullable=False))
    failed: int = Field(sa_column=Column(BigInteger, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    finished_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
