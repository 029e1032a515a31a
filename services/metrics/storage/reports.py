"""Reports that somebody saved, and what was sent of any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row

from services.metrics.domain.report_schedule import Due, Key
from shared.kit.database import Database, Transaction

EVERYBODY = ""
"""The owner of what is everybody's."""


async def saved(source: Database | Transaction, owner: str | None = None) -> Sequence[Row[Any]]:
    """What one owner and everybody saved, or what all did."""
    which = "WHERE owner = ANY(:owners)" if owner is not None else ""
    return await source.rows(
        f"SELECT owner, name, report, saved_at FROM metrics.reports {which} ORDER BY name, owner DESC",
        **({"owners": [owner, EVERYBODY]} if owner is not None else {}),
    )


async def save(tx: Transaction, owner: str, name: str, report: Mapping[str, Any]) -> None:
    """Keeps a report, in place of what was called so before."""
    await tx.execute(
        """
        INSERT INTO metrics.reports (owner, name, report, saved_at) VALUES (:owner, :name, CAST(:report AS jsonb), :now)
        ON CONFLICT (owner, name) DO UPDATE SET report = EXCLUDED.report, saved_at = EXCLUDED.saved_at""",
        {"owner": owner, "name": name, "report": orjson.dumps(report).decode(), "now": tx.now},
    )


async def forget(tx: Transaction, owner: str, name: str) -> bool:
    """Forgets a report, when it is sent and what of it did not arrive; whether there was one."""
    await tx.execute(
        "DELETE FROM metrics.report_deliveries WHERE owner = :owner AND report = :name AND state IN ('due', 'failed')",
        {"owner": owner, "name": name},
    )
    await tx.execute(
        "DELETE FROM metrics.report_schedules WHERE owner = :owner AND report = :name", {"owner": owner, "name": name}
    )
    return bool(
        await tx.rows(
            "DELETE FROM metrics.reports WHERE owner = :owner AND name = :name RETURNING 1", owner=owner, name=name
        )
    )


async def own_time(tx: Transaction) -> datetime:
    """What the process's clock says."""
    return tx.now


async def agreed_time(tx: Transaction) -> datetime:
    """What the process's clock and the database's both say has come: one that is ahead has nothing sent before its days are over."""
    (row,) = await tx.rows("SELECT least(CAST(:now AS timestamptz), clock_timestamp()) AS agreed", now=tx.now)
    agreed: datetime = row.agreed
    return agreed


async def since(tx: Transaction, keys: Sequence[Key]) -> dict[Key, datetime]:
    """Since when each schedule is known: from now on, for those that are new, and for those that a clock which went ahead
    looked after into what is still to come by ours and the database's."""
    await tx.execute(
        "UPDATE metrics.report_schedules SET since = greatest(:now, now()) WHERE since > greatest(:now, now())",
        {"now": tx.now},
    )
    for key in keys:
        await tx.execute(
            """
            INSERT INTO metrics.report_schedules (owner, report, delivery, since) VALUES (:owner, :report, :delivery, :now)
            ON CONFLICT DO NOTHING""",
            {**key._asdict(), "now": tx.now},
        )
    rows = await tx.rows("SELECT owner, report, delivery, since FROM metrics.report_schedules")
    known = {Key(row.owner, row.report, row.delivery): row.since for row in rows}
    return {key: known[key] for key in keys}


async def put_down(tx: Transaction, dues: Sequence[Due], keys: Sequence[Key], now: datetime) -> None:
    """Notes what is to be sent, each once whoever notes it; each schedule is then looked after up to now."""
    for due in dues:
        await tx.execute(
            """
            INSERT INTO metrics.report_deliveries
                (delivery_id, owner, report, delivery, first_day, after_day, due_at, state, attempts, next_try_at)
            VALUES (:id, :owner, :report, :delivery, :first_day, :after_day, :due_at, 'due', 0, :due_at)
            ON CONFLICT (delivery_id) DO NOTHING""",
            {
                "id": due.delivery_id,
                **due.key._asdict(),
                "first_day": due.first_day,
                "after_day": due.after_day,
                "due_at": due.due_at,
            },
        )
    for key in keys:
        await tx.execute(
            """
            UPDATE metrics.report_schedules SET since = :now
            WHERE owner = :owner AND report = :report AND delivery = :delivery AND since < :now""",
            {**key._asdict(), "now": now},
        )


