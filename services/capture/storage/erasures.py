"""Who was erased, and quarantine without them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Uuid
from sqlmodel import Field

from services.capture.storage.quarantine import erase_late, erase_quarantined
from services.capture.storage.tables import CaptureTable, moment, text
from shared.contracts.erasure_events import ErasureOrdered
from shared.kit.database import Database, Transaction

_LOCK = "hashtext('leadflow-capture-erasures')"


class ErasedRow(CaptureTable, table=True):
    """A lead id or an identity token of somebody who was erased: nothing received of them up to then is kept again."""

    __tablename__ = "erased"

    name: str = text(primary_key=True)
    until: datetime = moment()
    erasure_id: UUID = Field(sa_column=Column(Uuid, nullable=False))


async def erase(tx: Transaction, order: ErasureOrdered) -> bool:
    """Remembers the names of an order and empties the quarantine entries that have one of them and were received by then.
    False where there was nothing new in it."""
    await tx.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
    fresh = await tx.rows(
        """
        INSERT INTO capture.erased AS e (name, until, erasure_id)
        SELECT name, :until, :erasure_id FROM unnest(CAST(:names AS text[])) AS name ORDER BY name
        ON CONFLICT (name) DO UPDATE SET until = excluded.until, erasure_id = excluded.erasure_id
        WHERE e.until < excluded.until RETURNING name""",
        names=sorted({*map(str, order.lead_ids), *order.tokens}),
        until=order.until,
        erasure_id=order.erasure_id,
    )
    await erase_quarantined(tx, order.tokens, order.until)
    return bool(fresh)


async def leave_out_erased(tx: Transaction, entry_ids: Collection[UUID]) -> None:
    """Empties those of these entries, which were just written, that are of somebody who was erased since they were received."""
    await tx.execute(f"SELECT pg_advisory_xact_lock_shared({_LOCK})")
    await erase_late(tx, entry_ids)


async def is_erased(database: Database, names: Collection[str], until: datetime) -> bool:
    """Whether this service was told of an erasure: of all these names, up to then."""
    (row,) = await database.rows(
        "SELECT count(*) AS told FROM capture.erased WHERE name = ANY(CAST(:names AS text[])) AND until >= :until",
        names=list(names),
        until=until,
    )
    return bool(row.told == len(names))
