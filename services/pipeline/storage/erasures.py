"""Erasures: who was erased, what is found of somebody, and the statements that forget it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row

from services.pipeline.domain.erasure import Erased, Extension
from shared.contracts.erasure_events import ErasureOrdered
from shared.contracts.identity import derived_event_id, lead_id_text
from shared.contracts.personal import without_person
from shared.contracts.topics import CAPTURE_LEADS, PIPELINE_ERASURES
from shared.kit.database import Database, Transaction, as_array, as_json
from shared.kit.records import content_of

Source = Database | Transaction


async def stand_beside(transaction: Transaction) -> None:
    """Lets erasures wait until this transaction has ended, so that what it reads of them now stays true. To come before
    any lock on leads."""
    await transaction.execute("SELECT pg_advisory_xact_lock_shared(hashtext('leadflow-pipeline-erasures'))")


async def stand_alone(transaction: Transaction) -> None:
    """Waits until nobody records, and lets nobody begin before this transaction has ended."""
    await transaction.execute("SELECT pg_advisory_xact_lock(hashtext('leadflow-pipeline-erasures'))")


async def erased(source: Source, names: Iterable[str]) -> dict[str, Erased]:
    """Which of these names are of somebody who was erased, and up to when."""
    rows = await source.rows(
        """
        SELECT name, until, erasure_id FROM pipeline.erased
        WHERE name = ANY(ARRAY(SELECT json_array_elements_text(CAST(:names AS json))))""",
        names=as_json(list(dict.fromkeys(names))),
    )
    return {row.name: Erased(row.until, row.erasure_id) for row in rows}


async def mark(transaction: Transaction, names: Collection[str], by: Erased) -> set[str]:
    """Remembers that these names are erased; which of them were not, or not up to then."""
    rows = await transaction.rows(
        """
        INSERT INTO pipeline.erased AS e (name, until, erasure_id)
        SELECT name, :until, :erasure_id FROM json_array_elements_text(CAST(:names AS json)) AS name ORDER BY name
        ON CONFLICT (name) DO UPDATE SET until = excluded.until, erasure_id = excluded.erasure_id
        WHERE e.until < excluded.until RETURNING name""",
        names=as_json(sorted(names)),
        until=by.until,
        erasure_id=by.erasure_id,
    )
    return {row.name for row in rows}


async def units(source: Source) -> list[str]:
    """The business units in which anybody is known, found along the index."""
    rows = await source.rows(
        """
        WITH RECURSIVE unit AS (
            (SELECT business_unit AS name FROM pipeline.leads ORDER BY business_unit LIMIT 1)
            UNION ALL
            SELECT (SELECT business_unit FROM pipeline.leads l WHERE l.business_unit > unit.name
                ORDER BY business_unit LIMIT 1) FROM unit WHERE unit.name IS NOT NULL
        )
        SELECT name FROM unit WHERE name IS NOT NULL"""
    )
    return [row.name for row in rows]


async def owners(source: Source, names: Collection[str]) -> set[UUID]:
    """Which leads own identities of these tokens, or have one of these ids."""
    rows = await source.rows(
        """
        SELECT lead_id FROM pipeline.identities WHERE token = ANY(CAST(:names AS text[]))
        UNION SELECT lead_id FROM pipeline.leads WHERE lead_id = ANY(CAST(:ids AS uuid[]))""",
        names=list(names),
        ids=as_array(_ids(names)),
    )
    return {row.lead_id for row in rows}


async def groups(source: Source, lead_ids: Collection[UUID]) -> set[UUID]:
    """Everybody who is one person with one of these leads."""
    rows = await source.rows(
        """
        SELECT lead_id FROM pipeline.leads WHERE root_id IN
            (SELECT root_id FROM pipeline.leads WHERE lead_id = ANY(CAST(:ids AS uuid[])))""",
        ids=as_array(lead_ids),
    )
    return {row.lead_id for row in rows}


async def names_of(source: Source, lead_ids: Collection[UUID]) -> set[str]:
    """Under what these leads are known: their ids, their identities' tokens, and the ids of visitors they turned out to be."""
    rows = await source.rows(
        """
        SELECT token AS name FROM pipeline.identities WHERE lead_id = ANY(CAST(:ids AS uuid[]))
        UNION SELECT data ->> 'recorded_under' FROM pipeline.history
        WHERE lead_id = ANY(CAST(:ids AS uuid[])) AND data ? 'recorded_under'""",
        ids=as_array(lead_ids),
    )
    return {str(lead_id) for lead_id in lead_ids} | {row.name for row in rows}


