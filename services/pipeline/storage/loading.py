"""What a transaction reads and locks before anything is decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.pipeline.domain.ledger import Lead, Ledger
from services.pipeline.storage.rows import fact_of, lead_of
from shared.contracts.capture_events import Identity
from shared.kit.database import Transaction


@dataclass(frozen=True, slots=True)
class Seen:
    """An event that was recorded before, and in whose story."""

    lead_id: UUID
    fingerprint: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A record that waits, as it was stored."""

    lead_id: UUID
    event_id: UUID
    token: str | None
    topic: str
    partition: int
    offset: int
    value: bytes


async def seen_causes(transaction: Transaction, event_ids: Collection[UUID]) -> dict[UUID, Seen]:
    """Which captured leads, interactions and scores are facts already."""
    if not event_ids:
        return {}
    rows = await transaction.rows(
        """
        SELECT causation_id, lead_id, fingerprint FROM pipeline.history
        WHERE causation_id = ANY(CAST(:ids AS uuid[])) AND event IN ('LeadCreated', 'LeadTouched', 'LeadGraded')""",
        ids=list(event_ids),
    )
    return {row.causation_id: Seen(row.lead_id, row.fingerprint) for row in rows}


async def claim_identities(transaction: Transaction, claims: Iterable[tuple[str, Identity, UUID]]) -> dict[str, UUID]:
    """Gives each (unit, identity, lead) to the first lead that claims it; answers with what is new, by token.

    In sorted order, so that two transactions that claim the same wait for each other instead of locking each other out.
    Once it returns, whoever owns what is settled: a later read sees every other owner.
    """
    first: dict[tuple[str, str, str], UUID] = {}
    for business_unit, one, lead_id in claims:
        first.setdefault((business_unit, one.kind, one.token), lead_id)
    rows = await transaction.set_wise(
        """
        INSERT INTO pipeline.identities (business_unit, kind, token, lead_id)
        SELECT business_unit, kind, token, lead_id
        FROM json_to_recordset(CAST(:rows AS json)) AS r(business_unit text, kind text, token text, lead_id uuid)
        ON CONFLICT DO NOTHING RETURNING token, lead_id""",
        [
            {"business_unit": unit, "kind": kind, "token": token, "lead_id": lead_id}
            for (unit, kind, token), lead_id in sorted(first.items())
        ],
    )
    return {row.token: row.lead_id for row in rows}


async def identity_owners(transaction: Transaction, wanted: Iterable[tuple[str, Identity]]) -> dict[str, UUID]:
    """Which lead owns each known identity, by token."""
    keys = {(unit, one.kind, one.token) for unit, one in wanted}
    rows = await transaction.set_wise(
        """
        SELECT i.token, i.lead_id
        FROM json_to_recordset(CAST(:rows AS json)) AS r(business_unit text, kind text, token text)
        JOIN pipeline.identities i USING (business_unit, kind, token)""",
        [{"business_unit": unit, "kind": kind, "token": token} for unit, kind, token in keys],
    )
    return {row.token: row.lead_id for row in rows}


async def lock_groups(transaction: Transaction, lead_ids: Collection[UUID]) -> Ledger:
    """Every known lead of `lead_ids` with all members of its merge group, locked in the order of their ids.

    A group can grow while its lock is waited for; then what was added is locked too, until nothing is missing. Once its
    root is locked it grows no more.
    """
    leads: dict[UUID, Lead] = {}
    wanted = set(lead_ids)
    while wanted:
        rows = await transaction.rows(
            """
            SELECT * FROM pipeline.leads WHERE lead_id IN (
                SELECT member.lead_id FROM pipeline.leads named JOIN pipeline.leads member USING (root_id)
                WHERE named.lead_id = ANY(CAST(:ids AS uuid[])))
            ORDER BY lead_id FOR UPDATE""",
            ids=list(wanted),
        )
        leads.update((row.lead_id, lead_of(row)) for row in rows)
        roots = {lead.root_id for lead in leads.values()}
        members = await transaction.rows(
            "SELECT lead_id FROM pipeline.leads WHERE root_id = ANY(CAST(:roots AS uuid[])) AND root_id <> lead_id",
            roots=list(roots),
        )
        wanted = (roots | {row.lead_id for row in members}) - leads.keys() if leads else set()
    return Ledger(leads.values())


