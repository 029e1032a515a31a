"""What somebody could do next, found along the indexes: the best of their leads and the soonest of their tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from services.pipeline.domain.access import Units
from services.pipeline.domain.due import Task
from services.pipeline.domain.queue import DUE_SOON, LATE, LATER, OPEN, SOON, Candidate
from services.pipeline.storage.tasks import TASK, task_of
from shared.kit.database import Database, as_array

LOOKED_AT = 100
"""How many leads by score, and tasks by when they are due, a queue is made of: it costs the same however many there are."""

REACHED = "(CAST(:units AS text[]) IS NULL OR business_unit = ANY(:units))"
"""What may be seen, asked before the best are taken: else those of other units would leave no room."""

CANDIDATES = f"""
    WITH due AS (
        SELECT * FROM pipeline.tasks WHERE owner = :owner AND status = 'open' AND {REACHED} ORDER BY due_at LIMIT :most
    ), soonest AS (
        SELECT l.root_id, {TASK} FROM due t JOIN pipeline.leads l USING (lead_id)
    ), mine AS (
        (SELECT lead_id FROM pipeline.worklist WHERE owner = :owner AND score IS NOT NULL AND {REACHED}
            ORDER BY score DESC LIMIT :most)
        UNION (SELECT lead_id FROM pipeline.worklist WHERE owner = :owner AND score IS NULL AND {REACHED} LIMIT :most)
        UNION (SELECT root_id FROM soonest)
    ), of_lead AS (
        SELECT * FROM soonest
        UNION ALL SELECT m.lead_id, {TASK} FROM mine m JOIN pipeline.tasks t USING (lead_id)
        WHERE t.owner = :owner AND t.status = 'open'
    ), pressing AS (
        SELECT DISTINCT ON (root_id) * FROM (
            SELECT *, CASE WHEN due_at <= :now THEN {LATE} WHEN starts_at > :now THEN {LATER}
                WHEN due_at <= :soon THEN {DUE_SOON} ELSE {OPEN} END AS urgency FROM of_lead
        ) ranked ORDER BY root_id, urgency, due_at, name
    )
    SELECT l.lead_id AS candidate, l.business_unit, coalesce(l.assigned_at, l.created_at) AS since, l.grade, l.score,
        l.probability, {TASK}
    FROM mine m JOIN pipeline.leads l USING (lead_id) LEFT JOIN pressing t ON t.root_id = l.lead_id
    WHERE CAST(:units AS text[]) IS NULL OR l.business_unit = ANY(:units)
    ORDER BY coalesce(t.urgency, {OPEN}), l.score DESC NULLS LAST, coalesce(l.probability, 0) DESC, t.due_at NULLS LAST,
        coalesce(l.assigned_at, l.created_at), l.lead_id
    LIMIT :limit"""
"""In the domain's order, so that no more is read than is shown. Of each lead only what is most pressing decides its place."""

DETAILS = """
    SELECT lead_id, business_unit, status, grade, score, probability, first_response_at
    FROM pipeline.leads WHERE lead_id = ANY(CAST(:ids AS uuid[]))"""

TASKS = f"""
    WITH members AS (
        SELECT lead_id, root_id FROM pipeline.leads WHERE lead_id = ANY(CAST(:ids AS uuid[]))
        UNION ALL
        SELECT lead_id, root_id FROM pipeline.leads WHERE root_id = ANY(CAST(:ids AS uuid[])) AND root_id <> lead_id
    )
    SELECT {TASK}, m.root_id FROM members m JOIN pipeline.tasks t USING (lead_id)
    WHERE t.status = 'open' AND t.owner = :owner ORDER BY t.due_at"""


async def candidates(database: Database, owner: str, units: Units, now: datetime, limit: int) -> list[Candidate]:
    """The leads that somebody should work on first, each with the most pressing of its tasks."""
    found = await database.rows(
        CANDIDATES,
        owner=owner,
        units=None if units is None else sorted(units),
        most=LOOKED_AT,
        now=now,
        soon=now + SOON,
        limit=limit,
    )
    return [
        Candidate(
            row.candidate,
            row.since,
            row.grade,
            row.score,
            row.probability,
            [task_of(row)] if row.task_id is not None else (),
        )
        for row in found
    ]


async def details(
    database: Database, owner: str, lead_ids: Collection[UUID]
) -> tuple[dict[UUID, Any], dict[UUID, list[Task]]]:
    """The rows of these leads, and everything that is open of them for an owner."""
    ids = as_array(lead_ids)
    rows = {row.lead_id: row for row in await database.rows(DETAILS, ids=ids)}
    tasks: dict[UUID, list[Task]] = defaultdict(list)
    for row in await database.rows(TASKS, ids=ids, owner=owner):
        tasks[row.root_id].append(task_of(row))
    return rows, tasks
