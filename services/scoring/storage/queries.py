"""What the API reads of schema `scoring`, outside of any batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.kit.database import Database


async def scored_lead(database: Database, lead_id: UUID) -> Row[Any] | None:
    """A lead's group and the last score published under its own id."""
    found = await database.rows(
        """
        SELECT lead_id, business_unit, root_id, known, score, grade, fit, engagement, reasons, policy_version,
            probability, contributions, model_version, customer_probability, customer_contributions,
            customer_model_version, rating, temperature, due_at, scored_occurred_at, scored_at
        FROM scoring.leads WHERE lead_id = :lead_id
        """,
        lead_id=lead_id,
    )
    return found[0] if found else None


async def audited(database: Database, event_ids: Collection[UUID]) -> Mapping[UUID, str]:
    """How each captured event ended here: `fact`, `waiting` or `dead_lettered`. An event never seen is absent."""
    found = await database.rows(
        """
        SELECT event_id, min(rank) AS rank FROM (
            SELECT touch.event_id, CASE WHEN lead.known OR EXISTS (
                SELECT 1 FROM scoring.leads member
                WHERE member.known AND (member.lead_id = lead.root_id
                    OR (member.root_id = lead.root_id AND member.root_id <> member.lead_id))) THEN 1 ELSE 2 END AS rank
            FROM scoring.touches touch
            JOIN scoring.leads lead ON lead.lead_id = coalesce(touch.attached_to, touch.lead_id)
            WHERE touch.event_id = ANY(CAST(:ids AS uuid[]))
            UNION ALL
            SELECT event_id, 3 FROM scoring.dead_letters
            WHERE event_id = ANY(CAST(:ids AS uuid[])) AND status <> 'redriven'
        ) ended GROUP BY event_id
        """,
        ids=[str(event_id) for event_id in event_ids],
    )
    names = {1: "fact", 2: "waiting", 3: "dead_lettered"}
    return {row.event_id: names[row.rank] for row in found}


async def counts(database: Database, policy_version: str) -> dict[str, Any]:
    """How much this service holds."""
    [totals] = await database.rows(
        """
        SELECT (SELECT count(*) FROM scoring.touches) AS touches,
            (SELECT count(*) FROM scoring.leads WHERE known) AS leads,
            (SELECT count(*) FROM scoring.leads WHERE root_id <> lead_id) AS merged,
            (SELECT count(*) FROM scoring.leads WHERE NOT known) AS unknown_leads,
            (SELECT count(*) FROM scoring.leads
                WHERE root_id = lead_id AND policy_version <> :policy_version) AS stale_scores,
            (SELECT count(*) FROM scoring.dead_letters WHERE status = 'open') AS dead_letters
        """,
        policy_version=policy_version,
    )
    grades = await database.rows(
        """
        SELECT grade, count(*) AS leads FROM scoring.leads
        WHERE grade IS NOT NULL AND root_id = lead_id GROUP BY grade ORDER BY grade
        """
    )
    return {**totals._mapping, "grades": {row.grade: row.leads for row in grades}}
