"""Who follows by webhook: endpoints, what is known of them, and what they did not get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from services.pipeline.domain.access import Units
from services.pipeline.storage.places import of_units
from shared.kit.database import Database, Transaction

Source = Database | Transaction

RELAYED = """INSERT INTO pipeline.webhook_feed (frame)
    SELECT frame FROM sent WHERE EXISTS (SELECT FROM pipeline.webhook_endpoints) ORDER BY id"""
"""What the relay leaves here of what is on the log, where anybody follows."""

SHOWN = (
    "endpoint_id", "business_unit", "url", "events", "personal", "historical", "description", "state", "disabled_reason",
    "failures", "failing_since", "succeeded_at", "missed_since", "replay_from", "replay_until", "created_at", "updated_at",
    "created_by", "changed_by", "vouched_by", "vouched_at",
)  # fmt: skip


class By(NamedTuple):
    """Who does something to an endpoint: under which name it goes on record, and which credentials these are, as the log names
    them."""

    actor: str
    credentials: str


ITSELF = By("leadflow", "leadflow")
"""The service's own doing."""


async def add(transaction: Transaction, endpoint: Mapping[str, Any], by: By) -> bool:
    """Adds an endpoint, which goes on for whoever makes it; False where there is one of this id."""
    rows = await transaction.rows(
        """
        INSERT INTO pipeline.webhook_endpoints (endpoint_id, business_unit, url, events, personal, historical, description,
            state, secrets, failures, created_at, updated_at, created_by, changed_by, vouched_by, vouched_at)
        VALUES (:endpoint_id, :business_unit, :url, :events, :personal, :historical, :description, 'live',
            CAST(:secrets AS jsonb), 0, :now, :now, :actor, :actor, :credentials, :now)
        ON CONFLICT DO NOTHING RETURNING version""",
        **{**endpoint, "secrets": orjson.dumps(endpoint["secrets"]).decode()},
        **by._asdict(),
        now=transaction.now,
    )
    await _note(transaction, endpoint["endpoint_id"], rows, "made", by)
    return bool(rows)


async def _note(transaction: Transaction, endpoint_id: UUID, rows: Sequence[Any], what: str, by: By) -> None:
    for row in rows:
        await transaction.execute(
            """
            INSERT INTO pipeline.webhook_changes (endpoint_id, version, changed_at, what, actor, credentials)
            VALUES (:id, :version, :now, :what, :actor, :credentials)""",
            {"id": endpoint_id, "version": row.version, "now": transaction.now, "what": what, **by._asdict()},
        )


async def changes(source: Source, endpoint_id: UUID, limit: int) -> list[dict[str, Any]]:
    """What was done to an endpoint, newest first."""
    rows = await source.rows(
        """
        SELECT version, changed_at, what, actor, credentials FROM pipeline.webhook_changes
        WHERE endpoint_id = :id ORDER BY version DESC LIMIT :limit""",
        id=endpoint_id,
        limit=limit,
    )
    return [dict(row._mapping) for row in rows]


async def one(source: Source, endpoint_id: UUID, *, held: bool = False) -> Any | None:
    """An endpoint, None for one that nobody knows or that was removed; `held` for a change."""
    lock = "FOR UPDATE" if held else ""
    rows = await source.rows(
        f"SELECT * FROM pipeline.webhook_endpoints WHERE endpoint_id = :id AND state <> 'removed' {lock}",
        id=endpoint_id,
    )
    return rows[0] if rows else None


async def was_made(source: Source, endpoint_id: UUID) -> bool:
    """Whether there is an endpoint of this id, or was one that was removed."""
    return bool(
        await source.rows("SELECT 1 FROM pipeline.webhook_endpoints WHERE endpoint_id = :id LIMIT 1", id=endpoint_id)
    )


async def listing(source: Source, units: Units = None) -> list[Any]:
    """The endpoints of these units, oldest first."""
    conditions, parameters = of_units("business_unit", units)
    kept = " AND ".join([*conditions, "state <> 'removed'"])
    return await source.rows(
        f"SELECT * FROM pipeline.webhook_endpoints WHERE {kept} ORDER BY created_at, endpoint_id", **parameters
    )


async def anybody_follows(source: Source) -> bool:
    """Whether there is an endpoint that is sent anything."""
    return bool(await source.rows("SELECT 1 FROM pipeline.webhook_endpoints WHERE state = 'live' LIMIT 1"))


async def number_of(transaction: Transaction, business_unit: str) -> int:
    """How many endpoints a unit has; nobody else adds one to it before this transaction ends."""
    await transaction.rows(
        "SELECT pg_advisory_xact_lock(hashtext('leadflow-pipeline-webhooks-of'), hashtext(:unit))", unit=business_unit
    )
    rows = await transaction.rows(
        "SELECT count(*) AS n FROM pipeline.webhook_endpoints WHERE business_unit = :unit AND state <> 'removed'",
        unit=business_unit,
    )
    return int(rows[0].n)


