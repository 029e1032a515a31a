"""What came of leads, as it is written by the handlers: each fact once, under the id it was told of, so that a merge that
is taken back takes nothing with it."""

from __future__ import annotations

from collections.abc import Collection

from services.scoring.domain import Place
from services.scoring.domain.outcomes import Outcome
from shared.kit.database import Transaction


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
