"""Quarantine: payloads that could not be taken, kept for a while to be mended. What they say is in columns of its own."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Boolean, Column, Index, LargeBinary, Row, Text, Uuid
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from services.capture.storage.quarantine_told import tell
from services.capture.storage.tables import CaptureTable, moment, number, text
from shared.kit.database import Database, Transaction


class QuarantineRow(CaptureTable, table=True):
    """A payload and where it stands. `payload` is what was sent, `mended` what an operator made of it; `key`, `identities`
    and these two are what retention and erasure empty. `submission` is the way it came, to be released as it was sent. `told` is
    where others were told that it stands, by the id `told_as`."""

    __tablename__ = "quarantine"
    __table_args__ = (
        Index("quarantine_open", "received_at", "id", postgresql_where=sql("status = 'open'")),
        Index("quarantine_kept", "received_at", "id", postgresql_where=sql("payload IS NOT NULL")),
        Index("quarantine_by_time", "received_at", "id"),
        Index("quarantine_untold", "received_at", postgresql_where=sql("told IS DISTINCT FROM status")),
        Index("quarantine_identities", "identities", postgresql_using="gin"),
    )

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    received_at: datetime = moment()
    last_received_at: datetime = moment()
    times: int = number()
    sender: str = text()
    business_unit: str | None = text(nullable=True)
    channel: str | None = text(nullable=True)
    kind: str = text()
    reason: str = text()
    faults: list[dict[str, str]] = Field(sa_column=Column(JSONB, nullable=False))
    submission: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    size_bytes: int = number()
    whole: bool = Field(sa_column=Column(Boolean, nullable=False))
    key: str | None = text(nullable=True)
    payload: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    mended: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    identities: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    status: str = text()
    settled_at: datetime | None = moment(nullable=True)
    event_id: UUID | None = Field(sa_column=Column(Uuid, nullable=True))
    told: str | None = text(nullable=True)
    told_as: UUID | None = Field(sa_column=Column(Uuid, nullable=True))


class QuarantineActionRow(CaptureTable, table=True):
    """Who looked at an entry, mended, released or dropped it."""

    __tablename__ = "quarantine_actions"
    __table_args__ = (Index("quarantine_actions_of", "entry_id"),)

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    entry_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    at: datetime = moment()
    actor: str = text()
    action: str = text()
    note: str | None = text(nullable=True)


class Quarantined(NamedTuple):
    """One entry as the door notes it."""

    id: UUID
    received_at: datetime
    sender: str
    business_unit: str | None
    channel: str | None
    kind: str
    reason: str
    faults: Sequence[dict[str, str]]
    submission: dict[str, Any]
    size_bytes: int
    whole: bool
    key: str | None
    payload: bytes
    identities: Sequence[str]


_AGAIN = ", ".join(
    f"{name} = CASE WHEN known.status IN ('expired', 'erased', 'dropped') THEN excluded.{name} ELSE known.{name} END"
    for name in (
        "received_at",
        "faults",
        "submission",
        "key",
        "payload",
        "mended",
        "identities",
        "status",
        "settled_at",
    )
)
# The same sent again, as senders do that hope for another answer, is one entry; where it was given up, it begins anew. What was
# released is on the log: there is nothing to keep of it.
ADD = f"""
    INSERT INTO capture.quarantine AS known (
        id, received_at, last_received_at, times, sender, business_unit, channel, kind, reason, faults, submission,
        size_bytes, whole, key, payload, identities, status
    )
    SELECT DISTINCT ON (id)
        id, received_at, max(received_at) OVER same, count(*) OVER same, sender, business_unit, channel, kind, reason,
        faults, submission, size_bytes, whole, key, decode(payload, 'base64'), identities, 'open'
    FROM json_to_recordset(CAST(:rows AS json)) AS added (
        id uuid, received_at timestamptz, sender text, business_unit text, channel text, kind text, reason text,
        faults jsonb, submission jsonb, size_bytes bigint, whole boolean, key text, payload text, identities text[]
    )
    WINDOW same AS (PARTITION BY id)
    ORDER BY id, received_at
    ON CONFLICT (id) DO UPDATE SET
        times = known.times + excluded.times,
        last_received_at = greatest(known.last_received_at, excluded.last_received_at),
        {_AGAIN}"""


async def add_quarantined(tx: Transaction, entries: Sequence[Quarantined]) -> None:
    """Adds entries, in one order for every process, and tells of those that begin."""
    rows = [{**one._asdict(), "payload": b64encode(one.payload).decode()} for one in entries]
    await tx.set_wise(ADD, rows)
    await tell(tx, {one.id for one in entries})


EMPTIED = "payload = NULL, mended = NULL, key = NULL, identities = '{}'"
UNNOTED = "UPDATE capture.quarantine_actions SET note = NULL WHERE entry_id IN {} AND note IS NOT NULL"
"""Notes may say whom an entry is about; without the entry's identities nobody would find them."""

