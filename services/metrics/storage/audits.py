"""How audits ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.kit.database import Database, Transaction

KEPT = 400
"""A year of daily ones. Older ones are forgotten."""


async def finished(
    tx: Transaction, audit_id: UUID, checks: Mapping[str, tuple[int, int]], began: datetime | None
) -> None:
    """Notes how an audit ended that looked at the log as it was when it began: of each check, how much it looked at and how much of that differs. Said again, it is the same."""
    await tx.set_wise(
        """
        INSERT INTO metrics.audits (audit_id, "check", began_at, finished_at, checked, different)
        SELECT :audit_id, "check", CAST(:began AS timestamptz), :now, checked, different
        FROM json_to_recordset(CAST(:rows AS json)) AS r("check" text, checked bigint, different bigint)
        ON CONFLICT (audit_id, "check") DO UPDATE SET checked = excluded.checked, different = excluded.different""",
        [
            {"check": check, "checked": checked, "different": different}
            for check, (checked, different) in checks.items()
        ],
        audit_id=audit_id,
        began=began,
        now=tx.now,
    )
    await tx.execute(
        """
        DELETE FROM metrics.audits WHERE finished_at < (
            SELECT finished_at FROM (SELECT audit_id, max(finished_at) AS finished_at FROM metrics.audits GROUP BY audit_id) AS each
            ORDER BY finished_at DESC OFFSET :kept LIMIT 1)""",
        {"kept": KEPT},
    )


async def latest(database: Database) -> Sequence[Row[Any]]:
    """The last ones, newest first."""
    return await database.rows('SELECT * FROM metrics.audits ORDER BY finished_at DESC, "check" LIMIT 100')
