"""What the log has late or not yet: events that were received before a moment may come onto it long after."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Integer, Row
from sqlmodel import Field

from services.capture.storage.tables import CaptureTable, moment, number, text
from shared.contracts.topics import CAPTURE_LEADS
from shared.kit.database import Database, Transaction


class LateRow(CaptureTable, table=True):
    """The last record of a partition that was received in this quarter of an hour and came onto the log much later, as out of
    a spool or an uploaded file."""

    __tablename__ = "late_records"

    partition: int = Field(sa_column=Column(Integer, primary_key=True))
    quarter: datetime = moment(primary_key=True)
    last_offset: int = Field(sa_column=Column(BigInteger, nullable=False))
    last_at: datetime = moment()


class SpoolRow(CaptureTable, table=True):
    """A directory of waiting events as its process last told of it. `aside` are files that wait for a person, the last of which is
    deleted at `aside_until`."""

    __tablename__ = "spools"

    home: str = text(primary_key=True)
    records: int = number()
    aside: int = number()
    aside_until: datetime | None = moment(nullable=True)
    noted_at: datetime = moment()


class SpoolStanding(NamedTuple):
    """What a spool holds now."""

    records: int
    aside: int
    aside_until: datetime | None


class Late(NamedTuple):
    """The last late record of a partition."""

    partition: int
    offset: int
    at: datetime


async def add_late(tx: Transaction, late: Mapping[tuple[int, datetime], tuple[int, datetime]]) -> None:
    """Notes late records, by partition and quarter: offset and time of the last."""
    rows = [
        {"partition": partition, "quarter": quarter, "last_offset": offset, "last_at": at}
        for (partition, quarter), (offset, at) in sorted(late.items())
    ]
    await tx.set_wise(
        """
        INSERT INTO capture.late_records AS known (partition, quarter, last_offset, last_at)
        SELECT partition, quarter, last_offset, last_at FROM json_to_recordset(CAST(:rows AS json))
            AS r(partition integer, quarter timestamptz, last_offset bigint, last_at timestamptz)
        ON CONFLICT (partition, quarter) DO UPDATE
        SET last_offset = greatest(known.last_offset, excluded.last_offset),
            last_at = greatest(known.last_at, excluded.last_at)""",
        rows,
    )


async def late_records(database: Database, until: datetime) -> list[Late]:
    """For each partition the last late record of what was received up to a moment."""
    rows = await database.rows(
        """
        SELECT partition, max(last_offset) AS last_offset, max(last_at) AS last_at FROM capture.late_records
        WHERE quarter <= :until GROUP BY partition ORDER BY partition""",
        until=until,
    )
    return [Late(row.partition, row.last_offset, row.last_at) for row in rows]


async def read_up_to(database: Database) -> dict[int, int]:
    """How far capture has read its topic back: the next offset of each partition."""
    rows = await database.rows(
        "SELECT partition, next_offset FROM capture.consumer_offsets WHERE topic = :topic", topic=CAPTURE_LEADS.name
    )
    return {row.partition: row.next_offset for row in rows}


async def note_spool(tx: Transaction, home: str, now: SpoolStanding) -> None:
    """What a spool holds. Where it is left empty, as at the end of its process, nothing needs to be known of it."""
    await tx.execute(
        """
        INSERT INTO capture.spools (home, records, aside, aside_until, noted_at)
        VALUES (:home, :records, :aside, :aside_until, :now)
        ON CONFLICT (home) DO UPDATE SET records = excluded.records, aside = excluded.aside,
            aside_until = excluded.aside_until, noted_at = excluded.noted_at""",
        {"home": home, **now._asdict(), "now": tx.now},
    )


async def forget_spool(tx: Transaction, home: str) -> None:
    """It is left, and empty."""
    await tx.execute("DELETE FROM capture.spools WHERE home = :home", {"home": home})


async def spools(database: Database, until: datetime | None) -> list[Row[Any]]:
    """Spools that hold something, or of which nothing was heard since a moment: what they hold may be from before it."""
    return await database.rows(
        """
        SELECT home, records, aside, aside_until, noted_at FROM capture.spools
        WHERE records > 0 OR aside > 0 OR noted_at < CAST(:until AS timestamptz) ORDER BY home""",
        until=until,
    )


async def delete_late(tx: Transaction, before: datetime, limit: int) -> int:
    """Forgets late records of that long ago, and spools that nothing was heard of since; says how many."""
    late = await tx.execute(
        """
        DELETE FROM capture.late_records WHERE (partition, quarter) IN
            (SELECT partition, quarter FROM capture.late_records WHERE last_at < :before LIMIT :limit)""",
        {"before": before, "limit": limit},
    )
    await tx.execute("DELETE FROM capture.spools WHERE noted_at < :before", {"before": before})
    return late.rowcount
