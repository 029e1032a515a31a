"""Counts by hour: what the log has of each sender, and what the door did with what it sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.capture.storage.tables import CaptureTable, moment, number, text
from shared.kit.database import Transaction


class LogCountRow(CaptureTable, table=True):
    """What the log has: records, distinct events, the same event again, the same id with other content."""

    __tablename__ = "log_counts"

    hour: datetime = moment(primary_key=True)
    sender: str = text(primary_key=True)
    business_unit: str = text(primary_key=True)
    kind: str = text(primary_key=True)
    published: int = number()
    accepted: int = number()
    duplicates: int = number()
    conflicts: int = number()


class DoorCountRow(CaptureTable, table=True):
    """How the door answered: so many items of a sender, in an hour, with one outcome."""

    __tablename__ = "door_counts"

    hour: datetime = moment(primary_key=True)
    sender: str = text(primary_key=True)
    kind: str = text(primary_key=True)
    outcome: str = text(primary_key=True)
    items: int = number()


class DoorKey(NamedTuple):
    """What one count of the door is about."""

    hour: datetime
    sender: str
    kind: str
    outcome: str


ADD_DOOR_COUNTS = """
    INSERT INTO capture.door_counts AS known (hour, sender, kind, outcome, items)
    SELECT hour, sender, kind, outcome, items
    FROM json_to_recordset(CAST(:rows AS json))
        AS added (hour timestamptz, sender text, kind text, outcome text, items bigint)
    ORDER BY hour, sender, kind, outcome
    ON CONFLICT (hour, sender, kind, outcome) DO UPDATE SET items = known.items + excluded.items"""


async def add_door_counts(tx: Transaction, counts: Sequence[tuple[DoorKey, int]]) -> None:
    """Adds to what is there, in one order for every process."""
    await tx.set_wise(ADD_DOOR_COUNTS, [{**key._asdict(), "items": items} for key, items in counts])
