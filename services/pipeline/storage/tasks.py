"""Tasks: made of the facts of a transaction, read for a decision, found when they are due."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from services.pipeline.domain.access import Units
from services.pipeline.domain.due import KINDS, Task
from services.pipeline.domain.ledger import Entry, Ledger
from services.pipeline.storage.loading import LOCK_LEADS, MEMBERS, lock_groups
from services.pipeline.storage.narrowing import TASKS, narrowed
from services.pipeline.storage.places import OF_LEAD, of_units
from services.pipeline.storage.worklist import COUNTED_AT_MOST
from shared.kit.database import Database, Transaction, as_array

SCHEDULE = """
    INSERT INTO pipeline.tasks AS t (task_id, lead_id, business_unit, kind, name, owner, channel, cadence, step, opportunity_id,
        status, starts_at, due_at, fires_at, send, order_id, updated_at)
    SELECT task_id, lead_id, business_unit, kind, name, owner, channel, cadence, step, opportunity_id, 'open', starts_at,
        due_at, CASE WHEN send IS NULL THEN due_at ELSE starts_at END, send, order_id, :now
    FROM json_to_recordset(CAST(:rows AS json)) AS r(task_id uuid, lead_id uuid, business_unit text, kind text, name text,
        owner text, channel text, cadence text, step integer, opportunity_id text, starts_at timestamptz, due_at timestamptz,
        send text, order_id text)
    ON CONFLICT (task_id) DO UPDATE SET owner = excluded.owner, starts_at = excluded.starts_at, due_at = excluded.due_at,
        fires_at = CASE WHEN t.missed_at IS NULL OR t.due_at <> excluded.due_at THEN excluded.fires_at END,
        send = excluded.send,
        missed_at = CASE WHEN t.due_at = excluded.due_at THEN t.missed_at END, updated_at = excluded.updated_at"""

MISS = """
    UPDATE pipeline.tasks t SET missed_at = r.at, fires_at = NULL, updated_at = :now
    FROM json_to_recordset(CAST(:rows AS json)) AS r(task_id uuid, at timestamptz) WHERE t.task_id = r.task_id"""

CLOSE = """
    UPDATE pipeline.tasks t SET status = r.status, closed_at = r.at, outcome = r.outcome, fires_at = NULL, updated_at = :now
    FROM json_to_recordset(CAST(:rows AS json)) AS r(task_id uuid, status text, at timestamptz, outcome text)
    WHERE t.task_id = r.task_id"""

TASK = """
    t.task_id, t.lead_id, t.kind, t.name, t.due_at, t.starts_at, t.owner, t.channel, t.cadence, t.step, t.missed_at,
    t.opportunity_id, t.send, t.order_id"""


async def keep(transaction: Transaction, entries: Iterable[Entry]) -> None:
    """Brings the tasks up to the facts that were recorded. Of one task's facts in one transaction the last of a kind counts, and
    what closes it comes last."""
    due: dict[str, dict[str, Any]] = {}
    missed: dict[str, dict[str, Any]] = {}
    closed: dict[str, dict[str, Any]] = {}
    for lead, _, fact in entries:
        if not fact.event.startswith("FollowUp"):
            continue
        data = fact.data
        name = str(data.get("task_id", fact.event_id))
        match fact.event:
            case "FollowUpScheduled":
                fields = ("kind", "owner", "channel", "cadence", "step", "opportunity_id", "due_at", "send", "order_id")
                due[name] = {
                    "task_id": name,
                    "lead_id": lead.lead_id,
                    "business_unit": lead.business_unit,
                    "name": data.get("name", data["kind"]),
                    "starts_at": data.get("starts_at", fact.occurred_at),
                    **{one: data.get(one) for one in fields},
                }
            case "FollowUpMissed":
                missed[name] = {"task_id": name, "at": fact.occurred_at}
            case kind:
                status = "done" if kind == "FollowUpDone" else "cancelled"
                outcome = data.get("outcome", data.get("reason"))
                closed[name] = {"task_id": name, "status": status, "at": fact.occurred_at, "outcome": outcome}
    now = transaction.now
    await transaction.set_wise(SCHEDULE, list(due.values()), now=now)
    await transaction.set_wise(MISS, list(missed.values()), now=now)
    await transaction.set_wise(CLOSE, list(closed.values()), now=now)


async def open_tasks(source: Database | Transaction, lead_ids: Collection[UUID]) -> list[Task]:
    """What is due for these leads, soonest first."""
    rows = await source.rows(
        f"""
        SELECT {TASK} FROM pipeline.tasks t
        WHERE t.lead_id = ANY(CAST(:ids AS uuid[])) AND t.status = 'open' ORDER BY t.due_at, t.task_id""",
        ids=as_array(lead_ids),
    )
    return [task_of(row) for row in rows]


async def due_ids(source: Database | Transaction, now: datetime, limit: int) -> list[UUID]:
    """Which timers are due, soonest first."""
    rows = await source.rows(
        "SELECT task_id FROM pipeline.tasks WHERE fires_at <= :now ORDER BY fires_at LIMIT :limit", now=now, limit=limit
    )
    return [row.task_id for row in rows]


async def let_rest(transaction: Transaction, task_id: UUID, until: datetime) -> None:
    """A timer that cannot fire is tried again then; when the task is due stays as it is."""
    await transaction.execute(
        "UPDATE pipeline.tasks SET fires_at = :until WHERE task_id = :id AND fires_at <= :now",
        {"id": task_id, "until": until, "now": transaction.now},
    )


async def due(transaction: Transaction, limit: int, only: UUID | None = None) -> tuple[list[Task], Ledger]:
    """What is due now, or one of it alone, soonest first, with its leads locked.

    Nothing is waited for: what is due for a lead that somebody else has at this moment is left for the next look. Tasks are
    locked by nobody who has not locked their lead, so they are left to whoever has it, and read again once it is had.
    """
    rows = await transaction.rows(
        f"""
        SELECT t.task_id, t.lead_id FROM pipeline.tasks t JOIN pipeline.leads l USING (lead_id) WHERE t.fires_at <= :now
            {"AND t.task_id = :only" if only is not None else ""}
        ORDER BY t.fires_at LIMIT :limit FOR UPDATE OF l SKIP LOCKED""",
        now=transaction.now,
        limit=limit,
        **({"only": only} if only is not None else {}),
    )
    if not rows:
        return [], Ledger()
    found = as_array({row.task_id for row in rows})
    groups = {row.lead_id for row in await transaction.rows(MEMBERS, ids=as_array({row.lead_id for row in rows}))}
    locked = {row.lead_id for row in await transaction.rows(f"{LOCK_LEADS} SKIP LOCKED", ids=as_array(groups))}
    if locked != groups:
        rows = await transaction.rows(
            """
            SELECT lead_id FROM pipeline.leads WHERE lead_id = ANY(CAST(:ids AS uuid[])) AND root_id NOT IN
                (SELECT root_id FROM pipeline.leads WHERE lead_id = ANY(CAST(:missing AS uuid[])))""",
            ids=as_array(locked),
            missing=as_array(groups - locked),
        )
        locked = {row.lead_id for row in rows}
    transaction.may_wait_for("leads")  # and has not: a group that has grown since is taken where nobody has it
    ledger = await lock_groups(transaction, locked)
    rows = await transaction.rows(
        f"""
        SELECT {TASK} FROM pipeline.tasks t WHERE t.task_id = ANY(CAST(:ids AS uuid[])) AND t.fires_at <= :now
        ORDER BY t.fires_at""",
        ids=found,
        now=transaction.now,
    )
    return [task_of(row) for row in rows if row.lead_id in ledger], ledger


def task_of(row: Any) -> Task:
    """A task as its row has it."""
    return Task(
        row.task_id, row.lead_id, row.kind, row.name, row.due_at, row.starts_at, row.owner, row.channel, row.cadence, row.step,
        row.missed_at is not None, row.opportunity_id, row.send, row.order_id,
    )  # fmt: skip


async def lateness(source: Database | Transaction, now: datetime) -> tuple[int, float]:
    """How many timers are due and have not fired, counted so far, and for how many seconds the first has been."""
    (row,) = await source.rows(
        """
        SELECT count(*) AS timers, min(fires_at) AS since
        FROM (SELECT fires_at FROM pipeline.tasks WHERE fires_at <= :now ORDER BY fires_at LIMIT :most) due""",
        now=now,
        most=COUNTED_AT_MOST,
    )
    return row.timers, (now - row.since).total_seconds() if row.timers else 0.0


async def one(source: Database | Transaction, task_id: UUID) -> Any | None:
    """A task's row with the canonical id of its lead, None for one that nobody knows."""
    rows = await source.rows(
        """
        SELECT t.*, l.root_id FROM pipeline.tasks t JOIN pipeline.leads l USING (lead_id) WHERE t.task_id = :id""",
        id=task_id,
    )
    return rows[0] if rows else None


