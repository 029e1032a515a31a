"""Everything that there is to learn from, read a page at a time, off every hot path."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from services.scoring.domain import Outcome, Touch
from services.scoring.domain.model import History, Member, history_of
from services.scoring.storage.ledger import TOUCH_COLUMNS
from shared.kit.database import Transaction, as_array

# A share of the leads that is the same each time: their ids are hashes, so any share of ids is a fair one.
ROOTS = """
    FROM scoring.leads WHERE root_id = lead_id AND (CAST(:unit AS text) IS NULL OR business_unit = :unit)
        AND mod(hashtext(CAST(lead_id AS text))::bigint + 2147483648, :one_in) = 0"""

MEMBERS = """
    SELECT lead_id, root_id, business_unit, merged_into, merge_occurred_at FROM scoring.leads
    WHERE lead_id = ANY(CAST(:ids AS uuid[]))
    UNION ALL
    SELECT lead_id, root_id, business_unit, merged_into, merge_occurred_at FROM scoring.leads
    WHERE root_id = ANY(CAST(:ids AS uuid[])) AND root_id <> lead_id"""

COLUMNS = ", ".join((*TOUCH_COLUMNS, "known_at", "coalesce(historical, false)", "mark"))

TOUCHES = f"""
    SELECT lead_id AS counts_for, lead_id, event_id, {COLUMNS} FROM scoring.touches
    WHERE lead_id = ANY(CAST(:ids AS uuid[])) AND attached_to IS NULL
    UNION ALL
    SELECT attached_to, lead_id, event_id, {COLUMNS} FROM scoring.touches
    WHERE attached_to = ANY(CAST(:ids AS uuid[]))"""

OUTCOMES = """
    SELECT lead_id, event_id, kind, occurred_at, known_at, opportunity_id, mark, version FROM scoring.outcomes
    WHERE lead_id = ANY(CAST(:ids AS uuid[]))"""


async def people_count(tx: Transaction, business_unit: str | None = None) -> int:
    """How many people there are, of a unit or of all."""
    [row] = await tx.rows(f"SELECT count(*) AS people {ROOTS}", unit=business_unit, one_in=1)
    people: int = row.people
    return people


async def units(tx: Transaction) -> list[str]:
    """The business units that have leads."""
    rows = await tx.rows("SELECT DISTINCT business_unit FROM scoring.leads ORDER BY business_unit")
    return [row.business_unit for row in rows]


async def histories(
    tx: Transaction, after: UUID | None, limit: int, *, business_unit: str | None = None, one_in: int = 1
) -> tuple[list[History], UUID | None]:
    """A page of people, of a unit or of all, every so many of them; and where the next page begins, None after the last. To
    be read in a snapshot."""
    rows = await tx.rows(
        f"""
        SELECT lead_id {ROOTS} AND (CAST(:after AS uuid) IS NULL OR lead_id > CAST(:after AS uuid))
        ORDER BY lead_id LIMIT :limit
        """,
        unit=business_unit,
        one_in=one_in,
        after=after,
        limit=limit,
    )
    roots = [row.lead_id for row in rows]
    return await _histories(tx, roots), roots[-1] if len(roots) == limit else None


async def _histories(tx: Transaction, roots: Collection[UUID]) -> list[History]:
    if not roots:
        return []
    members: dict[UUID, list[Member]] = {root: [] for root in roots}
    for row in await tx.rows(MEMBERS, ids=as_array(roots)):
        members[row.root_id].append(Member(*tuple(row)))
    every = as_array(member.lead_id for group in members.values() for member in group)
    touches: dict[UUID, list[Touch]] = {}
    for row in await tx.rows(TOUCHES, ids=every):
        touches.setdefault(row.counts_for, []).append(Touch(*tuple(row)[1:]))
    outcomes: dict[UUID, list[Outcome]] = {}
    for row in await tx.rows(OUTCOMES, ids=every):
        outcomes.setdefault(row.lead_id, []).append(Outcome(*tuple(row)))
    return [history_of(group, touches, outcomes) for group in members.values() if group]
