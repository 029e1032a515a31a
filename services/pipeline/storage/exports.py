"""Everything that there is, page by page along its key, all of one moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import SQLModel

from services.pipeline.domain.access import Units
from services.pipeline.domain.consents import by_purpose
from services.pipeline.domain.contacts import shown_contacts, shown_person
from services.pipeline.domain.facts import Fact
from services.pipeline.domain.ledger import CONTACTS, known_with
from services.pipeline.storage.office_tables import TaskRow
from services.pipeline.storage.people import OLDEST_FIRST
from services.pipeline.storage.places import of_units
from services.pipeline.storage.rows import fact_of
from services.pipeline.storage.tables import HistoryEntry, Lead, Opportunity, Order
from services.pipeline.storage.touches import last_touches
from shared.contracts.marks import Marking
from shared.kit.database import Database, Transaction, as_array

PAGE = 500

KEPT_INSIDE = frozenset(
    {"root_id", "merged_into", "version", "personal", "personal_at", "mark_version", "explicit_at", "first_fact_at",
     "fingerprint", "fires_at"}
)  # fmt: skip
"""Columns by which this service works and which say nothing to others."""


class Kind(NamedTuple):
    """Something that can be exported: its table, by which key it is walked along, and what is told of each row."""

    table: type[SQLModel]
    key: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]


def _told(table: type[SQLModel], *more: str) -> tuple[str, ...]:
    own = [column.name for column in table.__table__.columns]  # type: ignore[attr-defined]
    return (*(name for name in own if name not in KEPT_INSIDE), *more)


KINDS: dict[str, Kind] = {
    "leads": Kind(
        Lead, (("lead_id", "uuid"),), _told(Lead, "version", "merged_lead_ids", "last_touch", "consents", "personal")
    ),
    "opportunities": Kind(
        Opportunity,
        (("business_unit", "text"), ("opportunity_id", "text")),
        _told(Opportunity, "canonical_lead_id"),
    ),
    "orders": Kind(Order, (("business_unit", "text"), ("order_id", "text")), _told(Order, "canonical_lead_id")),
    "tasks": Kind(TaskRow, (("task_id", "uuid"),), _told(TaskRow, "canonical_lead_id")),
    "history": Kind(
        HistoryEntry,
        (("lead_id", "uuid"), ("version", "integer")),
        (*_told(HistoryEntry), "version", "business_unit", "canonical_lead_id", "said"),
    ),
}


@asynccontextmanager
async def snapshot(database: Database, *, idle_seconds: int, statement_seconds: int) -> AsyncIterator[Transaction]:
    """A transaction that sees one moment for as long as it is read from, and changes nothing. Whoever reads from it slowly may
    let it wait for so long, and no longer: what it sees cannot be cleaned up meanwhile."""
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        async with connection.begin():
            transaction = Transaction(connection, database.schema, database.clock.now())
            await transaction.execute("SET TRANSACTION READ ONLY")
            await transaction.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{idle_seconds}s'")
            await transaction.execute(f"SET LOCAL statement_timeout = '{statement_seconds}s'")
            yield transaction


async def page(transaction: Transaction, what: str, units: Units, after: Sequence[str] | None) -> list[dict[str, Any]]:
    """The rows that come after a key, in order of it."""
    kind = KINDS[what]
    lead = "t" if what == "leads" else "l"
    conditions, parameters = of_units(f"{lead}.business_unit", units)
    if what == "leads":
        conditions.append("t.lead_id = t.root_id")
    if after is not None:
        names = ", ".join(f"t.{name}" for name, _ in kind.key)
        values = ", ".join(f"CAST(:after{place} AS {of})" for place, (_, of) in enumerate(kind.key))
        conditions.append(f"({names}) > ({values})")
        parameters |= {f"after{place}": value for place, value in enumerate(after)}
    joined = "" if what == "leads" else "JOIN pipeline.leads l ON l.lead_id = t.lead_id"
    more = {
        "leads": "t.root_id AS canonical_lead_id",
        "history": "l.root_id AS canonical_lead_id, l.business_unit, a.said",
    }.get(what, "l.root_id AS canonical_lead_id")
    if what == "history":
        joined += " LEFT JOIN pipeline.asides a ON a.lead_id = t.lead_id AND a.event_id = t.event_id"
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = await transaction.rows(
        f"""
        SELECT t.*, {more} FROM pipeline.{kind.table.__tablename__} t {joined} {where}
        ORDER BY {", ".join(f"t.{name}" for name, _ in kind.key)} LIMIT :limit""",
        limit=PAGE,
        **parameters,
    )
    found = [dict(row._mapping) for row in rows]
    if what == "leads" and found:
        await _with_people(transaction, found)
    return [{name: row[name] for name in kind.columns} for row in found]


async def _with_people(transaction: Transaction, roots: list[dict[str, Any]]) -> None:
    """Adds to leads who they are, with all that was merged into them, how they were reached last, and what they permit."""
    ids = as_array(root["lead_id"] for root in roots)
    members = await transaction.rows(
        f"""
        SELECT lead_id, root_id, version, conflicts, personal FROM pipeline.leads
        WHERE lead_id = ANY(CAST(:ids AS uuid[])) OR (root_id = ANY(CAST(:ids AS uuid[])) AND root_id <> lead_id)
        ORDER BY {OLDEST_FIRST}""",
        ids=ids,
    )
    root_of = {member.lead_id: member.root_id for member in members}
    facts: dict[UUID, list[Fact]] = {}
    words: dict[UUID, Marking] = {}
    for row in await transaction.rows(
        """
        SELECT lead_id, event_id, version, event, occurred_at, data, fingerprint FROM pipeline.history
        WHERE lead_id = ANY(CAST(:ids AS uuid[])) AND event IN ('ConsentChanged', 'LeadMarked')
        ORDER BY occurred_at, version, lead_id""",
        ids=as_array(root_of),
    ):
        fact = fact_of(row)
        if fact.event == "LeadMarked":
            words[fact.lead_id] = words.get(fact.lead_id, Marking()).said(fact.data.get("mark"), fact.version)
        else:
            facts.setdefault(root_of[fact.lead_id], []).append(fact)
    released = {lead_id for lead_id, marking in words.items() if marking.counts_marked_touches}
    touches = await last_touches(transaction, [root["lead_id"] for root in roots])
    by_id: Mapping[UUID, dict[str, Any]] = {root["lead_id"]: root for root in roots}
    for root in roots:
        holds = by_purpose(facts.get(root["lead_id"], []), released)
        consents = {purpose: fact.data["granted"] for purpose, fact in holds.items()}
        root |= {"personal": {}, "version": 0, "conflicts": 0, "merged_lead_ids": [], "consents": consents}
        root["last_touch"] = touches[root["lead_id"]]
    for member in members:
        root = by_id[member.root_id]
        root["personal"] = known_with(root["personal"], member.personal)
        root["version"] += member.version
        root["conflicts"] += member.conflicts
        if member.lead_id != member.root_id:
            root["merged_lead_ids"] = sorted([*root["merged_lead_ids"], str(member.lead_id)])
    for root in roots:
        contacts = shown_contacts(root["personal"])
        root["personal"] = shown_person(root["personal"]) | ({CONTACTS: contacts} if contacts else {})
