"""What is asked of pipeline: leads, their stories, their deals, counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.pipeline.domain.consents import by_purpose, told
from services.pipeline.domain.contacts import shown_contacts, shown_person
from services.pipeline.domain.facts import Fact
from services.pipeline.domain.ledger import known_with
from services.pipeline.domain.standing import MOVING, interest, seconds_in, shape_of, standing_of
from services.pipeline.domain.versions import version_among
from services.pipeline.storage.people import OLDEST_FIRST, people
from services.pipeline.storage.rows import fact_of
from services.pipeline.storage.touches import PLACE, last_touches
from shared.contracts.marks import Marking
from shared.kit.database import Database, Transaction

_PLAIN = (
    "lead_id", "business_unit", "status", "created_at", "score", "grade", "probability", "graded_at", "owner", "team",
    "assigned_at", "first_assigned_at", "first_response_at", "qualified_at",
    "archived_at", "archived_reason", "mark", "conflicts", "updated_at",
)  # fmt: skip
_DEAL = (
    "business_unit", "opportunity_id", "lead_id", "pipeline", "stage", "status", "amount", "currency", "product", "owner",
    "team", "opened_at", "closed_at", "expected_close", "reason", "updated_at",
)  # fmt: skip

LEAD_FIELDS = frozenset((*_PLAIN, "first_touch", "last_touch", "personal"))
DEAL_FIELDS = frozenset(_DEAL)
"""What a list says of each."""


OF_GROUP = "(l.lead_id = :id OR l.root_id = :id AND l.root_id <> l.lead_id)"
"""A root and what was merged into it, as the indexes know them: a lead that was never merged is not in that of roots."""


async def root_of(database: Database, lead_id: UUID) -> UUID | None:
    """The canonical id of a lead, None for one nobody knows."""
    rows = await database.rows("SELECT root_id FROM pipeline.leads WHERE lead_id = :id", id=lead_id)
    return rows[0].root_id if rows else None


async def place_of(transaction: Transaction, lead_id: UUID) -> tuple[UUID, str]:
    """The canonical id and the business unit of a lead that there is."""
    [row] = await transaction.rows("SELECT root_id, business_unit FROM pipeline.leads WHERE lead_id = :id", id=lead_id)
    return row.root_id, row.business_unit


async def lead_document(source: Database | Transaction, root_id: UUID) -> dict[str, Any]:
    """A lead with everything that is one person with it, as the API shows it."""
    members = await source.rows(
        f"SELECT l.* FROM pipeline.leads l WHERE {OF_GROUP} ORDER BY {OLDEST_FIRST}", id=root_id
    )
    deals = await source.rows(
        f"""
        SELECT o.*, l.root_id FROM pipeline.opportunities o JOIN pipeline.leads l USING (lead_id)
        WHERE {OF_GROUP} ORDER BY o.opened_at, o.opportunity_id""",
        id=root_id,
    )
    root = next(row for row in members if row.lead_id == root_id)
    personal: dict[str, Any] = {}
    for member in members:
        personal = known_with(personal, member.personal)
    archived = root.status == "archived"
    return {
        **_lead(root),
        "last_touch": (await last_touches(source, [root_id]))[root_id],
        **await _standing(source, root_id, personal),
        "archived_until": await _archived_until(source, root_id) if archived else None,
        "version": sum(member.version for member in members),
        "mark_reasons": await _mark_reasons(source, root_id) if root.mark else [],
        "conflicts": sum(member.conflicts for member in members),
        "personal": shown_person(personal),
        "consents": {purpose: one["granted"] for purpose, one in (await consents(source, root_id))[0].items()},
        "merged_lead_ids": sorted(str(member.lead_id) for member in members if member.lead_id != root_id),
        "opportunities": [deal_document(row) for row in deals],
    }


async def _standing(source: Database | Transaction, root_id: UUID, personal: Mapping[str, Any]) -> dict[str, Any]:
    """What the lead is and needs, where it stands in words, and for how long it stood where."""
    rows = await source.rows(
        f"""
        SELECT h.lead_id, h.event_id, h.version, h.event, h.occurred_at, h.data, h.fingerprint
        FROM pipeline.history h JOIN pipeline.leads l USING (lead_id)
        WHERE {OF_GROUP} AND h.event = ANY(:moving)
            AND (h.event <> 'LeadTouched' OR h.data ? 'moves' OR h.data ->> 'kind' = 'captured')""",
        id=root_id,
        moving=list(MOVING),
    )
    found = standing_of(fact_of(row) for row in rows)
    now = source.now if isinstance(source, Transaction) else source.clock.now()
    return {
        "kind": shape_of(found.kind, personal),
        "contacts": shown_contacts(personal),
        "need": personal.get("need") or personal.get("message"),
        "interest": interest(found.state),
        "status_since": found.spans[-1].since if found.spans else None,
        "seconds_in_status": seconds_in(found.spans, now),
        "statuses": [{**span._asdict(), "seconds": int(span.seconds(now))} for span in found.spans],
    }


async def _archived_until(source: Database | Transaction, root_id: UUID) -> datetime | None:
    """When an archived lead comes back by itself."""
    rows = await source.rows(
        f"""
        SELECT min(t.due_at) AS at FROM pipeline.tasks t JOIN pipeline.leads l USING (lead_id)
        WHERE {OF_GROUP} AND t.kind = 'recycle' AND t.status = 'open'""",
        id=root_id,
    )
    at: datetime | None = rows[0].at
    return at


async def consents(
    source: Database | Transaction, root_id: UUID
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """What a person permits now, by purpose, and everything that was ever said about it, in order."""
    rows = await source.rows(
        f"""
        SELECT h.lead_id, h.event_id, h.version, h.event, h.occurred_at, h.recorded_at, h.data, h.fingerprint, a.said
        FROM pipeline.history h JOIN pipeline.leads l USING (lead_id) LEFT JOIN pipeline.asides a USING (lead_id, event_id)
        WHERE {OF_GROUP} AND h.event IN ('ConsentChanged', 'LeadMarked') ORDER BY h.occurred_at, h.version, h.lead_id""",
        id=root_id,
    )
    words: dict[UUID, Marking] = {}
    said: dict[tuple[UUID, UUID], dict[str, Any]] = {}
    facts: list[Fact] = []
    for row in rows:
        fact = fact_of(row)
        if fact.event == "LeadMarked":
            words[fact.lead_id] = words.get(fact.lead_id, Marking()).said(fact.data.get("mark"), fact.version)
        else:
            facts.append(fact)
            said[fact.lead_id, fact.event_id] = told(fact, row.said, row.recorded_at)
    released = {lead_id for lead_id, marking in words.items() if marking.counts_marked_touches}
    holds = {purpose: said[fact.lead_id, fact.event_id] for purpose, fact in by_purpose(facts, released).items()}
    return holds, list(said.values())


async def _mark_reasons(source: Database | Transaction, root_id: UUID) -> list[str]:
    """Why a person is held out: by what each capture was recognised, and who said so."""
    rows = await source.rows(
        f"""
        SELECT h.event, h.data FROM pipeline.history h JOIN pipeline.leads l USING (lead_id)
        WHERE {OF_GROUP} AND (h.event = 'LeadMarked' OR h.data ? 'mark') ORDER BY h.version""",
        id=root_id,
    )
    reasons = [
        reason
        for row in rows
        for reason in (
            row.data.get("mark_reasons", []) if row.event != "LeadMarked" else [f"said by {row.data['actor']}"]
        )
    ]
    return list(dict.fromkeys(reasons))


def _lead(row: Any) -> dict[str, Any]:
    touch = {"at": row.first_touch_at, **{name: getattr(row, name) for name in PLACE}}
    return {**{name: getattr(row, name) for name in _PLAIN}, "first_touch": touch}


def deal_document(row: Any) -> dict[str, Any]:
    """A deal as the API shows it, under its lead's canonical id."""
    return {**{name: getattr(row, name) for name in _DEAL}, "lead_id": row.root_id}