SHOWN = (
    "id, received_at, last_received_at, times, sender, business_unit, channel, kind, reason, faults, size_bytes, whole, "
    "key, mended IS NOT NULL AS is_mended, status, settled_at, event_id"
)
KEPT = f"{SHOWN}, submission, payload, mended"


async def quarantined(
    database: Database, *, filters: dict[str, str], after: tuple[datetime, UUID] | None, limit: int
) -> list[Row[Any]]:
    """A page of entries without what they say, oldest first. `filters` are columns and the value each must have."""
    conditions = [f"{name} = :{name}" for name in filters]
    parameters: dict[str, Any] = dict(filters)
    if after is not None:
        conditions.append("(received_at, id) > (:received_at, :after)")
        parameters |= {"received_at": after[0], "after": after[1]}
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return await database.rows(
        f"SELECT {SHOWN} FROM capture.quarantine {where} ORDER BY received_at, id LIMIT :limit",
        limit=limit,
        **parameters,
    )


async def quarantine_counts(database: Database) -> list[Row[Any]]:
    """How many there are, and of how many deliveries, by where they stand."""
    return await database.rows(
        """
        SELECT status, reason, kind, sender, count(*) AS entries, CAST(sum(times) AS bigint) AS times,
            min(received_at) AS oldest
        FROM capture.quarantine GROUP BY status, reason, kind, sender ORDER BY status, reason, kind, sender"""
    )


async def entry(source: Database | Transaction, entry_id: UUID) -> Row[Any] | None:
    """One entry with what it says."""
    rows = await source.rows(f"SELECT {KEPT} FROM capture.quarantine WHERE id = :id", id=entry_id)
    return rows[0] if rows else None


async def locked_entry(tx: Transaction, entry_id: UUID) -> Row[Any] | None:
    """The same, for this transaction alone."""
    rows = await tx.rows(f"SELECT {KEPT} FROM capture.quarantine WHERE id = :id FOR UPDATE", id=entry_id)
    return rows[0] if rows else None


async def mend_entry(
    tx: Transaction, entry_id: UUID, *, mended: bytes, faults: str, identities: Collection[str]
) -> None:
    """Keeps what an operator made of a payload, beside it; whom it names now is added to whom it named."""
    await tx.execute(
        """
        UPDATE capture.quarantine SET mended = :mended, faults = CAST(:faults AS jsonb),
            identities = ARRAY(SELECT DISTINCT unnest(identities || CAST(:identities AS text[])))
        WHERE id = :id""",
        {"id": entry_id, "mended": mended, "faults": faults, "identities": list(identities)},
    )


async def settle_entry(tx: Transaction, entry_id: UUID, status: str, event_id: UUID | None) -> None:
    """Ends an entry. What was released is an event now and not kept twice, nor is what was noted of it."""
    emptied = f", {EMPTIED}" if status == "released" else ""
    await tx.execute(
        f"""
        UPDATE capture.quarantine SET status = :status, settled_at = :now, event_id = :event_id {emptied}
        WHERE id = :id""",
        {"id": entry_id, "status": status, "now": tx.now, "event_id": event_id},
    )
    if emptied:
        await tx.execute(UNNOTED.format("(:id)"), {"id": entry_id})
    await tell(tx, [entry_id])


async def add_action(
    tx: Transaction, action_id: UUID, entry_id: UUID, actor: str, action: str, note: str | None
) -> None:
    """Puts on record who did what."""
    await tx.execute(
        """
        INSERT INTO capture.quarantine_actions (id, entry_id, at, actor, action, note)
        VALUES (:id, :entry_id, :at, :actor, :action, :note)""",
        {"id": action_id, "entry_id": entry_id, "at": tx.now, "actor": actor, "action": action, "note": note},
    )


async def actions(source: Database | Transaction, entry_id: UUID) -> list[Row[Any]]:
    """What was done with an entry, in order."""
    return await source.rows(
        "SELECT at, actor, action, note FROM capture.quarantine_actions WHERE entry_id = :id ORDER BY at, id",
        id=entry_id,
    )


