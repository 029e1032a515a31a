"""Visitors: kept as they are told of, counted as a question cuts them, and made nobody's."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.metrics.domain.answers import Group
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.questions import Question
from services.metrics.domain.visiting import CUTS
from services.metrics.storage import visitor_registers
from services.metrics.storage.cutting import group_of, grouping, window
from services.metrics.storage.grouped import grouped
from shared.contracts.visit_events import VisitorForgotten, VisitorSeen
from shared.kit.database import Database, Transaction


async def keep(tx: Transaction, told: Sequence[VisitorSeen]) -> set[UUID]:
    """Keeps who was there; which of these events were not known."""
    rows = {
        one.event_id: {
            "event_id": one.event_id, "visitor_id": one.lead_id, "business_unit": one.business_unit, "day": one.day,
            "at": one.occurred_at, "recorded_at": one.recorded_at, "channel": one.channel, "source": one.source,
            "campaign": one.campaign,
        }
        for one in told
    }  # fmt: skip
    fresh = await tx.set_wise(
        """
        INSERT INTO metrics.visitors (event_id, visitor_id, business_unit, day, at, recorded_at, channel, source, campaign)
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(event_id uuid, visitor_id uuid, business_unit text,
            day date, at timestamptz, recorded_at timestamptz, channel text, source text, campaign text)
        ORDER BY event_id ON CONFLICT DO NOTHING RETURNING event_id, day""",
        [rows[event_id] for event_id in sorted(rows)],
    )
    await visitor_registers.changed(tx, (row.day for row in fresh))
    return {row.event_id for row in fresh}


async def forget(tx: Transaction, told: VisitorForgotten) -> bool:
    """Gives what was told of a visitor an id that nobody can find out, one for all of it. False where that was done."""
    fresh = await tx.rows(
        """
        INSERT INTO metrics.forgotten_visitors (event_id, until, forgotten)
        SELECT :event_id, :until, count(*) FROM metrics.visitors WHERE visitor_id = :visitor AND recorded_at <= :until
        ON CONFLICT DO NOTHING RETURNING 1""",
        event_id=told.event_id,
        until=told.until,
        visitor=told.lead_id,
    )
    if fresh:
        those = await tx.rows(
            """
            UPDATE metrics.visitors SET visitor_id = nobody.id FROM (SELECT gen_random_uuid() AS id OFFSET 0) AS nobody
            WHERE visitor_id = :visitor AND recorded_at <= :until RETURNING day""",
            visitor=told.lead_id,
            until=told.until,
        )
        await visitor_registers.changed(tx, (row.day for row in those))
    return bool(fresh)


async def visitors_of(database: Database, question: Question) -> dict[Group | None, int]:
    """How many different visitors there were in the window by `as_of`, in total and by group: exactly where visits are few, or cut
    by several things at once."""
    found = await visitor_registers.from_registers(database, question)
    if found is not None:
        return found
    conditions, values = window(question, "day", "at")
    select, group_by = grouping(question, "day", ())
    others = ", ".join(f"CAST(NULL AS text) AS {name}" for name in DIMENSIONS if name not in CUTS)
    rows = await grouped(
        database,
        question,
        f"""
        SELECT {select}, count(DISTINCT visitor_id) AS n FROM (
            SELECT visitor_id, business_unit, channel, source, campaign, {others}, day, at FROM metrics.visitors
        ) AS seen
        WHERE {" AND ".join(["at <= :as_of", *conditions])} {group_by}""",
        as_of=question.as_of,
        **values,
    )
    return {group_of(question, row): row.n for row in rows}
