"""What could not be taken in: kept as capture tells of it, counted as a question cuts it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Date, Index, Text, Uuid
from sqlmodel import Field

from services.metrics.domain.answers import Group
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.quarantine import CUTS, Held
from services.metrics.domain.questions import Question
from services.metrics.domain.rollups import Rules, local_day
from services.metrics.storage.cutting import group_of, grouping, window
from services.metrics.storage.tables import MOMENT, MetricsTable
from shared.contracts.policy.calendar import PERIODS
from shared.contracts.quarantine_events import PayloadQuarantined, QuarantineSettled
from shared.kit.database import Database, Transaction


def _key() -> Any:
    return Field(sa_column=Column(Uuid(), primary_key=True, nullable=False))


def _given(kind: Any) -> Any:
    return Field(sa_column=Column(kind, nullable=False))


class QuarantinedRow(MetricsTable, table=True):
    """That something could not be taken in on a day of its unit; no lead's."""

    __tablename__ = "quarantined"
    __table_args__ = (Index("quarantined_day", "day"),)
    event_id: UUID = _key()
    business_unit: str = _given(Text())
    day: date = _given(Date())
    at: datetime = _given(MOMENT)
    recorded_at: datetime = _given(MOMENT)
    channel: str | None = Field(sa_column=Column(Text(), nullable=True))
    kind: str = _given(Text())
    reason: str = _given(Text())


class QuarantineSettledRow(MetricsTable, table=True):
    """What became of it. It may be known before the other."""

    __tablename__ = "quarantine_settled"
    __table_args__ = (Index("quarantine_settled_of", "quarantined"),)
    event_id: UUID = _key()
    quarantined: UUID = _given(Uuid())
    at: datetime = _given(MOMENT)
    recorded_at: datetime = _given(MOMENT)
    outcome: str = _given(Text())


async def keep(tx: Transaction, told: Sequence[PayloadQuarantined], rules: Rules) -> set[UUID]:
    """Keeps what came; which of these events were not known."""
    rows = {
        one.event_id: {
            "event_id": one.event_id, "business_unit": one.business_unit,
            "day": local_day(one.occurred_at, rules(one.business_unit).zone), "at": one.occurred_at,
            "recorded_at": one.recorded_at, "channel": one.channel, "kind": one.kind, "reason": one.reason,
        }
        for one in told
    }  # fmt: skip
    fresh = await tx.set_wise(
        """
        INSERT INTO metrics.quarantined (event_id, business_unit, day, at, recorded_at, channel, kind, reason)
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(event_id uuid, business_unit text, day date,
            at timestamptz, recorded_at timestamptz, channel text, kind text, reason text)
        ORDER BY event_id ON CONFLICT DO NOTHING RETURNING event_id""",
        [rows[event_id] for event_id in sorted(rows)],
    )
    return {row.event_id for row in fresh}


async def settle(tx: Transaction, told: Sequence[QuarantineSettled]) -> set[UUID]:
    """Keeps what became of it; which of these events were not known."""
    rows = {
        one.event_id: {
            "event_id": one.event_id, "quarantined": one.causation_id or one.lead_id, "at": one.occurred_at,
            "recorded_at": one.recorded_at, "outcome": one.outcome,
        }
        for one in told
    }  # fmt: skip
    fresh = await tx.set_wise(
        """
        INSERT INTO metrics.quarantine_settled (event_id, quarantined, at, recorded_at, outcome)
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(event_id uuid, quarantined uuid, at timestamptz,
            recorded_at timestamptz, outcome text)
        ORDER BY event_id ON CONFLICT DO NOTHING RETURNING event_id""",
        [rows[event_id] for event_id in sorted(rows)],
    )
    return {row.event_id for row in fresh}


async def held_of(database: Database, question: Question) -> dict[Group | None, Held] | None:
    """What came in the window and where it stood at `as_of`, in total and by group. None where the question cuts or filters by what
    is not known of it."""
    if not {*question.group_by, *question.filters} <= {*CUTS, *PERIODS}:
        return None
    conditions, values = window(question, "day", "at")
    select, group_by = grouping(question, "day", ())
    others = ", ".join(f"CAST(NULL AS text) AS {name}" for name in DIMENSIONS if name not in CUTS)
    rows = await database.rows(
        f"""
        SELECT {select}, count(*) AS n, count(*) FILTER (WHERE outcomes IS NULL) AS open,
            count(*) FILTER (WHERE 'released' = ANY(outcomes)) AS released
        FROM (
            SELECT business_unit, channel, {others}, day, at, (
                SELECT array_agg(s.outcome) FROM metrics.quarantine_settled AS s
                WHERE s.quarantined = q.event_id AND s.at <= :as_of) AS outcomes
            FROM metrics.quarantined AS q WHERE at <= :as_of
        ) AS came
        {"WHERE " + " AND ".join(conditions) if conditions else ""} {group_by}""",
        as_of=question.as_of,
        **values,
    )
    return {group_of(question, row): Held(row.n, row.open, row.released) for row in rows}
