"""Bulk jobs: their items, who works on them, and what became of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from services.pipeline.domain.access import Units
from services.pipeline.domain.bulk import MOST_ITEMS, Doing, Status
from services.pipeline.storage.places import of_units
from services.pipeline.storage.vouching import ENDED
from shared.kit.database import Database, Transaction, as_array

Source = Database | Transaction

FILTERS: Mapping[str, str] = {
    "status": "l.status = :status",
    "owner": "l.owner = :owner",
    "team": "l.team = :team",
    "grade": "l.grade = :grade",
    "mark": "l.mark = :mark",
    "channel": "l.channel = :channel",
    "product": "l.product = :product",
    "created_before": "l.created_at < :created_before",
    "created_from": "l.created_at >= :created_from",
}
"""By what leads of a job can be meant."""


async def hold(transaction: Transaction, job_id: UUID) -> Any | None:
    """The job of an id. Of two that begin it at once the second waits for the first."""
    await transaction.rows("SELECT pg_advisory_xact_lock(hashtextextended(:id, 3))", id=str(job_id))
    return await one(transaction, job_id)


async def one(source: Source, job_id: UUID) -> Any | None:
    """A job, None where there is none."""
    rows = await source.rows("SELECT * FROM pipeline.bulk_jobs WHERE job_id = :id", id=job_id)
    return rows[0] if rows else None


async def add(
    transaction: Transaction,
    job_id: UUID,
    fingerprint: str,
    doing: Doing,
    said: Mapping[str, Any],
    actor: str,
    units: Units,
    vouched_by: str,
) -> None:
    """A job without items."""
    await transaction.execute(
        """
        INSERT INTO pipeline.bulk_jobs (job_id, fingerprint, doing, said, actor, units, vouched_by, status, items, done, refused, created_at)
        VALUES (:job_id, :fingerprint, :doing, CAST(:said AS jsonb), :actor, CAST(:units AS text[]), :vouched_by, 'waiting', 0, 0, 0, :now)""",
        {
            "job_id": job_id,
            "fingerprint": fingerprint,
            "doing": doing,
            "said": orjson.dumps(said).decode(),
            "actor": actor,
            "units": sorted(units) if units is not None else None,
            "vouched_by": vouched_by,
            "now": transaction.now,
        },
    )


async def add_listed(transaction: Transaction, job_id: UUID, leads: Sequence[UUID | None]) -> None:
    """The items of a list, each with its place in it. Somebody who is named again, by whichever of their ids, is the item of the
    first place."""
    known = await transaction.rows(
        "SELECT lead_id, root_id FROM pipeline.leads WHERE lead_id = ANY(CAST(:ids AS uuid[]))",
        ids=list({lead_id for lead_id in leads if lead_id is not None}),
    )
    roots = {row.lead_id: row.root_id for row in known}
    people = set[UUID]()
    rows = []
    for place, lead_id in enumerate(leads, 1):
        if lead_id is not None:
            root_id = roots.get(lead_id, lead_id)
            if root_id in people:
                continue
            people.add(root_id)
        rows.append((job_id, place, lead_id))
    await transaction.copy("pipeline.bulk_items", ("job_id", "place", "lead_id"), rows)


async def add_filtered(transaction: Transaction, job_id: UUID, units: Units, filters: Mapping[str, Any]) -> None:
    """Everybody who is meant now, one more than there may be at most."""
    kept, parameters = of_units("l.business_unit", units)
    conditions = ["l.merged_into IS NULL", *kept, *(FILTERS[name] for name in filters)]
    await transaction.execute(
        f"""
        INSERT INTO pipeline.bulk_items (job_id, place, lead_id)
        SELECT :job_id, row_number() OVER (ORDER BY created_at, lead_id), lead_id FROM
            (SELECT l.lead_id, l.created_at FROM pipeline.leads l WHERE {" AND ".join(conditions)} LIMIT :most) meant""",
        {"job_id": job_id, "most": MOST_ITEMS + 1, **parameters, **filters},
    )


async def count(transaction: Transaction, job_id: UUID) -> int:
    """Notes how many items a job has."""
    (row,) = await transaction.rows(
        """
        UPDATE pipeline.bulk_jobs SET items = (SELECT count(*) FROM pipeline.bulk_items i WHERE i.job_id = :id)
        WHERE job_id = :id RETURNING items""",
        id=job_id,
    )
    return int(row.items)


async def owners_of(source: Source, names: Sequence[Mapping[str, str]]) -> dict[str, UUID]:
    """Whose these identities are, by token, each given as business_unit, kind and token."""
    rows = await source.rows(
        """
        SELECT i.token, l.root_id
        FROM json_to_recordset(CAST(:rows AS json)) AS r(business_unit text, kind text, token text)
        JOIN pipeline.identities i USING (business_unit, kind, token) JOIN pipeline.leads l USING (lead_id)""",
        rows=orjson.dumps(names).decode(),
    )
    return {row.token: row.root_id for row in rows}


async def take(transaction: Transaction, worker: UUID, lease: timedelta) -> Any | None:
    """The job that nobody works on whose turn it is, leased: one that nobody began, else the one that waits longest for its next
    turn; None where there is none."""
    rows = await transaction.rows(
        """
        UPDATE pipeline.bulk_jobs SET status = 'running', worker = :worker, leased_until = :until,
            started_at = coalesce(started_at, :now)
        WHERE job_id = (
            SELECT job_id FROM pipeline.bulk_jobs WHERE status IN ('waiting', 'running')
                AND (leased_until IS NULL OR leased_until <= :now OR worker = :worker)
            ORDER BY leased_until NULLS FIRST, created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING *""",
        worker=worker,
        now=transaction.now,
        until=transaction.now + lease,
    )
    return rows[0] if rows else None


async def left(source: Source, job_id: UUID, limit: int) -> Sequence[Any]:
    """Items of which nothing has become yet."""
    return await source.rows(
        """
        SELECT place, lead_id FROM pipeline.bulk_items WHERE job_id = :id AND outcome IS NULL ORDER BY place LIMIT :limit""",
        id=job_id,
        limit=limit,
    )


async def note(
    transaction: Transaction, job_id: UUID, worker: UUID, lease: timedelta, outcomes: Collection[Mapping[str, Any]]
) -> bool:
    """Notes what became of items, and renews the lease. False where somebody else works on the job, or nobody is to any more;
    what was done is noted all the same."""
    rows = await transaction.rows(
        "SELECT status, worker FROM pipeline.bulk_jobs WHERE job_id = :id FOR UPDATE", id=job_id
    )
    noted = await transaction.set_wise(
        """
        UPDATE pipeline.bulk_items i SET outcome = r.outcome, code = r.code, detail = r.detail
        FROM json_to_recordset(CAST(:rows AS json)) AS r(place integer, outcome text, code text, detail text)
        WHERE i.job_id = :id AND i.place = r.place AND i.outcome IS NULL RETURNING i.outcome""",
        list(outcomes),
        id=job_id,
    )
    is_ours = bool(rows) and rows[0].status == "running" and rows[0].worker == worker
    await transaction.execute(
        """
        UPDATE pipeline.bulk_jobs SET done = done + :done, refused = refused + :refused,
            leased_until = CASE WHEN :ours THEN :until ELSE leased_until END
        WHERE job_id = :id""",
        {
            "id": job_id,
            "done": sum(row.outcome == "done" for row in noted),
            "refused": sum(row.outcome == "refused" for row in noted),
            "ours": is_ours,
            "until": transaction.now + lease,
        },
    )
    return is_ours


async def end(transaction: Transaction, job_id: UUID, worker: UUID) -> None:
    """Nothing is left of a job."""
    await transaction.execute(
        """
        UPDATE pipeline.bulk_jobs SET status = 'done', ended_at = :now, worker = NULL, leased_until = NULL
        WHERE job_id = :id AND worker = :worker AND status = 'running'""",
        {"id": job_id, "worker": worker, "now": transaction.now},
    )


async def end_turn(transaction: Transaction, job_id: UUID, worker: UUID) -> None:
    """Leaves a job for later, behind those that wait now."""
    await transaction.execute(
        "UPDATE pipeline.bulk_jobs SET worker = NULL, leased_until = :now WHERE job_id = :id AND worker = :worker",
        {"id": job_id, "worker": worker, "now": transaction.now},
    )


async def let_go(transaction: Transaction, worker: UUID) -> None:
    """Ends the lease of a worker that stops."""
    await transaction.execute(
        "UPDATE pipeline.bulk_jobs SET worker = NULL, leased_until = NULL WHERE worker = :worker", {"worker": worker}
    )


async def change(
    transaction: Transaction, job_id: UUID, status: Status, instead_of: Collection[Status], vouched_by: str
) -> Any | None:
    """The job in its new state, or as it is where it was in none that it can be changed from. It goes on for whoever lets it."""
    await transaction.execute(
        """
        UPDATE pipeline.bulk_jobs SET status = :status, worker = NULL, leased_until = NULL, vouched_by = :vouched_by,
            stopped = NULL, ended_at = CASE WHEN :status = 'cancelled' THEN CAST(:now AS timestamptz) END
        WHERE job_id = :id AND status = ANY(:before)""",
        {"id": job_id, "status": status, "before": list(instead_of), "vouched_by": vouched_by, "now": transaction.now},
    )
    return await one(transaction, job_id)


STOP = """
    WITH RECURSIVE token AS (
        SELECT k.prefix, k.replaced_by, k.revoked_at, k.expires_at
        FROM pipeline.api_keys k JOIN pipeline.bulk_jobs j ON j.vouched_by = k.prefix WHERE j.job_id = :id
        UNION SELECT k.prefix, k.replaced_by, k.revoked_at, k.expires_at
        FROM pipeline.api_keys k JOIN token t ON t.replaced_by = k.prefix
    )
    UPDATE pipeline.bulk_jobs SET status = 'cancelled', stopped = :why, ended_at = :now, worker = NULL, leased_until = NULL
    WHERE job_id = :id AND status = 'running' AND EXISTS (
        SELECT FROM token WHERE replaced_by IS NULL AND (revoked_at IS NOT NULL OR expires_at <= :now))
    RETURNING 1"""
"""A token that was replaced is as good as the one in its place."""


async def stop_unvouched(transaction: Transaction, job_id: UUID) -> bool:
    """Ends a job whose credentials were revoked or have expired; whether it was so."""
    return bool(await transaction.rows(STOP, id=job_id, why=ENDED, now=transaction.now))


async def jobs(
    source: Source, units: Units, *, status: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Any]:
    """A page of the jobs that stay within these units, newest first."""
    conditions, parameters = ["true"], dict[str, Any](limit=limit)
    if units is not None:
        conditions.append("units <@ CAST(:units AS text[])")
        parameters["units"] = sorted(units)
    if status is not None:
        conditions.append("status = :status")
        parameters["status"] = status
    if after is not None:
        conditions.append("(created_at, job_id) < (:at, :after)")
        parameters |= {"at": after[0], "after": after[1]}
    return await source.rows(
        f"""
        SELECT * FROM pipeline.bulk_jobs WHERE {" AND ".join(conditions)}
        ORDER BY created_at DESC, job_id DESC LIMIT :limit""",
        **parameters,
    )


async def items(source: Source, job_id: UUID, *, outcome: str | None, after: int, limit: int) -> Sequence[Any]:
    """A page of a job's items, in order; `left` are those of which nothing has become yet."""
    kept = {None: "true", "left": "outcome IS NULL"}.get(outcome, "outcome = :outcome")
    return await source.rows(
        f"""
        SELECT place, lead_id, outcome, code, detail FROM pipeline.bulk_items
        WHERE job_id = :id AND place > :after AND {kept} ORDER BY place LIMIT :limit""",
        id=job_id,
        after=after,
        limit=limit,
        **({"outcome": outcome} if outcome not in (None, "left") else {}),
    )


async def forget(transaction: Transaction, before: datetime) -> None:
    """Deletes jobs that ended before a moment, those that nobody else deletes just now."""
    rows = await transaction.rows(
        "SELECT job_id FROM pipeline.bulk_jobs WHERE ended_at < :before FOR UPDATE SKIP LOCKED", before=before
    )
    for table in ("bulk_items", "bulk_jobs"):
        await transaction.execute(
            f"DELETE FROM pipeline.{table} WHERE job_id = ANY(CAST(:ids AS uuid[]))",
            {"ids": as_array(row.job_id for row in rows)},
        )