async def unjoined(source: Source, names: Collection[str]) -> set[str]:
    """Lead ids under which interactions of these names are recorded, or may be, though nobody is known by them: a visitor
    who never became a lead is known to others by such an id alone."""
    made = [lead_id_text(name) for name in names if len(name) != 36]
    rows = await source.rows(
        """
        SELECT CAST(lead_id AS text) AS name FROM (
            SELECT unnest(CAST(:made AS uuid[])) AS lead_id
            UNION SELECT lead_id FROM pipeline.waiting_identities WHERE token = ANY(CAST(:names AS text[]))
        ) visits WHERE NOT EXISTS (SELECT FROM pipeline.leads l WHERE l.lead_id = visits.lead_id)""",
        made=made,
        names=list(names),
    )
    return {row.name for row in rows}


async def forget_asides(transaction: Transaction, lead_ids: Collection[UUID]) -> int:
    """Deletes the notes and proofs of these leads; how many there were."""
    rows = await transaction.rows(
        "DELETE FROM pipeline.asides WHERE lead_id = ANY(CAST(:ids AS uuid[])) RETURNING 1", ids=as_array(lead_ids)
    )
    return len(rows)


WAITING_OF = """
    SELECT w.lead_id, w.event_id, w.value FROM pipeline.waiting w
    WHERE w.topic = :topic AND w.fingerprint IS NULL AND (w.lead_id = ANY(CAST(:ids AS uuid[])) OR EXISTS (
        SELECT FROM pipeline.waiting_identities t WHERE t.lead_id = w.lead_id AND t.event_id = w.event_id
            AND t.token = ANY(CAST(:names AS text[]))))
    ORDER BY w.lead_id, w.event_id"""


async def waiting_of(source: Source, names: Collection[str], until: datetime | None = None) -> Sequence[Row[Any]]:
    """What waits under these names as it came, recorded up to a moment."""
    rows = await source.rows(WAITING_OF, topic=CAPTURE_LEADS.name, ids=as_array(_ids(names)), names=list(names))
    return [row for row in rows if until is None or _recorded_at(row.value) <= until]


async def waiting_since(source: Source, before: datetime, limit: int) -> Sequence[Row[Any]]:
    """What has waited as it came since before a moment, held; what somebody else has is left to them."""
    return await source.rows(
        """
        SELECT lead_id, event_id, value FROM pipeline.waiting
        WHERE topic = :topic AND fingerprint IS NULL AND recorded_at < :before
        ORDER BY recorded_at LIMIT :limit FOR UPDATE SKIP LOCKED""",
        topic=CAPTURE_LEADS.name,
        before=before,
        limit=limit,
    )


async def strip_waiting(transaction: Transaction, rows: Sequence[tuple[UUID, UUID, bytes, str]]) -> None:
    """Leaves of what waits, given as (lead id, event id, value, fingerprint), only what happened. The fingerprint of all that
    it said stays, so that the same event is recognised when it comes again."""
    for lead_id, event_id, value, fingerprint in rows:
        await transaction.execute(
            """
            UPDATE pipeline.waiting SET value = :value, fingerprint = :fingerprint
            WHERE lead_id = :lead_id AND event_id = :event_id""",
            {
                "lead_id": lead_id,
                "event_id": event_id,
                "value": without_person(value) or b"{}",
                "fingerprint": fingerprint,
            },
        )


async def held(source: Source, names: Collection[str], until: datetime | None = None) -> dict[str, int]:
    """How much of somebody is held now, by what it is. With a moment: of leads that were not erased up to it. What is known
    of one that was, was said afterwards."""
    (row,) = await source.rows(
        """
        WITH asked AS (
            SELECT l.lead_id, l.personal FROM pipeline.leads l WHERE l.lead_id = ANY(CAST(:ids AS uuid[]))
                AND NOT EXISTS (SELECT FROM pipeline.erased e WHERE e.name = CAST(l.lead_id AS text)
                    AND e.until >= CAST(:until AS timestamptz))
        )
        SELECT (SELECT count(*) FROM asked WHERE personal <> '{}') AS leads,
            (SELECT count(*) FROM pipeline.asides JOIN asked USING (lead_id)) AS notes_and_proofs""",
        ids=as_array(_ids(names)),
        until=until,
    )
    return {"leads": int(row.leads), "notes_and_proofs": int(row.notes_and_proofs)}


