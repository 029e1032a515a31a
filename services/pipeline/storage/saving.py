"""What a transaction writes once everything is decided, set-wise, in one fixed order."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import orjson

from services.pipeline.domain.activities import ACTIVITY_EVENTS
from services.pipeline.domain.deal_state import DEAL_EVENTS
from services.pipeline.domain.follow_up import TASK_EVENTS
from services.pipeline.domain.ledger import Lead, Ledger
from services.pipeline.domain.order_state import ORDER_EVENTS
from services.pipeline.storage import activities, orders, tasks, worklist
from services.pipeline.storage.rows import (
    LEAD_COLUMNS,
    changes,
    deal_row,
    held_in,
    history_row,
    lead_row,
    published,
    words_of,
)
from shared.contracts.topics import PIPELINE_LIFECYCLE
from shared.kit.database import RacedWrite, Transaction
from shared.kit.records import Record

_TYPES = ", ".join(f"{name} {kind}" for name, kind in LEAD_COLUMNS.items())
_CHANGES = ", ".join(
    f"{name} = r.{name}" for name in LEAD_COLUMNS if name not in ("lead_id", "business_unit", "personal")
)

UPDATE_LEADS = f"""
    UPDATE pipeline.leads AS l SET {_CHANGES}, updated_at = :now,
        personal = coalesce(r.personal, l.personal), words = coalesce(CAST(r.words AS tsvector), l.words)
    FROM json_to_recordset(CAST(:rows AS json)) AS r({_TYPES}, words text) WHERE l.lead_id = r.lead_id"""

HISTORY_COLUMNS = (
    "lead_id", "event_id", "version", "event", "occurred_at", "recorded_at", "correlation_id", "causation_id",
    "fingerprint", "data",
)  # fmt: skip

UPSERT_DEALS = """
    INSERT INTO pipeline.opportunities (business_unit, opportunity_id, lead_id, pipeline, stage, status, amount, currency,
        product, owner, team, opened_at, closed_at, expected_close, reason, updated_at)
    SELECT business_unit, opportunity_id, lead_id, pipeline, stage, status, amount, currency,
        product, owner, team, opened_at, closed_at, expected_close, reason, :now
    FROM json_to_recordset(CAST(:rows AS json)) AS r(business_unit text, opportunity_id text, lead_id uuid, pipeline text,
        stage text, status text, amount text, currency text, product text, owner text, team text, opened_at timestamptz,
        closed_at timestamptz, expected_close timestamptz, reason text)
    ON CONFLICT (business_unit, opportunity_id) DO UPDATE SET (lead_id, pipeline, stage, status, amount, currency, product,
        owner, team, opened_at, closed_at, expected_close, reason, updated_at) = (excluded.lead_id, excluded.pipeline,
        excluded.stage, excluded.status, excluded.amount, excluded.currency, excluded.product, excluded.owner,
        excluded.team, excluded.opened_at, excluded.closed_at, excluded.expected_close, excluded.reason, excluded.updated_at)
    WHERE opportunities.lead_id = ANY(CAST(:held AS uuid[])) RETURNING 1"""
"""Only over a deal of the leads that are held: a deal of another lead was opened at the same moment."""

INSERT_WAITING = """
    INSERT INTO pipeline.waiting (lead_id, event_id, topic, partition, record_offset, record_timestamp, value, recorded_at,
        fingerprint)
    SELECT lead_id, event_id, topic, partition, record_offset, record_timestamp, decode(value, 'base64'), :now, fingerprint
    FROM json_to_recordset(CAST(:rows AS json)) AS r(lead_id uuid, event_id uuid, topic text, partition integer,
        record_offset bigint, record_timestamp timestamptz, value text, fingerprint text)
    ORDER BY lead_id, topic, partition, record_offset ON CONFLICT DO NOTHING RETURNING lead_id, event_id"""

INSERT_WAITING_IDENTITIES = """
    INSERT INTO pipeline.waiting_identities (token, lead_id, event_id)
    SELECT token, lead_id, event_id
    FROM json_to_recordset(CAST(:rows AS json)) AS r(token text, lead_id uuid, event_id uuid)
    ORDER BY lead_id, event_id, token ON CONFLICT DO NOTHING"""

DELETE_WAITING = """
    WITH taken AS (SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(lead_id uuid, event_id uuid)),
    names AS (DELETE FROM pipeline.waiting_identities w USING taken t
        WHERE w.lead_id = t.lead_id AND w.event_id = t.event_id)
    DELETE FROM pipeline.waiting w USING taken t WHERE w.lead_id = t.lead_id AND w.event_id = t.event_id"""

INSERT_APART = """
    INSERT INTO pipeline.never_merge (lead_id, other_id, recorded_at)
    SELECT lead_id, other_id, :now FROM json_to_recordset(CAST(:rows AS json)) AS r(lead_id uuid, other_id uuid)
    ON CONFLICT DO NOTHING"""

DELETE_APART = """
    DELETE FROM pipeline.never_merge n
    USING json_to_recordset(CAST(:rows AS json)) AS r(lead_id uuid, other_id uuid)
    WHERE n.lead_id = r.lead_id AND n.other_id = r.other_id"""


async def save(transaction: Transaction, ledger: Ledger) -> None:
    """Writes every lead that changed and every new fact, and announces the facts in the order they were recorded.

    Raises `RacedWrite` where another process wrote the same lead, fact or deal first.
    """
    now = transaction.now
    changed = ledger.changed()
    leads = [(lead, lead_row(lead)) for lead in changed]
    new = [(*row, now, words_of(lead) or "") for lead, row in leads if not lead.stored]
    await transaction.copy("pipeline.leads", (*LEAD_COLUMNS, "updated_at", "words"), new)
    entries = [(entry, orjson.dumps(entry.fact.data)) for entry in ledger.entries]
    happened = {entry.fact.event for entry in ledger.entries}
    await transaction.copy(
        "pipeline.history", HISTORY_COLUMNS, [history_row(entry, now, data) for entry, data in entries]
    )
    asides = [
        (e.lead.lead_id, e.fact.event_id, orjson.dumps(e.draft.aside).decode()) for e, _ in entries if e.draft.aside
    ]
    await transaction.copy("pipeline.asides", ("lead_id", "event_id", "said"), asides)
    known = [changes(lead, row) for lead, row in leads if lead.stored]
    await transaction.set_wise(UPDATE_LEADS, known, now=now)
    await worklist.keep(transaction, [(lead, held_in(row)) for lead, row in leads])
    if not happened.isdisjoint(TASK_EVENTS):
        await tasks.keep(transaction, ledger.entries)
    if not happened.isdisjoint(ACTIVITY_EVENTS):
        await activities.keep(transaction, ledger.entries)
    deals = _deals(ledger, changed) if not happened.isdisjoint(DEAL_EVENTS) else []
    held = [lead.lead_id for lead in ledger] if deals else []
    if len(await transaction.set_wise(UPSERT_DEALS, deals, now=now, held=held)) != len(deals):
        raise RacedWrite
    await transaction.set_wise(INSERT_APART, _both_ways(ledger.newly_apart), now=now)
    await transaction.set_wise(DELETE_APART, _both_ways(ledger.reconciled))
    if not happened.isdisjoint(ORDER_EVENTS):
        await orders.keep(transaction, ledger, changed)
    topic = PIPELINE_LIFECYCLE.name
    names = {lead.lead_id.int: str(lead.lead_id) for lead in changed}
    for entry, data in entries:
        transaction.announce(topic, names[entry.lead.lead_id.int], published(entry, now, data))


async def keep_waiting(
    transaction: Transaction, records: Sequence[tuple[UUID, UUID, Sequence[str], Record, str | None]]
) -> set[tuple[UUID, UUID]]:
    """Stores records, given as (lead id, event id, identity tokens, record, fingerprint), until their lead is known.

    Answers with those that were not waiting already.
    """
    rows = [
        {
            "lead_id": lead_id,
            "event_id": event_id,
            "topic": record.topic,
            "partition": record.partition,
            "record_offset": record.offset,
            "record_timestamp": record.timestamp,
            "value": base64.b64encode(record.value).decode(),
            "fingerprint": fingerprint,
        }
        for lead_id, event_id, _, record, fingerprint in records
    ]
    stored = await transaction.set_wise(INSERT_WAITING, rows, now=transaction.now)
    names = [
        {"token": token, "lead_id": lead_id, "event_id": event_id}
        for lead_id, event_id, tokens, _, _ in records
        for token in tokens
    ]
    await transaction.set_wise(INSERT_WAITING_IDENTITIES, names)
    return {(row.lead_id, row.event_id) for row in stored}


async def stop_waiting(transaction: Transaction, taken: Iterable[tuple[UUID, UUID]]) -> None:
    """Forgets waiting records that were taken up."""
    rows = [{"lead_id": lead_id, "event_id": event_id} for lead_id, event_id in sorted(taken)]
    await transaction.set_wise(DELETE_WAITING, rows)


def _deals(ledger: Ledger, changed: Iterable[Lead]) -> list[dict[str, Any]]:
    touched = {entry.fact.data["opportunity_id"] for entry in ledger.entries if entry.fact.event in DEAL_EVENTS}
    rows = {}
    for lead in changed:
        for name, deal in lead.state.deals.items():
            if name in touched and not lead.is_merged:
                rows[lead.business_unit, name] = deal_row(deal, lead.business_unit)
    return [rows[key] for key in sorted(rows)]


def _both_ways(pairs: Iterable[frozenset[UUID]]) -> list[dict[str, UUID]]:
    rows = []
    for one, other in (sorted(pair) for pair in pairs):
        rows += [{"lead_id": one, "other_id": other}, {"lead_id": other, "other_id": one}]
    return rows
