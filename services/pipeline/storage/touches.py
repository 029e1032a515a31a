"""How leads were reached last: read from their facts, so that a merge, its end and what is learned late change it with them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from shared.kit.database import Database, Transaction, as_array

PLACE = ("channel", "source", "medium", "campaign", "product")

NOWHERE: dict[str, Any] = {"at": None, **dict.fromkeys(PLACE)}
"""That of whom no touch says where it was."""

LAST = f"""
    WITH members AS (
        SELECT lead_id, lead_id AS root_id FROM pipeline.leads WHERE lead_id = ANY(CAST(:ids AS uuid[]))
        UNION ALL
        SELECT lead_id, root_id FROM pipeline.leads WHERE root_id = ANY(CAST(:ids AS uuid[])) AND root_id <> lead_id
    )
    SELECT DISTINCT ON (m.root_id) m.root_id, h.occurred_at AS at, {", ".join(f"h.data ->> '{name}' AS {name}" for name in PLACE)}
    FROM members m CROSS JOIN LATERAL (
        SELECT * FROM (SELECT * FROM pipeline.history WHERE lead_id = m.lead_id OFFSET 0) story
        WHERE event IN ('LeadCreated', 'LeadTouched') AND (data ->> 'channel' IS NOT NULL OR data ->> 'source' IS NOT NULL)
        ORDER BY occurred_at DESC, event_id DESC LIMIT 1) h
    ORDER BY m.root_id, h.occurred_at DESC, h.event_id DESC"""
"""Of those that name a channel or a source, as the first touch does; of one moment the one with the greatest id. Each lead's history
is read along its key: of the events of everybody there is an index too, which the planner would rather read. One that was merged
since it was asked for has its own."""


async def last_touches(source: Database | Transaction, roots: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """The last touch of each of these leads and of all that was merged into it."""
    found = dict.fromkeys(roots, NOWHERE)
    if found:
        for row in await source.rows(LAST, ids=as_array(found)):
            found[row.root_id] = {"at": row.at, **{name: getattr(row, name) for name in PLACE}}
    return found


RETRACTED = """
    SELECT CAST(h.data ->> 'retracts' AS uuid) AS interaction FROM unnest(CAST(:ids AS uuid[])) AS m(lead_id)
    CROSS JOIN LATERAL (SELECT event, data FROM pipeline.history WHERE lead_id = m.lead_id OFFSET 0) h
    WHERE h.event = 'LeadTouched' AND NOT h.data ? 'mark' AND h.data ->> 'retracts' = ANY(:interactions)"""


async def retracted(transaction: Transaction, lead_ids: Collection[UUID], interactions: Collection[UUID]) -> set[UUID]:
    """Which of these interactions were taken back in the stories of these leads."""
    if not lead_ids:
        return set()
    told = [str(one) for one in interactions]
    rows = await transaction.rows(RETRACTED, ids=as_array(lead_ids), interactions=told)
    return {row.interaction for row in rows}
