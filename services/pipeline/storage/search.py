"""Leads found by what is known of them: by keyed identities, by the beginning of their id, by words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from services.pipeline.storage.queries import shown
from shared.kit.database import Database, Transaction, as_array

LOOKED_AT = 100
"""How many of those that words find are put in order: a look costs the same however many there are."""

BY_IDENTITY = """
    SELECT DISTINCT i.kind, l.root_id
    FROM json_to_recordset(CAST(:rows AS json)) AS r(business_unit text, kind text, token text)
    JOIN pipeline.identities i USING (business_unit, kind, token) JOIN pipeline.leads l USING (lead_id)"""

BY_ID = """
    SELECT root_id FROM pipeline.leads
    WHERE lead_id BETWEEN :low AND :high AND business_unit = ANY(CAST(:units AS text[])) ORDER BY lead_id LIMIT :limit"""

BY_WORDS = """
    WITH hits AS MATERIALIZED (
        SELECT root_id FROM pipeline.leads
        WHERE words @@ CAST(:query AS tsquery) AND business_unit = ANY(CAST(:units AS text[]))
    ), people AS (SELECT DISTINCT root_id FROM (SELECT root_id FROM hits LIMIT :most) first)
    SELECT p.root_id FROM people p JOIN pipeline.leads l ON l.lead_id = p.root_id
    ORDER BY l.status = 'archived', l.score DESC NULLS LAST, l.created_at DESC, l.lead_id"""
"""What is materialised is planned to be read whole, and so along its index, and read only as far as it is asked for: with the
limit inside, a planner that takes a rare word for a frequent one would rather read the table."""


async def by_identity(source: Database, names: Sequence[Mapping[str, str]]) -> list[tuple[str, UUID]]:
    """Which leads have one of these identities, each given as business_unit, kind and token, and of which kind it was."""

    async def work(transaction: Transaction) -> list[tuple[str, UUID]]:
        return [(row.kind, row.root_id) for row in await transaction.set_wise(BY_IDENTITY, names)]

    return await source.run(work)


async def by_id(source: Database, low: UUID, high: UUID, units: Collection[str], limit: int) -> list[UUID]:
    """Leads whose id, or that of one merged into them, lies between these."""
    rows = await source.rows(BY_ID, low=low, high=high, units=list(units), limit=limit)
    return [row.root_id for row in rows]


async def by_words(source: Database, units: Collection[str], query: str) -> tuple[list[UUID], bool]:
    """Leads that fit a query of words, the best first, and whether there may be more."""
    rows = await source.rows(BY_WORDS, query=query, units=list(units), most=LOOKED_AT)
    return [row.root_id for row in rows], len(rows) == LOOKED_AT


async def documents(source: Database, root_ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """These leads as a listing shows them."""
    rows = await source.rows(
        "SELECT * FROM pipeline.leads WHERE lead_id = ANY(CAST(:ids AS uuid[]))", ids=as_array(root_ids)
    )
    return {one["lead_id"]: one for one in await shown(source, rows)}


async def unworded(transaction: Transaction, limit: int) -> Sequence[Any]:
    """Leads whose words were never made, locked."""
    return await transaction.rows(
        """
        SELECT lead_id, business_unit, personal FROM pipeline.leads WHERE words IS NULL
        ORDER BY lead_id LIMIT :limit FOR UPDATE SKIP LOCKED""",
        limit=limit,
    )


async def word(transaction: Transaction, words: Mapping[UUID, str]) -> None:
    """Gives leads their words."""
    await transaction.set_wise(
        """
        UPDATE pipeline.leads l SET words = CAST(r.words AS tsvector)
        FROM json_to_recordset(CAST(:rows AS json)) AS r(lead_id uuid, words text) WHERE l.lead_id = r.lead_id""",
        [{"lead_id": lead_id, "words": told} for lead_id, told in words.items()],
    )
