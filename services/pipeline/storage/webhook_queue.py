"""What waits to be delivered: filled from what is on the log or from the history, taken in order of each lead, settled."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from services.pipeline.domain.webhook_rules import RESTS_FROM, Key
from shared.kit.database import Database, Transaction, as_json

FILL = """
    INSERT INTO pipeline.webhook_deliveries (endpoint_id, lead_id, version, event_id, event, status, attempts, queued_at,
        next_at)
    SELECT endpoint_id, lead_id, version, event_id, event, 'waiting', 0, :now, :now
    FROM json_to_recordset(CAST(:rows AS json)) AS r(endpoint_id uuid, lead_id uuid, version integer, event_id uuid,
        event text)
    ORDER BY endpoint_id, lead_id, version ON CONFLICT DO NOTHING"""

CLAIM = f"""
    WITH followers AS (
        SELECT e.*, coalesce(b.busy, 0) AS busy,
            CAST(sum(coalesce(b.busy, 0)) OVER (PARTITION BY e.business_unit) AS integer) AS unit_busy
        FROM pipeline.webhook_endpoints e
        LEFT JOIN json_to_recordset(CAST(:busy AS json)) AS b(endpoint_id uuid, busy integer) USING (endpoint_id)
    ), listed AS (
        SELECT d.*, e.unit_busy,
            row_number() OVER (PARTITION BY e.business_unit ORDER BY e.busy + d.place, d.next_at) AS of_unit
        FROM followers e CROSS JOIN LATERAL (
            SELECT f.*, row_number() OVER (ORDER BY f.next_at) AS place FROM (
                SELECT w.endpoint_id, w.lead_id, w.version, w.next_at FROM pipeline.webhook_deliveries w
                WHERE w.endpoint_id = e.endpoint_id AND w.status = 'waiting' AND w.next_at <= :now
                    AND NOT EXISTS (SELECT FROM pipeline.webhook_deliveries f WHERE f.endpoint_id = w.endpoint_id
                        AND f.lead_id = w.lead_id AND f.version < w.version AND f.status = 'waiting')
                ORDER BY w.next_at LIMIT greatest(
                    CASE WHEN e.failures >= {RESTS_FROM} THEN 1 ELSE :of_one END - e.busy, 0)) f
        ) d
        WHERE e.state = 'live' AND (e.not_before IS NULL OR e.not_before <= :now)
    ), chosen AS (
        SELECT * FROM listed
        WHERE of_unit <= greatest((:room - unit_busy) / 2, CASE WHEN unit_busy = 0 THEN 1 ELSE 0 END)
        ORDER BY unit_busy + of_unit, next_at LIMIT :room
    ), due AS (
        SELECT w.endpoint_id, w.lead_id, w.version FROM pipeline.webhook_deliveries w
        JOIN chosen c ON w.endpoint_id = c.endpoint_id AND w.lead_id = c.lead_id AND w.version = c.version
        WHERE w.status = 'waiting' AND w.next_at <= :now FOR UPDATE OF w SKIP LOCKED
    )
    UPDATE pipeline.webhook_deliveries d SET next_at = :until, attempts = d.attempts + 1 FROM due
    WHERE d.endpoint_id = due.endpoint_id AND d.lead_id = due.lead_id AND d.version = due.version
    RETURNING d.endpoint_id, d.lead_id, d.version, d.attempts"""
"""What is due and comes first of its lead. What comes after it stays where it is until this is settled, so that a lead's
story arrives in order; an endpoint that fails is asked with one at a time. Business units take turns, and in each its endpoints,
the least busy first; none has more under way than it leaves free, so that there is room for whoever comes next."""

JUST_AFTER = "interval '1 microsecond'"

SETTLE = """
    WITH told AS (
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(endpoint_id uuid, lead_id uuid, version integer,
            attempts integer, status text, next_at timestamptz, last_status integer, last_error text)
    ), held AS (
        SELECT d.endpoint_id, d.lead_id, d.version FROM pipeline.webhook_deliveries d
        JOIN told r USING (endpoint_id, lead_id, version)
        WHERE d.status = 'waiting' AND (d.attempts = r.attempts OR r.status = 'delivered')
        ORDER BY d.endpoint_id, d.lead_id, d.version FOR UPDATE OF d
    )
    UPDATE pipeline.webhook_deliveries d SET status = r.status, next_at = coalesce(r.next_at, d.next_at),
        settled_at = CASE WHEN r.status <> 'waiting' THEN CAST(:now AS timestamptz) END,
        last_status = r.last_status, last_error = r.last_error
    FROM held JOIN told r USING (endpoint_id, lead_id, version)
    WHERE d.endpoint_id = held.endpoint_id AND d.lead_id = held.lead_id AND d.version = held.version"""
"""Only whoever took a delivery last says what became of it, and once; that it was taken says whoever knows. In the order of all
who write deliveries."""

ANSWERED = """
    UPDATE pipeline.webhook_endpoints e SET failures = CASE WHEN r.taken THEN 0 ELSE e.failures + r.failed END,
        failing_since = CASE WHEN NOT r.taken THEN coalesce(e.failing_since, :now) END,
        succeeded_at = CASE WHEN r.taken THEN :now ELSE e.succeeded_at END,
        not_before = greatest(r.rest_until, CASE WHEN NOT r.taken THEN e.not_before END)
    FROM json_to_recordset(CAST(:rows AS json)) AS r(endpoint_id uuid, taken boolean, failed integer, rest_until timestamptz)
    WHERE e.endpoint_id = r.endpoint_id"""

MISSED = f"""
    WITH held AS (
        SELECT e.endpoint_id, r.first, r.last FROM pipeline.webhook_endpoints e
        JOIN json_to_recordset(CAST(:rows AS json)) AS r(endpoint_id uuid, first timestamptz, last timestamptz)
            USING (endpoint_id)
        ORDER BY e.endpoint_id FOR UPDATE OF e
    )
    UPDATE pipeline.webhook_endpoints e SET
        missed_since = CASE WHEN e.state <> 'live' THEN least(e.missed_since, r.first) END,
        missed_until = CASE WHEN e.state <> 'live' THEN greatest(e.missed_until, r.last) END,
        replay_from = CASE WHEN e.state = 'live' THEN least(e.replay_from, r.first) ELSE e.replay_from END,
        replay_until = CASE WHEN e.state = 'live' THEN greatest(e.replay_until, r.last + {JUST_AFTER})
            ELSE e.replay_until END
    FROM held r WHERE e.endpoint_id = r.endpoint_id"""
"""What was passed over. An endpoint that was enabled since it was looked at is told again at once: whoever enabled it could not
know of this."""

REPLAY = """
    WITH again AS (
        INSERT INTO pipeline.webhook_deliveries AS d (endpoint_id, lead_id, version, event_id, event, status, attempts,
            queued_at, next_at)
        SELECT :endpoint_id, h.lead_id, h.version, h.event_id, h.event, 'waiting', 0, :now, :now
        FROM pipeline.history h JOIN pipeline.leads l USING (lead_id)
        WHERE h.recorded_at >= :since AND h.recorded_at < :until AND l.business_unit = :unit
            AND (:every OR h.event = ANY(:events)) AND (:historical OR NOT h.data ? 'historical')
        ORDER BY h.lead_id, h.version
        ON CONFLICT (endpoint_id, lead_id, version) DO UPDATE SET status = 'waiting', attempts = 0, queued_at = :now,
            next_at = :now, settled_at = NULL WHERE d.status <> 'waiting'
        RETURNING 1)
    SELECT count(*) AS n FROM again"""

EVENTS = """
    SELECT h.lead_id, h.version, h.event, h.event_id, h.occurred_at, h.recorded_at, h.correlation_id, h.causation_id, h.data,
        l.business_unit, l.root_id
    FROM json_to_recordset(CAST(:rows AS json)) AS r(lead_id uuid, version integer)
    JOIN pipeline.history h USING (lead_id, version) JOIN pipeline.leads l USING (lead_id)"""


async def stand_alone(transaction: Transaction, work: Literal["feed", "replay"]) -> bool:
    """Whether this transaction gives out what is on the log, or what is told again; another one does otherwise."""
    (row,) = await transaction.rows(
        "SELECT pg_try_advisory_xact_lock(hashtext(:name)) AS mine", name=f"leadflow-pipeline-webhook-{work}"
    )
    return bool(row.mine)


async def is_fed(source: Database) -> bool:
    """Whether there is anything to be given out."""
    return bool(await source.rows("SELECT 1 FROM pipeline.webhook_feed LIMIT 1"))


async def feed(transaction: Transaction, limit: int) -> list[Any]:
    """What is on the log and was not given out yet, in order."""
    return await transaction.rows("SELECT id, frame FROM pipeline.webhook_feed ORDER BY id LIMIT :limit", limit=limit)


async def fed(transaction: Transaction, ids: Collection[int]) -> None:
    """It was given out."""
    await transaction.execute("DELETE FROM pipeline.webhook_feed WHERE id = ANY(:ids)", {"ids": list(ids)})


async def fill(transaction: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Queues entries for endpoints, each once."""
    await transaction.set_wise(FILL, rows, now=transaction.now)


