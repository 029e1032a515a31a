"""Receipts: that an event is on the log, for as long as the log itself remembers it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Column, Index, Uuid
from sqlmodel import Field

from services.capture.domain.reconciliation import LogKey
from services.capture.domain.terms import Kind
from services.capture.storage.tables import CaptureTable, moment, number, text
from shared.kit.database import Database, Transaction, as_array


class ReceiptRow(CaptureTable, table=True):
    """One event of `capture.leads.v1`, once, however often it is there. `digest` tells other content under the same id."""

    __tablename__ = "receipts"
    __table_args__ = (Index("receipts_by_quarter", "quarter", "sender"),)

    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    digest: int = number()
    quarter: datetime = moment()
    sender: str = text()
    business_unit: str = text()
    kind: str = text()


class Receipt(NamedTuple):
    """A receipt as it is written."""

    event_id: str
    digest: int
    of: LogKey


class Period(NamedTuple):
    """From a moment up to another, and not it."""

    start: datetime
    end: datetime


async def known_digests(tx: Transaction, event_ids: Collection[str]) -> dict[str, int]:
    """Which of these events have a receipt, each with the digest of its content."""
    if not event_ids:
        return {}
    rows = await tx.rows(
        "SELECT event_id, digest FROM capture.receipts WHERE event_id = ANY(CAST(:ids AS uuid[]))",
        ids=as_array(event_ids),
    )
    return {str(row.event_id): row.digest for row in rows}


async def add_receipts(tx: Transaction, receipts: Sequence[Receipt]) -> None:
    """Receipts of which none should be there yet, in one order for every process."""
    await tx.copy(
        "capture.receipts",
        ("event_id", "digest", "quarter", "sender", "business_unit", "kind"),
        [(one.event_id, one.digest, *one.of) for one in sorted(receipts)],
    )


async def with_receipts(database: Database, event_ids: Collection[str], period: Period | None) -> tuple[set[str], int]:
    """Which of these events are on the log, and how many of them came outside of the period."""
    rows = await database.rows(
        """SELECT event_id, quarter >= :start AND quarter < :end AS within FROM capture.receipts
           WHERE event_id = ANY(CAST(:ids AS uuid[]))""",
        ids=as_array(event_ids),
        start=None if period is None else period.start,
        end=None if period is None else period.end,
    )
    return {str(row.event_id) for row in rows}, sum(row.within is False for row in rows)


async def receipts_beside(
    database: Database, event_ids: Collection[str], period: Period, of: tuple[str, str, Kind], limit: int
) -> list[str]:
    """Events of a sender in a period that are none of these."""
    sender, business_unit, kind = of
    rows = await database.rows(
        """SELECT event_id FROM capture.receipts r
           WHERE quarter >= :start AND quarter < :end AND sender = :sender AND business_unit = :unit AND kind = :kind
               AND NOT EXISTS (SELECT 1 FROM unnest(CAST(:ids AS uuid[])) AS named (event_id) WHERE named.event_id = r.event_id)
           LIMIT :limit""",
        ids=as_array(event_ids),
        start=period.start,
        end=period.end,
        sender=sender,
        unit=business_unit,
        kind=kind,
        limit=limit,
    )
    return [str(row.event_id) for row in rows]


async def delete_receipts(tx: Transaction, before: datetime, limit: int) -> int:
    """Forgets the oldest receipts from before a moment, so many at once; how many these were."""
    done = await tx.execute(
        """DELETE FROM capture.receipts WHERE event_id IN
               (SELECT event_id FROM capture.receipts WHERE quarter < :before ORDER BY quarter LIMIT :limit)""",
        {"before": before, "limit": limit},
    )
    return done.rowcount