async def expire_quarantined(tx: Transaction, keep: timedelta, limit: int) -> int:
    """Empties entries that were kept long enough, oldest first; an open one is not to be mended any more."""
    rows = await tx.rows(
        f"""
        WITH emptied AS (
            UPDATE capture.quarantine SET {EMPTIED},
                status = CASE WHEN status = 'open' THEN 'expired' ELSE status END,
                settled_at = coalesce(settled_at, :now)
            WHERE id IN (
                SELECT id FROM capture.quarantine WHERE payload IS NOT NULL AND received_at < :before
                ORDER BY received_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
            )
            RETURNING id
        ), actions AS ({UNNOTED.format("(SELECT id FROM emptied)")})
        SELECT id FROM emptied""",
        now=tx.now,
        before=tx.now - keep,
        limit=limit,
    )
    await tell(tx, [row.id for row in rows])
    return len(rows)


async def forget_quarantined(tx: Transaction, keep: timedelta, limit: int) -> int:
    """Deletes what is left of entries, and of what was done with them."""
    rows = await tx.rows(
        """
        WITH gone AS (
            DELETE FROM capture.quarantine WHERE id IN (
                SELECT id FROM capture.quarantine WHERE received_at < :before AND payload IS NULL
                ORDER BY received_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
            )
            RETURNING id
        ), actions AS (DELETE FROM capture.quarantine_actions WHERE entry_id IN (SELECT id FROM gone))
        SELECT id FROM gone""",
        before=tx.now - keep,
        limit=limit,
    )
    return len(rows)


async def erase_quarantined(tx: Transaction, tokens: Collection[str], until: datetime | None = None) -> int:
    """Empties every entry that names a person by one of these identities and was received up to a moment, wherever it
    stands; how many there were."""
    return await _erase(
        tx,
        "identities && CAST(:tokens AS text[]) AND (CAST(:until AS timestamptz) IS NULL OR received_at <= :until)",
        tokens=list(tokens),
        until=until,
    )


async def erase_late(tx: Transaction, entry_ids: Collection[UUID]) -> int:
    """The same of these entries, for whoever was erased since they were received."""
    return await _erase(
        tx,
        """id = ANY(CAST(:ids AS uuid[])) AND identities <> '{}' AND EXISTS (
            SELECT FROM capture.erased e WHERE e.name = ANY(quarantine.identities) AND quarantine.received_at <= e.until)""",
        ids=[str(one) for one in entry_ids],
    )


async def _erase(tx: Transaction, which: str, **parameters: Any) -> int:
    rows = await tx.rows(
        f"""
        WITH emptied AS (
            UPDATE capture.quarantine SET {EMPTIED},
                status = CASE WHEN status = 'open' THEN 'erased' ELSE status END,
                settled_at = coalesce(settled_at, :now)
            WHERE {which} RETURNING id
        ), actions AS ({UNNOTED.format("(SELECT id FROM emptied)")})
        SELECT id FROM emptied""",
        now=tx.now,
        **parameters,
    )
    await tell(tx, [row.id for row in rows])
    return len(rows)


async def quarantined_of(
    source: Database | Transaction, tokens: Collection[str], until: datetime | None = None
) -> list[Row[Any]]:
    """The entries that name a person by one of these identities, with what they say, received up to a moment."""
    return await source.rows(
        f"""
        SELECT {KEPT} FROM capture.quarantine WHERE identities && CAST(:tokens AS text[])
            AND (CAST(:until AS timestamptz) IS NULL OR received_at <= :until) ORDER BY received_at, id""",
        tokens=list(tokens),
        until=until,
    )


class Standing(NamedTuple):
    """What is in quarantine now."""

    open_by_reason: dict[str, int]
    oldest_open: datetime | None
    kept_bytes: int


async def standing(database: Database) -> Standing:
    """Counted anew."""
    waiting = await database.rows(
        "SELECT reason, count(*) AS entries, min(received_at) AS oldest FROM capture.quarantine"
        " WHERE status = 'open' GROUP BY reason"
    )
    (kept,) = await database.rows(
        "SELECT CAST(coalesce(sum(octet_length(payload)), 0) AS bigint) AS bytes FROM capture.quarantine WHERE payload IS NOT NULL"
    )
    oldest = min((row.oldest for row in waiting), default=None)
    return Standing({row.reason: row.entries for row in waiting}, oldest, kept.bytes)