async def facts_of(source: Database | Transaction, root_id: UUID) -> list[tuple[Fact, dict[str, Any]]]:
    """Everything that happened to a lead and to the ids merged into it, with what was said beside it, in order."""
    rows = await source.rows(
        f"""
        SELECT h.lead_id, h.event_id, h.version, h.event, h.occurred_at, h.data, h.fingerprint, a.said
        FROM pipeline.history h JOIN pipeline.leads l USING (lead_id) LEFT JOIN pipeline.asides a USING (lead_id, event_id)
        WHERE {OF_GROUP} ORDER BY h.occurred_at, h.version, h.lead_id""",
        id=root_id,
    )
    return [(fact_of(row), row.said or {}) for row in rows]


async def version_of(source: Database | Transaction, root_id: UUID) -> str:
    """The version of a lead and all ids merged into it, by its canonical id."""
    rows = await source.rows(f"SELECT l.lead_id, l.version FROM pipeline.leads l WHERE {OF_GROUP}", id=root_id)
    return version_among(root_id, rows)


_EVERY_UNIT = """
    (SELECT business_unit AS name FROM pipeline.leads WHERE merged_into IS NULL ORDER BY business_unit LIMIT 1)
    UNION ALL
    SELECT (SELECT business_unit FROM pipeline.leads WHERE merged_into IS NULL AND business_unit > every_unit.name
        ORDER BY business_unit LIMIT 1) FROM every_unit WHERE every_unit.name IS NOT NULL"""