async def identities(source: Source, lead_ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """By what these leads are recognised, as keyed hashes."""
    return await source.rows(
        """
        SELECT business_unit, kind, token, lead_id FROM pipeline.identities
        WHERE lead_id = ANY(CAST(:ids AS uuid[])) ORDER BY business_unit, kind, token""",
        ids=as_array(lead_ids),
    )


async def erasures_of(source: Source, names: Collection[str]) -> Sequence[Row[Any]]:
    """The erasures that hold for these names."""
    return await source.rows(
        """
        SELECT * FROM pipeline.erasures WHERE erasure_id IN
            (SELECT erasure_id FROM pipeline.erased WHERE name = ANY(CAST(:names AS text[]))) ORDER BY until""",
        names=list(names),
    )


async def record(
    transaction: Transaction, order: ErasureOrdered, lead_ids: Collection[UUID], counts: dict[str, int]
) -> None:
    """Puts an erasure on record, or adds to it what more was found."""
    await transaction.execute(
        """
        INSERT INTO pipeline.erasures AS e (erasure_id, until, recorded_at, actor, reason, lead_ids, erased)
        VALUES (:erasure_id, :until, :now, :actor, :reason, CAST(:lead_ids AS uuid[]), CAST(:erased AS jsonb))
        ON CONFLICT (erasure_id) DO UPDATE SET
            lead_ids = ARRAY(SELECT DISTINCT unnest(e.lead_ids || excluded.lead_ids) ORDER BY 1),
            erased = (SELECT jsonb_object_agg(key, coalesce(CAST(e.erased ->> key AS int), 0) + CAST(value AS int))
                FROM jsonb_each_text(excluded.erased))""",
        {
            "erasure_id": order.erasure_id,
            "until": order.until,
            "now": transaction.now,
            "actor": order.actor,
            "reason": order.reason,
            "lead_ids": as_array(sorted(lead_ids)),
            "erased": orjson.dumps(counts).decode(),
        },
    )


async def announce(
    transaction: Transaction, order: ErasureOrdered, lead_ids: Iterable[UUID], tokens: Iterable[str]
) -> None:
    """Tells everybody, this service too, under which names the person is known."""
    ids, words = tuple(sorted(lead_ids)), tuple(sorted(tokens))
    what = f"ErasureOrdered:{ids}:{words}"
    told = order.model_copy(
        update={
            "event_id": derived_event_id(order.erasure_id, what),
            "recorded_at": transaction.now,
            "lead_ids": ids,
            "tokens": words,
        }
    )
    transaction.announce(PIPELINE_ERASURES.name, str(told.lead_id), told.to_json())


async def extend(transaction: Transaction, extensions: Sequence[Extension]) -> None:
    """Orders once more what was ordered, for names that turned out to be of the same people."""
    for one in extensions:
        for row in await erasures(transaction, erasure_id=one.by.erasure_id):
            await announce(transaction, order_of(row), one.lead_ids, one.tokens)


async def erasures(
    source: Source, *, erasure_id: UUID | None = None, before: tuple[datetime, UUID] | None = None, limit: int = 100
) -> list[Row[Any]]:
    """Erasures, newest first, or the one of an id."""
    conditions, parameters = ["true"], dict[str, Any]()
    if erasure_id is not None:
        conditions.append("erasure_id = :erasure_id")
        parameters["erasure_id"] = erasure_id
    if before is not None:
        conditions.append("(until, erasure_id) < (:before, :before_id)")
        parameters |= {"before": before[0], "before_id": before[1]}
    return await source.rows(
        f"""
        SELECT * FROM pipeline.erasures WHERE {" AND ".join(conditions)} ORDER BY until DESC, erasure_id DESC LIMIT :limit""",
        limit=limit,
        **parameters,
    )


async def names_erased(source: Source, erasure_id: UUID) -> set[str]:
    """Under which names an erasure holds."""
    rows = await source.rows("SELECT name FROM pipeline.erased WHERE erasure_id = :id", id=erasure_id)
    return {row.name for row in rows}


def order_of(row: Row[Any]) -> ErasureOrdered:
    """An erasure on record as the order it was."""
    first = row.lead_ids[0] if row.lead_ids else row.erasure_id
    return ErasureOrdered(
        event_id=row.erasure_id,
        erasure_id=row.erasure_id,
        lead_id=first,
        business_unit="all",
        occurred_at=row.until,
        recorded_at=row.recorded_at,
        correlation_id=row.erasure_id,
        until=row.until,
        actor=row.actor,
        reason=row.reason,
    )


def _ids(names: Collection[str]) -> list[UUID]:
    return [UUID(name) for name in names if len(name) == 36]


def _recorded_at(value: bytes) -> datetime:
    said = datetime.fromisoformat(content_of(bytes(value))["recorded_at"])
    return said if said.tzinfo is not None else said.replace(tzinfo=UTC)
