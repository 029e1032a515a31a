"""The tables of schema `pipeline`. The migrations make exactly these."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

SCHEMA = "pipeline"


class PipelineTable(SQLModel, registry=registry(metadata=MetaData(schema=SCHEMA))):
    """What all tables of this service share: their schema."""


def _text(nullable: bool = False, primary_key: bool = False) -> Any:
    return Field(default=None if nullable else ..., sa_type=Text, nullable=nullable, primary_key=primary_key)


def _time(nullable: bool = False) -> Any:
    return Field(default=None if nullable else ..., sa_type=DateTime(timezone=True), nullable=nullable)


class Lead(PipelineTable, table=True):
    """A lead id: on a root the state of its whole group, on a merged id only its own version, place and person."""

    __tablename__ = "leads"
    __table_args__ = (
        Index("leads_root", "root_id", postgresql_where=text("root_id <> lead_id")),
        Index(
            "leads_listed",
            "business_unit",
            "status",
            "created_at",
            "lead_id",
            postgresql_where=text("merged_into IS NULL"),
        ),
        Index(
            "leads_in_order",
            text("(created_at AT TIME ZONE 'UTC')"),
            "lead_id",
            postgresql_where=text("merged_into IS NULL"),
        ),
        Index(
            "leads_of_owner",
            "owner",
            "status",
            "created_at",
            "lead_id",
            postgresql_where=text("owner IS NOT NULL AND merged_into IS NULL"),
        ),
        Index(
            "leads_of_campaign",
            "campaign",
            "created_at",
            "lead_id",
            postgresql_where=text("campaign IS NOT NULL AND merged_into IS NULL"),
        ),
        Index(
            "leads_marked",
            "business_unit",
            "mark",
            "created_at",
            "lead_id",
            postgresql_where=text("mark IS NOT NULL AND merged_into IS NULL"),
        ),
        Index("leads_contradicted", "root_id", postgresql_where=text("conflicts > 0")),
        Index("leads_words", "words", postgresql_using="gin", postgresql_with={"gin_pending_list_limit": 256}),
        Index("leads_unworded", "lead_id", postgresql_where=text("words IS NULL")),
    )

    lead_id: UUID = Field(primary_key=True)
    business_unit: str = _text()
    root_id: UUID
    merged_into: UUID | None = None
    version: int = Field(sa_type=Integer)
    status: str = _text()
    created_at: datetime = _time()
    explicit_at: datetime | None = _time(nullable=True)
    first_fact_at: datetime = _time()
    first_touch_at: datetime | None = _time(nullable=True)
    channel: str | None = _text(nullable=True)
    source: str | None = _text(nullable=True)
    medium: str | None = _text(nullable=True)
    campaign: str | None = _text(nullable=True)
    product: str | None = _text(nullable=True)
    score: int | None = Field(default=None, sa_type=Integer)
    grade: str | None = _text(nullable=True)
    probability: float | None = Field(default=None, sa_type=Double)
    graded_at: datetime | None = _time(nullable=True)
    owner: str | None = _text(nullable=True)
    team: str | None = _text(nullable=True)
    assigned_at: datetime | None = _time(nullable=True)
    first_assigned_at: datetime | None = _time(nullable=True)
    first_response_at: datetime | None = _time(nullable=True)
    qualified_at: datetime | None = _time(nullable=True)
    archived_at: datetime | None = _time(nullable=True)
    archived_reason: str | None = _text(nullable=True)
    conflicts: int = Field(sa_type=Integer)
    personal: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    personal_at: datetime | None = _time(nullable=True)
    words: str | None = Field(default=None, sa_type=TSVECTOR)
    mark: str | None = _text(nullable=True)
    mark_version: int | None = Field(default=None, sa_type=Integer)
    erased: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    updated_at: datetime = _time()


class LeadIdentity(PipelineTable, table=True):
    """Which lead a keyed identity belongs to: the first that showed it. `of_contact` where it has it only for a contact of its own:
    then it goes to whoever is captured with it."""

    __tablename__ = "identities"

    token: str = _text(primary_key=True)
    kind: str = _text(primary_key=True)
    business_unit: str = _text(primary_key=True)
    lead_id: UUID
    of_contact: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


class NeverMerge(PipelineTable, table=True):
    """Two ids that a person took apart: no identity joins them again. Held in both directions."""

    __tablename__ = "never_merge"

    lead_id: UUID = Field(primary_key=True)
    other_id: UUID = Field(primary_key=True)
    recorded_at: datetime = _time()


class HistoryEntry(PipelineTable, table=True):
    """Every lifecycle event, for ever, in its lead's own story. `data` is what travels, without personal data."""

    __tablename__ = "history"
    __table_args__ = (
        Index("history_version", "lead_id", "version", unique=True),
        Index(
            "history_cause",
            "causation_id",
            unique=True,
            postgresql_where=text("event IN ('LeadCreated', 'LeadTouched', 'LeadGraded')"),
        ),
        Index("history_recorded", "recorded_at", postgresql_using="brin"),
    )

    lead_id: UUID = Field(primary_key=True)
    event_id: UUID = Field(primary_key=True)
    version: int = Field(sa_type=Integer)
    event: str = _text()
    occurred_at: datetime = _time()
    recorded_at: datetime = _time()
    correlation_id: UUID
    causation_id: UUID | None = None
    fingerprint: str | None = _text(nullable=True)
    data: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class Aside(PipelineTable, table=True):
    """What was said with a history entry and may be personal: a note, the proof of a consent. It never travels."""

    __tablename__ = "asides"

    lead_id: UUID = Field(primary_key=True)
    event_id: UUID = Field(primary_key=True)
    said: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class Opportunity(PipelineTable, table=True):
    """A deal as it is now. `lead_id` is the story that holds it."""

    __tablename__ = "opportunities"
    __table_args__ = (
        Index("opportunities_lead", "lead_id"),
        Index("opportunities_id", "opportunity_id"),
        Index("opportunities_in_order", text("(opened_at AT TIME ZONE 'UTC')"), "opportunity_id", "business_unit"),
        Index("opportunities_of_unit", "business_unit", "status", "opened_at", "opportunity_id"),
        Index("opportunities_of_owner", "owner", "status", "opened_at", "opportunity_id", "business_unit"),
        Index("opportunities_of_stage", "stage", "status", "opened_at", "opportunity_id", "business_unit"),
    )

    business_unit: str = _text(primary_key=True)
    opportunity_id: str = _text(primary_key=True)
    lead_id: UUID
    pipeline: str | None = _text(nullable=True)
    stage: str | None = _text(nullable=True)
    status: str = _text()
    amount: str | None = _text(nullable=True)
    currency: str | None = _text(nullable=True)
    product: str | None = _text(nullable=True)
    owner: str | None = _text(nullable=True)
    team: str | None = _text(nullable=True)
    opened_at: datetime = _time()
    closed_at: datetime | None = _time(nullable=True)
    expected_close: datetime | None = _time(nullable=True)
    reason: str | None = _text(nullable=True)
    updated_at: datetime = _time()


