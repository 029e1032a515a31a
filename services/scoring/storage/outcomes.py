"""What came of leads, as it is written by the handlers: each fact once, under the id it was told of, so that a merge that
is taken back takes nothing with it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from services.scoring.domain import Place
from services.scoring.domain.outcomes import Outcome
from shared.kit.database import Transaction, as_array


async def add_outcomes(tx: Transaction, outcomes: Collection[Outcome]) -> set[Place]:
    """Writes outcomes and answers which of them were not known."""
    added = await tx.set_wise(
        """
        INSERT INTO scoring.outcomes (lead_id, event_id, kind, occurred_at, known_at, opportunity_id, mark, version)
        SELECT lead_id, event_id, kind, occurred_at, known_at, opportunity_id, mark, version
        FROM json_to_recordset(CAST(:rows AS json)) AS new (
            lead_id uuid, event_id uuid, kind text, occurred_at timestamptz, known_at timestamptz, opportunity_id text,
            mark text, version bigint
        )
        ORDER BY lead_id, event_id
        ON CONFLICT DO NOTHING RETURNING lead_id, event_id
        """,
        [one._asdict() for one in outcomes],
    )
    return {(row.lead_id, row.event_id) for row in added}


async def first_opened(tx: Transaction, leads: Collection[UUID]) -> dict[UUID, datetime]:
    """When the first opportunity of each of these leads opened, of those that have one."""
    rows = await tx.rows(
        """
        SELECT lead_id, min(occurred_at) AS opened_at FROM scoring.outcomes
        WHERE kind = 'opened' AND lead_id = ANY(CAST(:ids AS uuid[])) GROUP BY lead_id
        """,
        ids=as_array(leads),
    )
    return {row.lead_id: row.opened_at for row in rows}
