"""Commands that their senders named, so that sending one again does nothing twice."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shared.kit.database import RacedWrite, Transaction
from shared.kit.errors import Rejected


async def hold(transaction: Transaction, command_id: UUID) -> None:
    """Of two at once with one key, the second waits until the first is done and then finds its answer."""
    await transaction.rows("SELECT pg_advisory_xact_lock(hashtextextended(:id, 1))", id=str(command_id))


async def before(transaction: Transaction, command_id: UUID, fingerprint: str) -> tuple[UUID, str | None] | None:
    """What a command of this id was about, None where it was not done. Raises `Rejected` where it said something else, or
    where that is not known any more."""
    rows = await transaction.rows("SELECT * FROM pipeline.commands WHERE command_id = :id", id=command_id)
    if not rows:
        return None
    if not rows[0].fingerprint:
        raise Rejected(
            "This Idempotency-Key was used long ago, and what for is not known any more: nothing was done now.",
            status=409,
            code="idempotency-key-old",
            field="Idempotency-Key",
            fix="See whether it was done then. What is new goes under a key of its own.",
        )
    if rows[0].fingerprint != fingerprint:
        raise used_for_another()
    return rows[0].lead_id, rows[0].opportunity_id


def used_for_another() -> Rejected:
    """What is asked for is not what was done under its key."""
    return Rejected(
        "This Idempotency-Key was used for another command.",
        status=409,
        code="idempotency-key-reused",
        field="Idempotency-Key",
        fix="Send a key of its own with each command.",
    )


async def remember(
    transaction: Transaction, command_id: UUID, fingerprint: str, lead_id: UUID, opportunity_id: str | None
) -> None:
    """Notes that a command is done, and about what."""
    rows = await transaction.set_wise(
        """
        INSERT INTO pipeline.commands (command_id, fingerprint, lead_id, opportunity_id, recorded_at)
        SELECT command_id, fingerprint, lead_id, opportunity_id, :now
        FROM json_to_recordset(CAST(:rows AS json)) AS r(command_id uuid, fingerprint text, lead_id uuid, opportunity_id text)
        ON CONFLICT DO NOTHING RETURNING command_id""",
        [{"command_id": command_id, "fingerprint": fingerprint, "lead_id": lead_id, "opportunity_id": opportunity_id}],
        now=transaction.now,
    )
    if not rows:
        raise RacedWrite()


async def forget(transaction: Transaction, before: datetime, limit: int) -> int:
    """Forgets of some commands from before a moment what they said, and keeps that they were done: their keys do nothing twice."""
    rows = await transaction.rows(
        """
        UPDATE pipeline.commands SET fingerprint = '' WHERE command_id IN (
            SELECT command_id FROM pipeline.commands WHERE fingerprint <> '' AND recorded_at < :before
            ORDER BY recorded_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        RETURNING 1""",
        before=before,
        limit=limit,
    )
    return len(rows)