async def several(source: Database | Transaction, task_ids: Collection[UUID]) -> dict[UUID, Any]:
    """Rows of tasks, by their ids."""
    rows = await source.rows(
        "SELECT * FROM pipeline.tasks WHERE task_id = ANY(CAST(:ids AS uuid[]))", ids=as_array(task_ids)
    )
    return {row.task_id: row for row in rows}


def document(row: Any) -> dict[str, Any]:
    """A task as the API shows it, under its lead's canonical id."""
    shown = (
        "task_id", "business_unit", "kind", "name", "owner", "channel", "cadence", "step", "opportunity_id", "order_id", "status",
        "starts_at", "due_at", "missed_at", "closed_at", "outcome", "send", "updated_at",
    )  # fmt: skip
    return {"lead_id": row.root_id, **{name: getattr(row, name) for name in shown}}


async def listing(
    source: Database | Transaction,
    *,
    owner: str | None,
    lead_id: UUID | None,
    units: Units,
    status: str,
    kind: str | None = None,
    due_before: datetime | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """A page of tasks, soonest due first."""
    kept, parameters = of_units("t.business_unit", units)
    narrow = narrowed({"status": status, "owner": owner, "kind": kind, "due_before": due_before}, TASKS)
    conditions = [*kept, *narrow.conditions]
    parameters |= {"limit": limit, **narrow.parameters}
    if lead_id is not None:
        conditions.append(f"t.lead_id {OF_LEAD}")
        parameters["lead"] = lead_id
    if after is not None:
        conditions.append("(t.due_at, t.task_id) > (:due_at, :task_id)")
        parameters |= {"due_at": after[0], "task_id": after[1]}
    page = f"""
        SELECT * FROM pipeline.tasks t WHERE {" AND ".join(conditions)} ORDER BY t.due_at, t.task_id LIMIT :limit"""
    if owner is None and lead_id is None:
        page = _along_the_index(page)
        parameters |= {"among": sorted(units) if units is not None else None, "kinds": [kind] if kind else list(KINDS)}
    rows = await source.rows(
        f"""
        WITH page AS MATERIALIZED ({page})
        SELECT t.*, l.root_id FROM page t JOIN pipeline.leads l USING (lead_id) ORDER BY t.due_at, t.task_id""",
        **parameters,
    )
    return [document(row) for row in rows]


def _along_the_index(page: str) -> str:
    """A page put together of as many first tasks of each unit and kind, each a stretch of an index."""
    one = page.replace(" WHERE ", " WHERE t.business_unit = u.name AND t.kind = k.kind AND ", 1)
    return f"""
        WITH RECURSIVE every_unit AS (
            (SELECT business_unit AS name FROM pipeline.tasks ORDER BY business_unit LIMIT 1)
            UNION ALL
            SELECT (SELECT business_unit FROM pipeline.tasks WHERE business_unit > every_unit.name
                ORDER BY business_unit LIMIT 1) FROM every_unit WHERE every_unit.name IS NOT NULL
        ), named AS (
            SELECT unnest(CAST(:among AS text[])) AS name
            UNION ALL SELECT name FROM every_unit WHERE CAST(:among AS text[]) IS NULL AND name IS NOT NULL
        )
        SELECT t.* FROM named u CROSS JOIN unnest(CAST(:kinds AS text[])) AS k(kind) CROSS JOIN LATERAL ({one}) t
        ORDER BY t.due_at, t.task_id LIMIT :limit"""