CHANGEABLE = {
    "url": "text",
    "events": "text[]",
    "personal": "boolean",
    "historical": "boolean",
    "description": "text",
    "state": "text",
    "disabled_reason": "text",
    "failures": "integer",
    "failing_since": "timestamptz",
    "not_before": "timestamptz",
    "missed_since": "timestamptz",
    "missed_until": "timestamptz",
    "replay_from": "timestamptz",
    "replay_until": "timestamptz",
    "secrets": "jsonb",
    "vouched_by": "text",
    "vouched_at": "timestamptz",
}


async def change(transaction: Transaction, endpoint_id: UUID, values: Mapping[str, Any], what: str, by: By) -> None:
    """Changes what is named of an endpoint, and puts on record who did that."""
    said = {name: orjson.dumps(value).decode() if name == "secrets" else value for name, value in values.items()}
    assigned = "".join(f"{name} = CAST(:{name} AS {CHANGEABLE[name]}), " for name in said)
    rows = await transaction.rows(
        f"""
        UPDATE pipeline.webhook_endpoints SET {assigned} version = version + 1, changed_by = :actor, updated_at = :now
        WHERE endpoint_id = :id RETURNING version""",
        **said,
        actor=by.actor,
        now=transaction.now,
        id=endpoint_id,
    )
    await _note(transaction, endpoint_id, rows, what, by)


async def counts(source: Source, endpoint_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """How much waits for each endpoint and since when, and how much is dead; no more than 10,000 of each are counted."""
    rows = await source.rows(
        """
        SELECT e.endpoint_id,
            (SELECT count(*) FROM (SELECT FROM pipeline.webhook_deliveries d WHERE d.endpoint_id = e.endpoint_id
                AND d.status = 'waiting' LIMIT 10000) listed) AS waiting,
            (SELECT count(*) FROM (SELECT FROM pipeline.webhook_deliveries d WHERE d.endpoint_id = e.endpoint_id
                AND d.status = 'dead' LIMIT 10000) listed) AS dead,
            (SELECT min(queued_at) FROM (SELECT queued_at FROM pipeline.webhook_deliveries d
                WHERE d.endpoint_id = e.endpoint_id AND d.status = 'waiting' LIMIT 10000) listed) AS waiting_since
        FROM unnest(CAST(:ids AS uuid[])) AS e(endpoint_id)""",
        ids=list(endpoint_ids),
    )
    return {
        row.endpoint_id: {"waiting": row.waiting, "dead": row.dead, "waiting_since": row.waiting_since} for row in rows
    }


class DeliveryPlace(NamedTuple):
    """Where a listing goes on: after this delivery. Many have one moment, and several one event: of two endpoints, or of each id of
    a person."""

    queued_at: datetime
    event_id: UUID
    endpoint_id: UUID
    lead_id: UUID
    version: int


PLACE = ", ".join(f"d.{column}" for column in DeliveryPlace._fields)


async def deliveries(
    source: Source,
    *,
    units: Units,
    endpoint_id: UUID | None,
    status: str,
    after: DeliveryPlace | None,
    limit: int,
) -> list[Any]:
    """A page of deliveries, those that came last first: the latest of each endpoint, a stretch of an index each."""
    conditions, parameters = of_units("e.business_unit", units)
    parameters |= {"status": status, "limit": limit}
    if endpoint_id is not None:
        conditions.append("e.endpoint_id = :endpoint_id")
        parameters["endpoint_id"] = endpoint_id
    before = ""
    if after is not None:
        before = f"AND ({PLACE}) < (:after_at, :after_event, :after_endpoint, :after_lead, :after_version)"
        parameters |= {
            "after_at": after.queued_at,
            "after_event": after.event_id,
            "after_endpoint": after.endpoint_id,
            "after_lead": after.lead_id,
            "after_version": after.version,
        }
    latest_first = ", ".join(f"{column} DESC" for column in PLACE.split(", "))
    return await source.rows(
        f"""
        SELECT d.* FROM pipeline.webhook_endpoints e CROSS JOIN LATERAL (
            SELECT * FROM pipeline.webhook_deliveries d WHERE d.endpoint_id = e.endpoint_id AND d.status = :status {before}
            ORDER BY {latest_first} LIMIT :limit) d
        WHERE {" AND ".join(["true", *conditions])} ORDER BY {latest_first} LIMIT :limit""",
        **parameters,
    )


async def revive(transaction: Transaction, endpoint_id: UUID, event_ids: Sequence[UUID] | None) -> int:
    """Lets dead deliveries be tried again from the beginning: those of these events, or all."""
    rows = await transaction.rows(
        """
        WITH held AS (
            SELECT endpoint_id, lead_id, version FROM pipeline.webhook_deliveries
            WHERE endpoint_id = :id AND status = 'dead'
                AND (CAST(:events AS uuid[]) IS NULL OR event_id = ANY(CAST(:events AS uuid[])))
            ORDER BY endpoint_id, lead_id, version FOR UPDATE
        )
        UPDATE pipeline.webhook_deliveries d SET status = 'waiting', attempts = 0, next_at = :now, queued_at = :now,
            settled_at = NULL
        FROM held h WHERE (d.endpoint_id, d.lead_id, d.version) = (h.endpoint_id, h.lead_id, h.version) RETURNING 1""",
        id=endpoint_id,
        events=None if event_ids is None else list(event_ids),
        now=transaction.now,
    )
    return len(rows)
