"""Messages that were decided on: due, taken, settled. None has a word of what is written or to whom; that is made when it is sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.pipeline.domain.messages import Wanted
from shared.kit.database import Database, Transaction, as_array

ADD = """
    INSERT INTO pipeline.messages (message_id, lead_id, task_id, business_unit, template, status, attempts, created_at, next_at)
    SELECT message_id, lead_id, task_id, business_unit, template, 'waiting', 0, :now, :now
    FROM json_to_recordset(CAST(:rows AS json)) AS r(message_id uuid, lead_id uuid, task_id uuid, business_unit text,
        template text)"""

CLAIM = """
    UPDATE pipeline.messages m SET next_at = :until, attempts = m.attempts + 1
    FROM (SELECT message_id FROM pipeline.messages WHERE status = 'waiting' AND next_at <= :now
        ORDER BY next_at LIMIT :limit FOR UPDATE SKIP LOCKED) due
    WHERE m.message_id = due.message_id RETURNING m.*"""


async def add(transaction: Transaction, wanted: Sequence[tuple[Wanted, str]]) -> None:
    """Puts messages on their way, each with its business unit; no timer looks at their tasks meanwhile."""
    rows = [
        {
            "message_id": one.message_id,
            "lead_id": one.task.lead_id,
            "task_id": one.task.task_id,
            "business_unit": unit,
            "template": one.template,
        }
        for one, unit in wanted
    ]
    await transaction.set_wise(ADD, rows, now=transaction.now)
    await rest(transaction, [one.task.task_id for one, _ in wanted])


async def rest(transaction: Transaction, task_ids: Collection[UUID]) -> None:
    """No timer looks at these tasks until they are scheduled again."""
    await transaction.execute(
        "UPDATE pipeline.tasks SET fires_at = NULL WHERE task_id = ANY(CAST(:ids AS uuid[]))",
        {"ids": as_array(task_ids)},
    )


async def known(transaction: Transaction, message_ids: Collection[UUID]) -> set[UUID]:
    """Which of these were decided on before."""
    rows = await transaction.rows(
        "SELECT message_id FROM pipeline.messages WHERE message_id = ANY(CAST(:ids AS uuid[]))",
        ids=as_array(message_ids),
    )
    return {row.message_id for row in rows}


async def is_due(source: Database, now: datetime) -> bool:
    """Whether there is a message to be sent."""
    return bool(
        await source.rows(
            "SELECT 1 FROM pipeline.messages WHERE status = 'waiting' AND next_at <= :now LIMIT 1", now=now
        )
    )


async def claim(transaction: Transaction, limit: int, lease: timedelta) -> list[Any]:
    """Takes messages that are due; nobody else takes them during the lease."""
    return await transaction.rows(CLAIM, now=transaction.now, until=transaction.now + lease, limit=limit)


async def held(transaction: Transaction, message_id: UUID, attempts: int, *, sent: bool) -> bool:
    """Holds a message that waits, for whoever took it last to settle; that it was sent says whoever knows. False where somebody
    else has it or it is settled."""
    rows = await transaction.rows(
        """
        SELECT 1 FROM pipeline.messages WHERE message_id = :id AND status = 'waiting'
            AND (attempts = :attempts OR :sent) FOR UPDATE""",
        id=message_id,
        attempts=attempts,
        sent=sent,
    )
    return bool(rows)


async def settle(
    transaction: Transaction, message_id: UUID, status: str, *, error: str | None, next_at: datetime | None = None
) -> None:
    """Writes down what became of a message."""
    await transaction.execute(
        """
        UPDATE pipeline.messages SET status = :status, last_error = :error, next_at = coalesce(:next_at, next_at),
            settled_at = CASE WHEN :status <> 'waiting' THEN CAST(:now AS timestamptz) END WHERE message_id = :id""",
        {"id": message_id, "status": status, "error": error, "next_at": next_at, "now": transaction.now},
    )


async def put_off(transaction: Transaction, message_id: UUID, until: datetime) -> None:
    """Whoever took a message gives it back until its step begins; that was no try."""
    await transaction.execute(
        "UPDATE pipeline.messages SET next_at = :until, attempts = attempts - 1 WHERE message_id = :id",
        {"id": message_id, "until": until},
    )


async def waiting(source: Database) -> tuple[int, datetime | None]:
    """How many messages wait, and since when the first does; no more than 10,000 are counted."""
    (row,) = await source.rows(
        """
        SELECT count(*) AS n, min(created_at) AS since FROM (SELECT created_at FROM pipeline.messages
            WHERE status = 'waiting' LIMIT 10000) listed"""
    )
    return row.n, row.since


async def sweep(transaction: Transaction, before: datetime) -> None:
    """Forgets messages that were settled long ago; the history says that they were."""
    await transaction.execute(
        """
        DELETE FROM pipeline.messages WHERE message_id IN (SELECT message_id FROM pipeline.messages
            WHERE status <> 'waiting' AND settled_at < :before LIMIT 5000 FOR UPDATE SKIP LOCKED)""",
        {"before": before},
    )