async def take(tx: Transaction, lease: timedelta) -> Row[Any] | None:
    """The next one to send, nobody else's for as long as the lease."""
    rows = await tx.rows(
        """
        UPDATE metrics.report_deliveries SET attempts = attempts + 1, next_try_at = :until
        WHERE delivery_id = (
            SELECT delivery_id FROM metrics.report_deliveries WHERE state = 'due' AND next_try_at <= :now
            ORDER BY next_try_at, delivery_id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING *""",
        until=tx.now + lease,
        now=tx.now,
    )
    return rows[0] if rows else None


async def settle(
    tx: Transaction, row: Row[Any], *, state: str, error: str | None = None, next_try_at: datetime | None = None
) -> None:
    """How an attempt ended. One that is over, by this attempt or a later one, stays so."""
    await tx.execute(
        """
        UPDATE metrics.report_deliveries SET state = :state, error = :error,
            next_try_at = coalesce(:next_try_at, next_try_at), done_at = CASE WHEN :state = 'due' THEN NULL ELSE :now END
        WHERE delivery_id = :id AND state = 'due' AND (attempts = :attempts OR :state = 'sent')""",
        {
            "id": row.delivery_id,
            "attempts": row.attempts,
            "state": state,
            "error": error,
            "next_try_at": next_try_at,
            "now": tx.now,
        },
    )


async def retry(tx: Transaction, delivery_id: UUID) -> Row[Any] | None:
    """Has one sent that was given up; None where there is none of this id."""
    await tx.execute(
        """
        UPDATE metrics.report_deliveries SET state = 'due', attempts = 0, next_try_at = :now, done_at = NULL
        WHERE delivery_id = :id AND state = 'failed'""",
        {"id": delivery_id, "now": tx.now},
    )
    rows = await tx.rows("SELECT * FROM metrics.report_deliveries WHERE delivery_id = :id", id=delivery_id)
    return rows[0] if rows else None


async def drop(tx: Transaction, delivery_id: UUID, who: str) -> Row[Any] | None:
    """Has one not sent any more that was not sent; None where there is none of this id."""
    await tx.execute(
        """
        UPDATE metrics.report_deliveries SET state = 'dropped', error = :error, done_at = :now
        WHERE delivery_id = :id AND state IN ('due', 'failed')""",
        {"id": delivery_id, "error": f"Dropped by {who or 'somebody who did not say who'}.", "now": tx.now},
    )
    rows = await tx.rows("SELECT * FROM metrics.report_deliveries WHERE delivery_id = :id", id=delivery_id)
    return rows[0] if rows else None


async def listing(database: Database, state: str | None, limit: int) -> Sequence[Row[Any]]:
    """Deliveries, the latest first."""
    which = "WHERE state = :state" if state is not None else ""
    return await database.rows(
        f"SELECT * FROM metrics.report_deliveries {which} ORDER BY due_at DESC, delivery_id LIMIT :limit",
        limit=limit,
        **({"state": state} if state is not None else {}),
    )


async def standing(source: Database | Transaction) -> Mapping[str, Any]:
    """How many there are in each state, and since when the oldest that is due waits."""
    (row,) = await source.rows(
        """
        SELECT count(*) FILTER (WHERE state = 'due') AS due, count(*) FILTER (WHERE state = 'failed') AS failed,
            count(*) FILTER (WHERE state = 'sent') AS sent, min(due_at) FILTER (WHERE state = 'due') AS oldest
        FROM metrics.report_deliveries"""
    )
    return {"due": row.due, "failed": row.failed, "sent": row.sent, "oldest": row.oldest}


async def sweep(tx: Transaction, before: datetime, unseen_before: datetime) -> None:
    """Forgets what ended long ago, and schedules that nobody has looked after for a time: they are not there any more."""
    await tx.execute("DELETE FROM metrics.report_schedules WHERE since < :before", {"before": unseen_before})
    await tx.execute(
        "DELETE FROM metrics.report_deliveries WHERE state <> 'due' AND done_at < :before", {"before": before}
    )