async def missed(transaction: Transaction, times: Mapping[UUID, tuple[datetime, datetime]]) -> None:
    """Notes from when until when endpoints that are disabled were passed over: when the first and the last of it was recorded."""
    rows = [{"endpoint_id": endpoint_id, "first": one[0], "last": one[1]} for endpoint_id, one in times.items()]
    await transaction.set_wise(MISSED, rows)


async def replay(transaction: Transaction, endpoint: Any, since: datetime, until: datetime) -> int:
    """Queues once more what was recorded in a window of time."""
    (row,) = await transaction.rows(
        REPLAY,
        endpoint_id=endpoint.endpoint_id,
        unit=endpoint.business_unit,
        every=not endpoint.events,
        events=list(endpoint.events),
        historical=endpoint.historical,
        since=since,
        until=until,
        now=transaction.now,
    )
    return int(row.n)


async def replaying(source: Database | Transaction) -> Any | None:
    """An endpoint that wants to be told again what happened. It is not held: deliveries to it go on being settled meanwhile."""
    rows = await source.rows(
        """
        SELECT * FROM pipeline.webhook_endpoints WHERE replay_from IS NOT NULL AND state = 'live'
        ORDER BY updated_at LIMIT 1"""
    )
    return rows[0] if rows else None


async def replayed(transaction: Transaction, endpoint: Any, end: datetime) -> None:
    """It was told again until `end`, unless it asked for something earlier meanwhile. Whoever settles what was sent has the
    endpoint before its deliveries, and is not waited for: raises where somebody has it."""
    await transaction.execute(
        "SELECT 1 FROM pipeline.webhook_endpoints WHERE endpoint_id = :id FOR UPDATE NOWAIT",
        {"id": endpoint.endpoint_id},
    )
    await transaction.execute(
        """
        UPDATE pipeline.webhook_endpoints SET updated_at = :now,
            replay_from = CASE WHEN replay_until > :end THEN CAST(:end AS timestamptz) END,
            replay_until = CASE WHEN replay_until > :end THEN replay_until END
        WHERE endpoint_id = :id AND replay_from = :since AND state = 'live'""",
        {"id": endpoint.endpoint_id, "since": endpoint.replay_from, "end": end, "now": transaction.now},
    )


