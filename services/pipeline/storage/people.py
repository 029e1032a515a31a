"""Who people are: what is known of a lead and of everybody merged into it, whatever shows it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from services.pipeline.domain.contacts import shown_person
from services.pipeline.domain.ledger import known_with
from shared.kit.database import Database, Transaction, as_array

OLDEST_FIRST = "personal_at NULLS FIRST, lead_id"
"""In which order what is known of one person's ids is put together: the latest goes before the rest."""

COUNTRY = """
    CASE WHEN EXISTS (SELECT FROM pipeline.leads m WHERE m.root_id = l.lead_id AND m.root_id <> m.lead_id) THEN (
        SELECT m.personal ->> 'country' FROM pipeline.leads m
        WHERE (m.lead_id = l.lead_id OR m.root_id = l.lead_id AND m.root_id <> m.lead_id) AND m.personal ? 'country'
        ORDER BY m.personal_at DESC NULLS LAST, m.lead_id DESC LIMIT 1)
    ELSE l.personal ->> 'country' END"""
"""Where the person of a root `l` is, as `people` says it."""


async def people(source: Database | Transaction, root_ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """Who these people are, by their canonical ids: what is known now, as others may see it."""
    if not root_ids:
        return {}
    rows = await source.rows(
        f"""
        SELECT root_id, personal FROM pipeline.leads WHERE lead_id = ANY(CAST(:ids AS uuid[]))
            OR (root_id = ANY(CAST(:ids AS uuid[])) AND root_id <> lead_id)
        ORDER BY {OLDEST_FIRST}""",
        ids=as_array(root_ids),
    )
    known: dict[UUID, dict[str, Any]] = {}
    for row in rows:
        known[row.root_id] = known_with(known.get(row.root_id, {}), row.personal)
    return {root_id: shown_person(personal) for root_id, personal in known.items()}
