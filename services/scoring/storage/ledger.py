"""The ledger of touches: what leads did, and for whom it counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from services.scoring.domain import Attachment, Place, Touch
from shared.kit.database import Transaction, as_array

TOUCH_COLUMNS = (
    "occurred_at", "channel", "kind", "email", "phone", "company", "job_title", "country", "language", "source", "product",
    "campaign", "consents", "attributes", "value", "direction", "outcome", "duration_seconds",
    "retracts", "medium",
)  # fmt: skip

KNOWN_TOUCHES = """
    SELECT lead_id, event_id, touch.lead_id IS NOT NULL AS kept, known.attached_to, known.known_at
    FROM unnest(CAST(:leads AS uuid[]), CAST(:events AS uuid[])) AS new (lead_id, event_id)
    LEFT JOIN scoring.touches touch USING (lead_id, event_id)
    LEFT JOIN scoring.attachments known USING (lead_id, event_id)"""

LEDGERS = f"""
    SELECT lead_id AS counts_for, lead_id, event_id, {", ".join(TOUCH_COLUMNS)}, mark FROM scoring.touches
    WHERE lead_id = ANY(CAST(:ids AS uuid[])) AND attached_to IS NULL
    UNION ALL
    SELECT attached_to, lead_id, event_id, {", ".join(TOUCH_COLUMNS)}, mark FROM scoring.touches
    WHERE attached_to = ANY(CAST(:ids AS uuid[]))"""


async def add_attachments(tx: Transaction, attachments: Mapping[Place, Attachment]) -> set[Place]:
    """Writes for which other lead touches count and answers what of it was not known. A touch that is not in the ledger
    yet finds it there. Of that lead a touch is known from when both were."""
    added = await tx.set_wise(
        """
        WITH added AS (
            INSERT INTO scoring.attachments (lead_id, event_id, attached_to, known_at)
            SELECT lead_id, event_id, attached_to, known_at FROM json_to_recordset(CAST(:rows AS json))
                AS new (lead_id uuid, event_id uuid, attached_to uuid, known_at timestamptz)
            ORDER BY lead_id, event_id
            ON CONFLICT DO NOTHING RETURNING lead_id, event_id, attached_to, known_at
        ), attached AS (
            UPDATE scoring.touches SET attached_to = added.attached_to,
                known_at = greatest(touches.known_at, added.known_at) FROM added
            WHERE touches.lead_id = added.lead_id AND touches.event_id = added.event_id
        )
        SELECT lead_id, event_id FROM added
        """,
        [
            {"lead_id": lead_id, "event_id": event_id, "attached_to": one.lead_id, "known_at": one.known_at}
            for (lead_id, event_id), one in attachments.items()
        ],
    )
    return {(row.lead_id, row.event_id) for row in added}


async def add_touches(
    tx: Transaction, touches: Mapping[Place, Touch], doubtful: Collection[Place]
) -> dict[Place, UUID]:
    """Writes touches and answers which of them the ledger did not have, each with the lead it counts for. Only of the
    `doubtful` ones something can be known already: the others are of leads nobody has met."""
    owners = {place: place[0] for place in touches}
    known: dict[Place, datetime] = {}
    if doubtful:
        leads, events = (as_array(ids) for ids in zip(*doubtful, strict=True))
        for row in await tx.rows(KNOWN_TOUCHES, leads=leads, events=events):
            if row.kept:
                del owners[row.lead_id, row.event_id]
            elif row.attached_to is not None:
                owners[row.lead_id, row.event_id] = row.attached_to
                known[row.lead_id, row.event_id] = row.known_at
    await tx.copy(
        "scoring.touches",
        ("lead_id", "event_id", *TOUCH_COLUMNS, "attached_to", "known_at", "historical", "mark"),
        [_touch_row(touches[place], owners[place], known.get(place)) for place in sorted(owners, key=_by_number)],
    )
    return owners


def _by_number(place: Place) -> tuple[int, int]:
    """One order for everybody: two processes that make the same rows wait for each other instead of deadlocking."""
    return place[0].int, place[1].int


async def ledgers(tx: Transaction, leads: Collection[UUID]) -> dict[UUID, list[Touch]]:
    """All touches that count for the leads named, by lead."""
    if not leads:
        return {}
    found: dict[UUID, list[Touch]] = {}
    for row in await tx.rows(LEDGERS, ids=as_array(leads)):
        values: tuple[Any, ...] = tuple(row)
        one = Touch(*values[1:-1])
        found.setdefault(values[0], []).append(one if values[-1] is None else one._replace(mark=values[-1]))
    return found


def _touch_row(touch: Touch, owner: UUID, owner_known_at: datetime | None) -> tuple[Any, ...]:
    known_at = touch.known_at
    if known_at is not None and owner_known_at is not None:
        known_at = max(known_at, owner_known_at)
    return (
        touch.lead_id, touch.event_id, touch.occurred_at, touch.channel, touch.kind, touch.email, touch.phone,
        touch.company, touch.job_title, touch.country, touch.language, touch.source, touch.product, touch.campaign,
        _json(touch.consents), _json(touch.attributes), touch.value, touch.direction,
        touch.outcome, touch.duration_seconds, touch.retracts, touch.medium,
        None if owner == touch.lead_id else owner, known_at, touch.historical, touch.mark,
    )  # fmt: skip


def _json(document: Mapping[str, Any] | None) -> str | None:
    return None if document is None else orjson.dumps(document).decode()