async def claim(
    transaction: Transaction, *, busy: Mapping[UUID, int], of_one: int, room: int, lease: timedelta
) -> list[Any]:
    """Takes what is due, at most `of_one` of an endpoint with those that are busy already; nobody else takes it during the
    lease."""
    return await transaction.rows(
        CLAIM,
        busy=as_json([{"endpoint_id": endpoint_id, "busy": number} for endpoint_id, number in busy.items()]),
        of_one=of_one,
        room=room,
        now=transaction.now,
        until=transaction.now + lease,
    )


async def events(transaction: Transaction, keys: Iterable[Key]) -> dict[tuple[UUID, int], dict[str, Any]]:
    """These entries as they travelled, each with `root_id`, its lead's canonical id now."""
    rows = await transaction.set_wise(EVENTS, [{"lead_id": one.lead_id, "version": one.version} for one in keys])
    found: dict[tuple[UUID, int], dict[str, Any]] = {}
    for row in rows:
        event = {
            "event": row.event,
            "event_id": row.event_id,
            "lead_id": row.lead_id,
            "business_unit": row.business_unit,
            "occurred_at": row.occurred_at,
            "recorded_at": row.recorded_at,
            "correlation_id": row.correlation_id,
            "schema_version": 1,
            "version": row.version,
            **({} if row.causation_id is None else {"causation_id": row.causation_id}),
            **row.data,
        }
        found[row.lead_id, row.version] = {"event": event, "root_id": row.root_id}
    return found