class Order(PipelineTable, table=True):
    """An order that was placed, as its facts leave it. `lead_id` is the story it stands in."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("orders_lead", "lead_id"),
        Index("orders_id", "order_id"),
        Index(
            "orders_run_out",
            "business_unit",
            "runs_until",
            "order_id",
            postgresql_where=text("runs_until IS NOT NULL AND status = 'placed'"),
        ),
        Index("orders_renewing", "business_unit", "renews", postgresql_where=text("renews IS NOT NULL")),
    )

    business_unit: str = _text(primary_key=True)
    order_id: str = _text(primary_key=True)
    lead_id: UUID
    opportunity_id: str | None = _text(nullable=True)
    status: str = _text()
    amount: str = _text()
    currency: str | None = _text(nullable=True)
    refunded: str = _text()
    placed_at: datetime = _time()
    runs_until: datetime | None = _time(nullable=True)
    renews: str | None = _text(nullable=True)
    updated_at: datetime = _time()


class Waiting(PipelineTable, table=True):
    """An interaction or a score whose lead is not known yet, as the log had it. With a `fingerprint` of all that it said,
    it does not say any more who did it."""

    __tablename__ = "waiting"
    __table_args__ = (Index("waiting_recorded", "recorded_at"), Index("waiting_event", "event_id"))

    lead_id: UUID = Field(primary_key=True)
    event_id: UUID = Field(primary_key=True)
    arrival: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), nullable=False))
    topic: str = _text()
    partition: int = Field(sa_type=Integer)
    record_offset: int = Field(sa_type=BigInteger)
    record_timestamp: datetime = _time()
    value: bytes = Field(sa_type=LargeBinary)
    recorded_at: datetime = _time()
    fingerprint: str | None = _text(nullable=True)


class WaitingIdentity(PipelineTable, table=True):
    """An identity under which something waits."""

    __tablename__ = "waiting_identities"
    __table_args__ = (Index("waiting_identities_token", "token"),)

    lead_id: UUID = Field(primary_key=True)
    event_id: UUID = Field(primary_key=True)
    token: str = _text(primary_key=True)


class Erasure(PipelineTable, table=True):
    """That somebody was erased: up to when, by whom and why, which leads that were, and how much was erased. It names nobody."""

    __tablename__ = "erasures"
    __table_args__ = (Index("erasures_until", "until"),)

    erasure_id: UUID = Field(primary_key=True)
    until: datetime = _time()
    recorded_at: datetime = _time()
    actor: str = _text()
    reason: str = _text()
    lead_ids: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False))
    erased: dict[str, int] = Field(sa_column=Column(JSONB, nullable=False))


class ErasedName(PipelineTable, table=True):
    """A lead id or an identity token of somebody who was erased: nothing recorded under it up to then is kept again."""

    __tablename__ = "erased"
    __table_args__ = (Index("erased_erasure", "erasure_id"),)

    name: str = _text(primary_key=True)
    until: datetime = _time()
    erasure_id: UUID


class Command(PipelineTable, table=True):
    """A command that its sender named, so that sending it again does nothing twice. `fingerprint` is a keyed hash of what it said,
    empty once that is forgotten."""

    __tablename__ = "commands"
    __table_args__ = (Index("commands_remembered", "recorded_at", postgresql_where=text("fingerprint <> ''")),)

    command_id: UUID = Field(primary_key=True)
    fingerprint: str = _text()
    lead_id: UUID
    opportunity_id: str | None = _text(nullable=True)
    recorded_at: datetime = _time()
