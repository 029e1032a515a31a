"""Activities: made of the facts of a transaction, read page by page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.pipeline.domain.access import Units
from services.pipeline.domain.activities import Activity, activities_of
from services.pipeline.domain.ledger import Entry
from services.pipeline.storage.narrowing import ACTIVITIES, narrowed
from services.pipeline.storage.places import OF_LEAD, of_units
from shared.kit.database import Database, Transaction

END = """
    UPDATE pipeline.activities a SET outcome = r.outcome
    FROM json_to_recordset(CAST(:rows AS json)) AS r(event_id uuid, outcome text) WHERE a.event_id = r.event_id"""


class ActivityPlace(NamedTuple):
    """Where a listing goes on: after this activity. It happened when it happened, so a page has none twice."""

    occurred_at: datetime
    event_id: UUID
    lead_id: UUID


class Found(NamedTuple):
    """An activity as the API shows it, and where it stands."""

    place: ActivityPlace
    document: dict[str, Any]


async def keep(transaction: Transaction, entries: Iterable[Entry]) -> None:
    """Brings the activities up to the facts that were recorded."""
    done, ended = activities_of(entries)
    await transaction.copy("pipeline.activities", Activity._fields, [tuple(one) for one in done])
    await transaction.set_wise(END, [one._asdict() for one in ended])


async def listing(
    source: Database | Transaction,
    *,
    units: Units,
    lead_id: UUID | None = None,
    owner: str | None = None,
    kind: str | None = None,
    since: datetime | None = None,
    after: ActivityPlace | None,
    limit: int,
) -> list[Found]:
    """A page of activities, newest first, each with its lead's canonical id and what was noted with it."""
    kept, parameters = of_units("a.business_unit", units)
    narrow = narrowed({"owner": owner, "kind": kind, "occurred_since": since}, ACTIVITIES)
    conditions = ["true", *kept, *narrow.conditions]
    parameters |= narrow.parameters
    if lead_id is not None:
        conditions.append(f"a.lead_id {OF_LEAD}")
        parameters["lead"] = lead_id
    if after is not None:
        conditions.append("(a.occurred_at, a.event_id, a.lead_id) < (:after_at, :after_event, :after_lead)")
        parameters |= {"after_at": after.occurred_at, "after_event": after.event_id, "after_lead": after.lead_id}
    order = "occurred_at DESC, event_id DESC, lead_id DESC"
    rows = await source.rows(
        f"""
        WITH page AS (
            SELECT * FROM pipeline.activities a WHERE {" AND ".join(conditions)} ORDER BY {order} LIMIT :limit
        )
        SELECT p.*, l.root_id, h.event, h.data, s.said
        FROM page p JOIN pipeline.leads l USING (lead_id) JOIN pipeline.history h USING (lead_id, event_id)
        LEFT JOIN pipeline.asides s USING (lead_id, event_id) ORDER BY {order}""",
        limit=limit,
        **parameters,
    )
    return [Found(ActivityPlace(row.occurred_at, row.event_id, row.lead_id), _document(row)) for row in rows]


def _document(row: Any) -> dict[str, Any]:
    data, said = row.data, row.said or {}
    is_contact = row.event == "ContactAttempted"
    return {
        "lead_id": row.root_id,
        "event_id": row.event_id,
        "business_unit": row.business_unit,
        "event": row.event,
        "kind": row.kind,
        "owner": row.owner,
        "actor": data.get("actor"),
        "occurred_at": row.occurred_at,
        "outcome": said.get("outcome", row.outcome),
        "duration_seconds": data.get("duration_seconds"),
        "human": data.get("human", True),
        "outbound": data.get("outbound", True) if is_contact else None,
        "name": data.get("name"),
        "note": said.get("note"),
    }
