"""Up to when the log is folded, whoever folds it: a partition that stands still is seen by what it has unread, and not by the newest
fact of all."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Text
from sqlmodel import Field

from services.metrics.storage.tables import MOMENT, MetricsTable
from shared.kit.database import Transaction

FOLDED_TO = "CASE WHEN count(*) > 0 THEN least(max(recorded_at), (SELECT min(since) FROM metrics.unread)) END"
"""When the newest fact was recorded; where something is unread, since when, if that is earlier. Of `metrics.progress`."""


class UnreadRow(MetricsTable, table=True):
    """Since when at most a topic has anything that is not folded, in any partition; None where all is."""

    __tablename__ = "unread"
    topic: str = Field(sa_column=Column(Text(), primary_key=True, nullable=False))
    since: datetime | None = Field(default=None, sa_column=Column(MOMENT, nullable=True))


async def tell(tx: Transaction, topic: str, since: datetime | None) -> None:
    """Notes since when there is something unread; what is known already is not written again."""
    await tx.execute(
        """
        INSERT INTO metrics.unread AS known VALUES (:topic, :since)
        ON CONFLICT (topic) DO UPDATE SET since = excluded.since WHERE known.since IS DISTINCT FROM excluded.since""",
        {"topic": topic, "since": since},
    )
