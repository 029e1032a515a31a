"""Reports that somebody saved, when they are sent, and what was sent."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Date, Index, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.metrics.storage.tables import MOMENT, MetricsTable


def _key() -> Any:
    return Field(sa_column=Column(Text(), primary_key=True, nullable=False))


def _given(kind: Any) -> Any:
    return Field(sa_column=Column(kind, nullable=False))


class ReportRow(MetricsTable, table=True):
    """A report of its owner; everybody's has none."""

    __tablename__ = "reports"
    owner: str = _key()
    name: str = _key()
    report: dict[str, Any] = _given(JSONB())
    saved_at: datetime = _given(MOMENT)


class ReportScheduleRow(MetricsTable, table=True):
    """A delivery of a report, and since when it is known: what was due before that is not sent."""

    __tablename__ = "report_schedules"
    owner: str = _key()
    report: str = _key()
    delivery: str = _key()
    since: datetime = _given(MOMENT)


class ReportDeliveryRow(MetricsTable, table=True):
    """One period of one delivery: `due`, `sent`, or `failed` once it was given up."""

    __tablename__ = "report_deliveries"
    __table_args__ = (Index("report_deliveries_due", "next_try_at", postgresql_where=text("state = 'due'")),)
    delivery_id: UUID = Field(sa_column=Column(Uuid(), primary_key=True, nullable=False))
    owner: str = _given(Text())
    report: str = _given(Text())
    delivery: str = _given(Text())
    first_day: date = _given(Date())
    after_day: date = _given(Date())
    due_at: datetime = _given(MOMENT)
    state: str = _given(Text())
    attempts: int = _given(Integer())
    next_try_at: datetime = _given(MOMENT)
    done_at: datetime | None = Field(default=None, sa_column=Column(MOMENT, nullable=True))
    error: str | None = Field(default=None, sa_column=Column(Text(), nullable=True))
