"""Receipts: that an event is on the log, for as long as the log itself remembers it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, Uuid
from sqlmodel import Field

from services.capture.storage.tables import CaptureTable, moment, number, text


class ReceiptRow(CaptureTable, table=True):
    """One event of `capture.leads.v1`, once, however often it is there. `digest` tells other content under the same id."""

    __tablename__ = "receipts"
    __table_args__ = (Index("receipts_by_hour", "hour", "sender"),)

    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    digest: int = number()
    hour: datetime = moment()
    sender: str = text()
    business_unit: str = text()
    kind: str = text()
