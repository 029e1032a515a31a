"""What somebody could do next, found along the indexes: the best of their leads and the soonest of their tasks."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

from services.pipeline.domain.follow_up import Task
from services.pipeline.domain.queue import Candidate
from services.pipeline.storage.tasks import TASK, task_of
from shared.kit.database import Database, as_array

LOOKED_AT = 500
"""How many leads by score, and tasks by when they are due, a queue is made of: it costs the same however many there are."""

CANDIDATES = """
    WITH due AS (
        SELECT t.lead_id FROM pipeline.tasks t WHERE t.owner = :owner AND t.status = 'open' ORDER BY t.due_at LIMIT :most
    ), mine AS (
        (SELECT lead_id FROM pipeline.worklist WHERE owner = :owner AND score IS NOT NULL ORDER BY score DESC LIMIT :most)
        UNION (SELECT lead_id FROM pipeline.worklist WHERE owner = :owner AND score IS NULL LIMIT :most)
        UNION (SELECT l.root_id FROM due JOIN pipeline.leads l USING (lead_id))
    )
    SELECT l.lead_id, l.business_unit, l.status, l.owner, l.score, l.grade, l.probability, l.created_at, l.personal,
        l.assigned_at, l.first_response_at
    FROM mine JOIN pipeline.leads l USING (lead_id)"""

TASKS = f"""
    WITH members AS (
        SELECT lead_id, root_id FROM pipeline.leads WHERE lead_id = ANY(CAST(:ids AS uuid[]))
        UNION ALL
        SELECT lead_id, root_id FROM pipeline.leads WHERE root_id = ANY(CAST(:ids AS uuid[])) AND root_id <> lead_id
    )
    SELECT {TASK}, m.root_id FROM members m JOIN pipeline.tasks t USING (lead_id)
    WHERE t.status = 'open' AND t.owner = :owner ORDER BY t.due_at"""


async def candidates(
    database: Database, owner: str, business_unit: str | None
) -> tuple[list[Candidate], dict[UUID, Any]]:
    """The leads that somebody could work on, and their rows."""
    found = await database.rows(CANDIDATES, owner=owner, most=LOOKED_AT)
    rows = {row.lead_id: row for row in found if business_unit is None or row.business_unit == business_unit}
    tasks: dict[UUID, list[Task]] = defaultdict(list)
    if rows:
        for row in await database.rows(TASKS, ids=as_array(rows), owner=owner):
            tasks[row.root_id].append(task_of(row))
    return [
        Candidate(
            row.lead_id,
            row.assigned_at or row.created_at,
            row.grade,
            row.score,
            row.probability,
            tasks.get(row.lead_id, ()),
        )
        for row in rows.values()
    ], rows