async def load_stories(transaction: Transaction, ledger: Ledger, lead_ids: Iterable[UUID]) -> None:
    """Reads the whole history of these leads' groups and makes their state from it."""
    roots = {ledger.root(lead_id).lead_id for lead_id in lead_ids if lead_id in ledger}
    missing = [lead for root in roots for lead in ledger.group(root) if lead.facts is None]
    if not missing:
        return
    for lead in missing:
        lead.facts = []
    rows = await transaction.rows(
        """
        SELECT lead_id, event_id, version, event, occurred_at, data, fingerprint FROM pipeline.history
        WHERE lead_id = ANY(CAST(:ids AS uuid[])) ORDER BY lead_id, version""",
        ids=[lead.lead_id for lead in missing],
    )
    for row in rows:
        facts = ledger[row.lead_id].facts
        if facts is not None:
            facts.append(fact_of(row))
    for root in roots:
        ledger.refold(root)


async def load_apart(transaction: Transaction, ledger: Ledger, lead_ids: Iterable[UUID]) -> None:
    """Reads who was taken apart by a person."""
    rows = await transaction.rows(
        "SELECT lead_id, other_id FROM pipeline.never_merge WHERE lead_id = ANY(CAST(:ids AS uuid[]))",
        ids=list(lead_ids),
    )
    ledger.apart |= {frozenset((row.lead_id, row.other_id)) for row in rows}


async def waiting_for(transaction: Transaction, lead_ids: Collection[UUID], tokens: Collection[str]) -> list[Stored]:
    """What waits for these leads, by id or by identity, in order of arrival."""
    rows = await transaction.rows(
        """
        SELECT w.lead_id, w.event_id, t.token, w.topic, w.partition, w.record_offset, w.value
        FROM (
            SELECT lead_id, event_id, NULL AS token FROM pipeline.waiting WHERE lead_id = ANY(CAST(:ids AS uuid[]))
            UNION ALL
            SELECT lead_id, event_id, token FROM pipeline.waiting_identities WHERE token = ANY(CAST(:tokens AS text[]))
        ) t JOIN pipeline.waiting w USING (lead_id, event_id)
        ORDER BY w.arrival""",
        ids=list(lead_ids),
        tokens=list(tokens),
    )
    return [_stored(row) for row in rows]


async def stranded(transaction: Transaction, *, within_seconds: float | None, limit: int = 500) -> list[Stored]:
    """What waits although its lead is known: it came while another process was making the lead."""
    recent = "w.recorded_at > :now - make_interval(secs => :seconds) AND" if within_seconds is not None else ""
    parameters = {"now": transaction.now, "seconds": within_seconds} if within_seconds is not None else {}
    rows = await transaction.rows(
        f"""
        SELECT w.lead_id, w.event_id, NULL AS token, w.topic, w.partition, w.record_offset, w.value
        FROM pipeline.waiting w
        WHERE {recent} (EXISTS (SELECT FROM pipeline.leads l WHERE l.lead_id = w.lead_id)
            OR EXISTS (SELECT FROM pipeline.waiting_identities t JOIN pipeline.identities i ON i.token = t.token
                WHERE t.lead_id = w.lead_id AND t.event_id = w.event_id))
        ORDER BY w.arrival LIMIT :limit""",
        limit=limit,
        **parameters,
    )
    return [_stored(row) for row in rows]


def _stored(row: Any) -> Stored:
    return Stored(row.lead_id, row.event_id, row.token, row.topic, row.partition, row.record_offset, row.value)


async def deal_owners(transaction: Transaction, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    """Which lead has each known deal of these (unit, opportunity id)."""
    rows = await transaction.set_wise(
        """
        SELECT o.business_unit, o.opportunity_id, o.lead_id
        FROM json_to_recordset(CAST(:rows AS json)) AS r(business_unit text, opportunity_id text)
        JOIN pipeline.opportunities o USING (business_unit, opportunity_id)""",
        [{"business_unit": unit, "opportunity_id": name} for unit, name in sorted(names)],
    )
    return {(row.business_unit, row.opportunity_id): row.lead_id for row in rows}


async def lock_deal(transaction: Transaction, business_unit: str, opportunity_id: str) -> None:
    """Holds a deal's name until the end of the transaction, so that two leads cannot open it at once."""
    await transaction.rows(
        "SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))", name=f"{business_unit}\x1f{opportunity_id}"
    )
