"""Which entries of quarantine stand elsewhere than was told of them. Telling is part of whatever changes them, so that each is
told exactly once; what an older version of the service changed, and what was there before anything was told, is told later."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from services.capture.domain.quarantine_told import Untold, told_of
from shared.contracts.topics import CAPTURE_QUARANTINE
from shared.kit.database import Transaction, as_array

# An entry that begins anew after it was given up is another one to whoever is told: its id is one of chance each time.
TELL = """
    UPDATE capture.quarantine AS q SET told = q.status, told_as = before.id_now
    FROM (
        SELECT id, told, told_as, CASE WHEN told IS NULL OR (told <> 'open' AND status = 'open') THEN gen_random_uuid()
            ELSE told_as END AS id_now
        FROM capture.quarantine WHERE {which} AND told IS DISTINCT FROM status
        {some}
    ) AS before
    WHERE q.id = before.id
    RETURNING q.told_as, before.told_as IS DISTINCT FROM q.told_as AS begins, q.received_at, q.sender, q.business_unit,
        q.channel, q.kind, q.reason, nullif(q.status, 'open') AS outcome, q.settled_at, q.event_id"""
OF_THESE = TELL.format(which="id = ANY(CAST(:ids AS uuid[]))", some="ORDER BY id FOR UPDATE")
THE_OLDEST = TELL.format(which="true", some="ORDER BY received_at LIMIT :limit FOR UPDATE SKIP LOCKED")


async def tell(tx: Transaction, entry_ids: Collection[UUID]) -> None:
    """Tells where these entries stand now, as far as it was not told. They are this transaction's own."""
    if entry_ids:
        _announce(tx, await tx.rows(OF_THESE, ids=as_array(entry_ids)))


async def tell_some(tx: Transaction, limit: int) -> int:
    """The same of any entries of which it was not told, the oldest first; how many there were."""
    rows = await tx.rows(THE_OLDEST, limit=limit)
    _announce(tx, rows)
    return len(rows)


def _announce(tx: Transaction, rows: Collection[Any]) -> None:
    for row in rows:
        for event in told_of(Untold(**row._mapping), tx.now):
            tx.announce(CAPTURE_QUARANTINE.name, str(event.lead_id), event.to_json())