"""The business units that have a lead, and a last row that is null, found along the index."""


async def units_with_leads(source: Database | Transaction) -> list[str]:
    """The business units that have a lead."""
    rows = await source.rows(f"WITH RECURSIVE every_unit AS ({_EVERY_UNIT}) SELECT name FROM every_unit")
    return [row.name for row in rows if row.name is not None]


async def shown(source: Database | Transaction, roots: Sequence[Any]) -> list[dict[str, Any]]:
    """Leads as a listing shows them, each with the person they are by now."""
    known = await people(source, [row.lead_id for row in roots])
    return [{**_lead(row), "personal": known.get(row.lead_id, shown_person(row.personal))} for row in roots]


async def story(database: Database, root_id: UUID) -> list[dict[str, Any]]:
    """Every fact of a lead and of the ids merged into it, in the order in which they count."""
    rows = await database.rows(
        f"""
        SELECT h.lead_id, h.version, h.event, h.event_id, h.occurred_at, h.recorded_at, h.causation_id, h.data, a.said
        FROM pipeline.history h JOIN pipeline.leads l USING (lead_id) LEFT JOIN pipeline.asides a USING (lead_id, event_id)
        WHERE {OF_GROUP} ORDER BY h.occurred_at, h.version, h.lead_id""",
        id=root_id,
    )
    return [
        {
            "event": row.event,
            "event_id": row.event_id,
            "lead_id": row.lead_id,
            "version": row.version,
            "occurred_at": row.occurred_at,
            "recorded_at": row.recorded_at,
            "causation_id": row.causation_id,
            **row.data,
            **(row.said or {}),
        }
        for row in rows
    ]


async def counts(database: Database) -> dict[str, Any]:
    """How much of everything there is."""
    row = (
        await database.rows(
            """
            SELECT (SELECT count(*) FROM pipeline.leads) AS lead_ids,
                (SELECT count(*) FROM pipeline.leads WHERE merged_into IS NULL) AS leads,
                (SELECT count(*) FROM pipeline.leads WHERE merged_into IS NULL AND mark IS NOT NULL) AS marked_leads,
                (SELECT count(*) FROM pipeline.history) AS history_events,
                (SELECT count(*) FROM pipeline.opportunities) AS opportunities,
                (SELECT count(*) FROM pipeline.waiting) AS waiting,
                (SELECT count(*) FROM pipeline.dead_letters WHERE status = 'open') AS dead_letters,
                (SELECT coalesce(sum(messages), 0) FROM pipeline.outbox) AS outbox_messages,
                (SELECT coalesce(sum(conflicts), 0) FROM pipeline.leads) AS conflicts"""
        )
    )[0]
    statuses = await database.rows(
        "SELECT status, count(*) AS n FROM pipeline.leads WHERE merged_into IS NULL GROUP BY status ORDER BY status"
    )
    return {
        **{name: int(value) for name, value in row._mapping.items()},
        "by_status": {one.status: one.n for one in statuses},
    }


async def audit(database: Database, event_ids: Collection[UUID]) -> dict[str, list[UUID]]:
    """How each captured event ended here: a fact, waiting for its lead, dead-lettered, or never seen."""
    rows = await database.rows(
        """
        SELECT wanted.id,
            EXISTS (SELECT FROM pipeline.history h WHERE h.causation_id = wanted.id
                AND h.event IN ('LeadCreated', 'LeadTouched', 'LeadGraded')) AS fact,
            EXISTS (SELECT FROM pipeline.waiting w WHERE w.event_id = wanted.id) AS waiting,
            EXISTS (SELECT FROM pipeline.dead_letters d WHERE d.event_id = wanted.id AND d.status <> 'redriven') AS dead
        FROM unnest(CAST(:ids AS uuid[])) AS wanted(id)""",
        ids=list(event_ids),
    )
    ended: dict[str, list[UUID]] = {"facts": [], "waiting": [], "dead_lettered": [], "unknown": []}
    for row in rows:
        how = "facts" if row.fact else "waiting" if row.waiting else "dead_lettered" if row.dead else "unknown"
        ended[how].append(row.id)
    return ended
