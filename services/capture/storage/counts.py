"""Counts by quarters of an hour: what the log has of each sender, and how the door answered what it sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from services.capture.domain.reconciliation import DoorKey, LogCount, LogKey
from services.capture.storage.receipts import Period
from services.capture.storage.tables import CaptureTable, moment, number, text
from shared.kit.database import Database, Transaction


class LogCountRow(CaptureTable, table=True):
    """What the log has: records, distinct events, the same event again, the same id with other content."""

    __tablename__ = "log_counts"

    quarter: datetime = moment(primary_key=True)
    sender: str = text(primary_key=True)
    business_unit: str = text(primary_key=True)
    kind: str = text(primary_key=True)
    published: int = number()
    accepted: int = number()
    duplicates: int = number()
    conflicts: int = number()


class DoorCountRow(CaptureTable, table=True):
    """How the door answered: so many items of a sender, in a quarter, with one outcome."""

    __tablename__ = "door_counts"

    quarter: datetime = moment(primary_key=True)
    sender: str = text(primary_key=True)
    kind: str = text(primary_key=True)
    outcome: str = text(primary_key=True)
    items: int = number()


ADD_DOOR_COUNTS = """
    INSERT INTO capture.door_counts AS known (quarter, sender, kind, outcome, items)
    SELECT quarter, sender, kind, outcome, items
    FROM json_to_recordset(CAST(:rows AS json))
        AS added (quarter timestamptz, sender text, kind text, outcome text, items bigint)
    ORDER BY quarter, sender, kind, outcome
    ON CONFLICT (quarter, sender, kind, outcome) DO UPDATE SET items = known.items + excluded.items"""

ADD_LOG_COUNTS = """
    INSERT INTO capture.log_counts AS known
        (quarter, sender, business_unit, kind, published, accepted, duplicates, conflicts)
    SELECT quarter, sender, business_unit, kind, published, accepted, duplicates, conflicts
    FROM json_to_recordset(CAST(:rows AS json))
        AS added (quarter timestamptz, sender text, business_unit text, kind text, published bigint, accepted bigint,
            duplicates bigint, conflicts bigint)
    ORDER BY quarter, sender, business_unit, kind
    ON CONFLICT (quarter, sender, business_unit, kind) DO UPDATE SET
        published = known.published + excluded.published, accepted = known.accepted + excluded.accepted,
        duplicates = known.duplicates + excluded.duplicates, conflicts = known.conflicts + excluded.conflicts"""

HOUR = "date_trunc('hour', quarter, CAST(:zone AS text))"

LOG_COUNTS = f"""
    SELECT {HOUR} AS hour, sender, kind, sum(published) AS published, sum(accepted) AS accepted,
        sum(duplicates) AS duplicates, sum(conflicts) AS conflicts
    FROM capture.log_counts
    WHERE quarter >= :start AND quarter < :end AND (CAST(:sender AS text) IS NULL OR sender = :sender)
        AND (CAST(:unit AS text) IS NULL OR business_unit = :unit) AND (CAST(:kind AS text) IS NULL OR kind = :kind)
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT :limit"""

DOOR_COUNTS = f"""
    SELECT {HOUR} AS hour, sender, kind, outcome, sum(items) AS items
    FROM capture.door_counts
    WHERE quarter >= :start AND quarter < :end AND (CAST(:sender AS text) IS NULL OR sender = :sender)
        AND (CAST(:kind AS text) IS NULL OR kind = :kind)
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 LIMIT :limit"""


async def add_door_counts(tx: Transaction, counts: Sequence[tuple[DoorKey, int]]) -> None:
    """Adds to what is there, in one order for every process."""
    await tx.set_wise(ADD_DOOR_COUNTS, [{**key._asdict(), "items": items} for key, items in counts])


async def add_log_counts(tx: Transaction, counts: Mapping[LogKey, LogCount]) -> None:
    """The same for what the log has."""
    rows = [
        {
            **key._asdict(),
            "published": count.published,
            "accepted": count.accepted,
            "duplicates": count.duplicates,
            "conflicts": count.conflicts,
        }
        for key, count in counts.items()
    ]
    await tx.set_wise(ADD_LOG_COUNTS, rows)


async def log_counts(
    database: Database,
    period: Period,
    *,
    sender: str | None,
    unit: str | None,
    kind: str | None,
    zone: str,
    limit: int,
) -> list[Row[Any]]:
    """What the log has by hour of a zone, sender and kind."""
    return await database.rows(
        LOG_COUNTS, start=period.start, end=period.end, sender=sender, unit=unit, kind=kind, zone=zone, limit=limit
    )


async def door_counts(
    database: Database, period: Period, *, sender: str | None, kind: str | None, zone: str, limit: int
) -> list[Row[Any]]:
    """How the door answered, by hour of a zone, sender, kind and outcome."""
    return await database.rows(
        DOOR_COUNTS, start=period.start, end=period.end, sender=sender, kind=kind, zone=zone, limit=limit
    )


async def delete_counts(tx: Transaction, before: datetime, limit: int) -> int:
    """Forgets the oldest counts from before a moment, so many at once; how many these were."""
    gone = 0
    for table in ("log_counts", "door_counts"):
        done = await tx.execute(
            f"""DELETE FROM capture.{table} WHERE ctid = ANY(ARRAY(
                    SELECT ctid FROM capture.{table} WHERE quarter < :before ORDER BY quarter LIMIT :limit))""",
            {"before": before, "limit": limit},
        )
        gone = max(gone, done.rowcount)
    return gone
