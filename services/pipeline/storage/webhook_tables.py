"""The tables of outgoing webhooks. None says anything of a person: what is sent is made of the history when it is sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Index, Integer, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from services.pipeline.storage.tables import PipelineTable


def _time(nullable: bool = False) -> Any:
    return Field(default=None if nullable else ..., sa_type=DateTime(timezone=True), nullable=nullable)


class WebhookEndpoint(PipelineTable, table=True):
    """Somebody who follows a business unit. `secrets` are salts, newest first: what signs is made of one and of the deployment's
    secret. `missed_since` and `missed_until` are when the first and the last event was recorded that was passed over while it was
    disabled. `vouched_by` are the credentials for which it goes on, last known to be good for it at `vouched_at`."""

    __tablename__ = "webhook_endpoints"

    endpoint_id: UUID = Field(primary_key=True)
    business_unit: str = Field(sa_type=Text)
    url: str = Field(sa_type=Text)
    events: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    personal: bool = Field(sa_type=Boolean)
    historical: bool = Field(sa_type=Boolean)
    description: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    disabled_reason: str | None = Field(default=None, sa_type=Text)
    secrets: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    not_before: datetime | None = _time(nullable=True)
    failures: int = Field(sa_type=Integer)
    failing_since: datetime | None = _time(nullable=True)
    succeeded_at: datetime | None = _time(nullable=True)
    missed_since: datetime | None = _time(nullable=True)
    missed_until: datetime | None = _time(nullable=True)
    replay_from: datetime | None = _time(nullable=True)
    replay_until: datetime | None = _time(nullable=True)
    created_at: datetime = _time()
    updated_at: datetime = _time()
    version: int = Field(sa_type=Integer, sa_column_kwargs={"server_default": text("1")})
    created_by: str | None = Field(default=None, sa_type=Text)
    changed_by: str | None = Field(default=None, sa_type=Text)
    vouched_by: str | None = Field(default=None, sa_type=Text)
    vouched_at: datetime | None = _time(nullable=True)


class WebhookChange(PipelineTable, table=True):
    """Who made, changed or removed an endpoint, with which credentials: kept when it is gone, too."""

    __tablename__ = "webhook_changes"

    endpoint_id: UUID = Field(primary_key=True)
    version: int = Field(sa_type=Integer, primary_key=True)
    changed_at: datetime = _time()
    what: str = Field(sa_type=Text)
    actor: str = Field(sa_type=Text)
    credentials: str = Field(sa_type=Text)


class WebhookFeed(PipelineTable, table=True):
    """What was announced on the log and is not given out to endpoints yet, as the outbox had it."""

    __tablename__ = "webhook_feed"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    frame: bytes = Field(sa_type=LargeBinary)


class WebhookDelivery(PipelineTable, table=True):
    """An entry of a lead's story that an endpoint is to hear or has heard. While it waits, `next_at` is when it may be tried; one
    that is being tried has a later one, so that it is tried again should whoever tries it die."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("webhook_deliveries_due", "endpoint_id", "next_at", postgresql_where=text("status = 'waiting'")),
        Index("webhook_deliveries_settled", "endpoint_id", "status", "settled_at"),
        Index("webhook_deliveries_listed", "endpoint_id", "status", "queued_at", "event_id"),
    )

    endpoint_id: UUID = Field(primary_key=True)
    lead_id: UUID = Field(primary_key=True)
    version: int = Field(sa_type=Integer, primary_key=True)
    event_id: UUID
    event: str = Field(sa_type=Text)
    status: str = Field(sa_type=Text)
    attempts: int = Field(sa_type=Integer)
    queued_at: datetime = _time()
    next_at: datetime = _time()
    settled_at: datetime | None = _time(nullable=True)
    last_status: int | None = Field(default=None, sa_type=Integer)
    last_error: str | None = Field(default=None, sa_type=Text)