async def settle(transaction: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes down what became of deliveries."""
    await transaction.set_wise(SETTLE, rows, now=transaction.now)


async def answered(transaction: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes down how endpoints answered."""
    await transaction.set_wise(ANSWERED, rows, now=transaction.now)


async def sweep(source: Transaction, before: datetime, limit: int) -> int:
    """Forgets deliveries that were settled long ago."""
    rows = await source.rows(
        """
        DELETE FROM pipeline.webhook_deliveries WHERE (endpoint_id, lead_id, version) IN (
            SELECT d.endpoint_id, d.lead_id, d.version FROM pipeline.webhook_endpoints e CROSS JOIN LATERAL (
                SELECT * FROM pipeline.webhook_deliveries o WHERE o.endpoint_id = e.endpoint_id
                    AND o.status IN ('delivered', 'dead') AND o.settled_at < :before LIMIT :limit FOR UPDATE SKIP LOCKED) d)
        RETURNING 1""",
        before=before,
        limit=limit,
    )
    return len(rows)


async def sweep_removed(source: Transaction, before: datetime, limit: int) -> int:
    """Forgets what waited for endpoints that are removed, or of which nothing is known any more; once there is nothing, those that
    were removed before a time. Endpoints that anything waits for are found along the key, however much it is."""
    rows = await source.rows(
        """
        WITH RECURSIVE followed AS (
            (SELECT endpoint_id FROM pipeline.webhook_deliveries ORDER BY endpoint_id LIMIT 1)
            UNION ALL
            SELECT (SELECT d.endpoint_id FROM pipeline.webhook_deliveries d WHERE d.endpoint_id > f.endpoint_id
                ORDER BY d.endpoint_id LIMIT 1) FROM followed f WHERE f.endpoint_id IS NOT NULL
        )
        DELETE FROM pipeline.webhook_deliveries WHERE (endpoint_id, lead_id, version) IN (
            SELECT d.endpoint_id, d.lead_id, d.version FROM followed f JOIN pipeline.webhook_deliveries d USING (endpoint_id)
            WHERE NOT EXISTS (SELECT FROM pipeline.webhook_endpoints e
                WHERE e.endpoint_id = f.endpoint_id AND e.state <> 'removed') LIMIT :limit FOR UPDATE OF d SKIP LOCKED)
        RETURNING 1""",
        limit=limit,
    )
    if not rows:
        await source.execute(
            """
            DELETE FROM pipeline.webhook_endpoints e WHERE e.state = 'removed' AND e.updated_at < :before
                AND NOT EXISTS (SELECT FROM pipeline.webhook_deliveries d WHERE d.endpoint_id = e.endpoint_id)""",
            {"before": before},
        )
    return len(rows)


async def standing(source: Database) -> tuple[int, datetime | None, int, dict[str, int]]:
    """How much is due and waits of live endpoints, since when the first does, how much is dead, and how many endpoints there
    are by state."""
    states = await source.rows(
        """
        SELECT CASE WHEN disabled_reason <> 'by hand' THEN 'given_up' ELSE state END AS state, count(*) AS n
        FROM pipeline.webhook_endpoints WHERE state <> 'removed' GROUP BY 1"""
    )
    (row,) = await source.rows(
        """
        SELECT count(*) AS waiting, min(queued_at) AS since,
            (SELECT count(*) FROM (SELECT FROM pipeline.webhook_deliveries WHERE status = 'dead' LIMIT 10000) listed) AS dead
        FROM (SELECT d.queued_at FROM pipeline.webhook_endpoints e CROSS JOIN LATERAL (
            SELECT queued_at FROM pipeline.webhook_deliveries w
            WHERE w.endpoint_id = e.endpoint_id AND w.status = 'waiting' LIMIT 10000) d WHERE e.state = 'live') waiting"""
    )
    return row.waiting, row.since, row.dead, {one.state: one.n for one in states}
