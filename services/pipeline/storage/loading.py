"""What a transaction reads and locks before anything is decided. In which order whoever locks what: ADR 58."""

from __future__ import annotations

from collections.abc import Collection, Iterable, KeysView, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.pipeline.domain.ledger import Lead, Ledger
from services.pipeline.storage.rows import LEAD_COLUMNS, fact_of, lead_of
from shared.contracts.capture_events import Identity
from shared.kit.database import RacedWrite, Transaction, as_array, as_json

Named = tuple[str, str, str]
"""An identity's business unit, kind and token."""

LOCK_LEADS = f"""
    SELECT {", ".join(LEAD_COLUMNS).replace("personal,", "CAST(personal AS text) AS personal,")} FROM pipeline.leads
    WHERE lead_id = ANY(CAST(:ids AS uuid[])) ORDER BY lead_id FOR UPDATE"""

READ_LEADS = LOCK_LEADS.removesuffix(" FOR UPDATE")

MEMBERS = """
    WITH roots AS (SELECT DISTINCT root_id FROM pipeline.leads WHERE lead_id = ANY(CAST(:ids AS uuid[])))
    SELECT root_id AS lead_id FROM roots
    UNION ALL
    SELECT lead_id FROM pipeline.leads
    WHERE root_id = ANY(ARRAY(SELECT root_id FROM roots)) AND root_id <> lead_id"""


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
    fingerprint: str | None = None


async def seen_causes(
    transaction: Transaction, event_ids: Collection[UUID]
) -> tuple[dict[UUID, Seen], datetime | None]:
    """Which captured leads, interactions and scores are facts already; and the moment of the latest erasure, since nothing
    that was recorded after it can be erased."""
    rows = await transaction.rows(
        """
        SELECT causation_id, lead_id, fingerprint, CAST(NULL AS timestamptz) AS until FROM pipeline.history
        WHERE causation_id = ANY(CAST(:ids AS uuid[])) AND event IN ('LeadCreated', 'LeadTouched', 'LeadGraded')
        UNION ALL SELECT NULL, NULL, NULL, max(until) FROM pipeline.erasures""",
        ids=as_array(event_ids),
    )
    latest = rows.pop().until
    return {row.causation_id: Seen(row.lead_id, row.fingerprint) for row in rows}, latest


async def claim_identities(
    transaction: Transaction, claims: Iterable[tuple[str, Identity, UUID]], wanted: Iterable[tuple[str, Identity]]
) -> tuple[dict[str, UUID], KeysView[str]]:
    """Which lead owns each identity that is claimed or wanted, by token, and the tokens that were claimed just now: an
    identity belongs to the first lead that claims it. One that a lead has only for a contact goes to whoever claims it, and
    joins the two: the answer says whose it was.

    Once it returns, whoever owns what is settled. Raises `RacedWrite` where another transaction claims the same: in
    sorted order, so that the two wait for each other instead of locking each other out.
    """
    first: dict[Named, UUID] = {}
    for unit, one, lead_id in claims:
        first.setdefault((unit, one.kind, one.token), lead_id)
    owners, lent = await identity_owners(transaction, {*first, *((unit, one.kind, one.token) for unit, one in wanted)})
    waits = transaction.may_wait_for("identities")
    if lent:
        await _take_lent(transaction, lent, first, waits=waits)
    new = [(*named, first[named]) for named in sorted(first.keys() - owners.keys())]
    await transaction.copy("pipeline.identities", ("business_unit", "kind", "token", "lead_id"), new)
    claimed = {token: lead_id for _, _, token, lead_id in new}
    return {**{token: owner for (_, _, token), owner in owners.items()}, **claimed}, claimed.keys()


async def identity_owners(transaction: Transaction, names: Collection[Named]) -> tuple[dict[Named, UUID], list[Named]]:
    """Whose these identities are, and which of them only for a contact."""
    rows = await transaction.set_wise(
        """
        SELECT i.business_unit, i.kind, i.token, i.lead_id, i.of_contact
        FROM json_to_recordset(CAST(:rows AS json)) AS r(business_unit text, kind text, token text)
        JOIN pipeline.identities i USING (business_unit, kind, token)""",
        [{"business_unit": unit, "kind": kind, "token": token} for unit, kind, token in names],
    )
    owners = {(row.business_unit, row.kind, row.token): row.lead_id for row in rows}
    return owners, sorted((row.business_unit, row.kind, row.token) for row in rows if row.of_contact)


async def _take_lent(
    transaction: Transaction, lent: Sequence[Named], claimed: Mapping[Named, UUID], *, waits: bool
) -> None:
    """Holds what leads have only for contacts, so that nobody lets go of it before this transaction has ended, and gives what
    is claimed of it to whoever claims it. Raises `RacedWrite` where one of them was let go of or claimed just now, or is held
    by somebody who is not to be waited for."""
    held = await transaction.set_wise(
        f"""
        SELECT 1 FROM json_to_recordset(CAST(:rows AS json)) AS r(business_unit text, kind text, token text)
        JOIN pipeline.identities i USING (business_unit, kind, token) WHERE i.of_contact
        ORDER BY i.business_unit, i.kind, i.token FOR NO KEY UPDATE OF i {"" if waits else "SKIP LOCKED"}""",
        [{"business_unit": unit, "kind": kind, "token": token} for unit, kind, token in lent],
    )
    if len(held) != len(lent):
        raise RacedWrite
    await transaction.set_wise(
        """
        UPDATE pipeline.identities i SET lead_id = r.lead_id, of_contact = false
        FROM json_to_recordset(CAST(:rows AS json)) AS r(business_unit text, kind text, token text, lead_id uuid)
        WHERE (i.business_unit, i.kind, i.token) = (r.business_unit, r.kind, r.token)""",
        [
            {"business_unit": named[0], "kind": named[1], "token": named[2], "lead_id": claimed[named]}
            for named in lent
            if named in claimed
        ],
    )


async def lock_groups(transaction: Transaction, lead_ids: Collection[UUID]) -> Ledger:
    """Every known lead of `lead_ids` with all members of its merge group, locked in the order of their ids.

    A group can grow while its lock is waited for; then what was added is locked too, until nothing is missing. Once its
    root is locked it grows no more. Others are waited for once in a transaction: what is missing after that is taken where
    nobody has it. Raises `RacedWrite` where somebody has.
    """
    leads: dict[int, Lead] = {}
    named = as_array(lead_ids)
    while missing := [
        row.lead_id for row in await transaction.rows(MEMBERS, ids=named) if row.lead_id.int not in leads
    ]:
        waits = transaction.may_wait_for("leads")
        rows = await transaction.rows(LOCK_LEADS if waits else f"{LOCK_LEADS} SKIP LOCKED", ids=as_array(missing))
        if not waits and len(rows) < len(missing):
            raise RacedWrite
        leads.update((row.lead_id.int, lead_of(row)) for row in rows)
        named = as_array(lead.lead_id for lead in leads.values())
    return Ledger(leads.values())


async def read_groups(transaction: Transaction, lead_ids: Collection[UUID]) -> Ledger:
    """These leads with all members of their merge groups as they are now, for looking only: nobody is kept from them."""
    members = {row.lead_id for row in await transaction.rows(MEMBERS, ids=as_array(lead_ids))}
    return Ledger(lead_of(row) for row in await transaction.rows(READ_LEADS, ids=as_array(members)))


async def load_stories(transaction: Transaction, ledger: Ledger, lead_ids: Iterable[UUID]) -> None:
    """Reads the whole history of these leads' groups and makes their state from it, and from what this transaction recorded."""
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
    unread = {lead.lead_id for lead in missing}
    for entry in ledger.entries:
        if entry.lead.lead_id in unread and entry.lead.facts is not None:
            entry.lead.facts.append(entry.fact)
    for root in roots:
        ledger.refold(root)


async def load_apart(transaction: Transaction, ledger: Ledger, lead_ids: Iterable[UUID]) -> None:
    """Reads who was taken apart by a person."""
    rows = await transaction.rows(
        "SELECT lead_id, other_id FROM pipeline.never_merge WHERE lead_id = ANY(CAST(:ids AS uuid[]))",
        ids=list(lead_ids),
    )
    ledger.apart |= {frozenset((row.lead_id, row.other_id)) for row in rows}


async def merges_of(transaction: Transaction, lead_ids: Iterable[UUID]) -> set[UUID]:
    """The merges by which these ids became others'."""
    rows = await transaction.rows(
        "SELECT event_id FROM pipeline.history WHERE lead_id = ANY(CAST(:ids AS uuid[])) AND event = 'LeadMerged'",
        ids=list(lead_ids),
    )
    return {row.event_id for row in rows}


async def waiting_for(
    transaction: Transaction,
    lead_ids: Collection[UUID],
    tokens: Collection[str],
    *,
    held: Collection[tuple[UUID, UUID]] | None = None,
) -> list[Stored]:
    """What waits for these leads, by id or by identity, in order of arrival. Whoever takes it up has it `held`, in one order, with
    what waits at further places."""
    further = """
            UNION ALL
            SELECT lead_id, event_id, NULL, false FROM unnest(CAST(:leads AS uuid[]), CAST(:events AS uuid[]))
                AS further(lead_id, event_id)"""
    places = {"leads": as_array(one for one, _ in held), "events": as_array(one for _, one in held)} if held else {}
    rows = await transaction.rows(
        f"""
        SELECT w.lead_id, w.event_id, t.token, t.asked, w.arrival, w.topic, w.partition, w.record_offset, w.value,
            w.fingerprint
        FROM (
            SELECT lead_id, event_id, NULL AS token, true AS asked FROM pipeline.waiting WHERE lead_id = ANY(CAST(:ids AS uuid[]))
            UNION ALL
            SELECT lead_id, event_id, token, true FROM pipeline.waiting_identities
            WHERE token = ANY(ARRAY(SELECT json_array_elements_text(CAST(:tokens AS json)))){further if held else ""}
        ) t JOIN pipeline.waiting w USING (lead_id, event_id)
        ORDER BY w.lead_id, w.event_id {"" if held is None else "FOR UPDATE OF w"}""",
        ids=as_array(lead_ids),
        tokens=as_json(list(tokens)),
        **places,
    )
    return [_stored(row) for row in sorted(rows, key=lambda row: int(row.arrival)) if row.asked]


async def stranded(transaction: Transaction, *, within_seconds: float | None, limit: int = 500) -> list[Stored]:
    """What waits although its lead is known: it came while another process was making the lead."""
    recent = "WHERE w.recorded_at > :now - make_interval(secs => :seconds)" if within_seconds is not None else ""
    parameters = {"now": transaction.now, "seconds": within_seconds} if within_seconds is not None else {}
    rows = await transaction.rows(
        f"""
        WITH known AS (
            SELECT w.lead_id, w.event_id FROM pipeline.waiting w JOIN pipeline.leads USING (lead_id) {recent}
            UNION
            SELECT w.lead_id, w.event_id FROM pipeline.waiting w JOIN pipeline.waiting_identities USING (lead_id, event_id)
            JOIN pipeline.identities USING (token) {recent}
        )
        SELECT w.lead_id, w.event_id, NULL AS token, w.topic, w.partition, w.record_offset, w.value, w.fingerprint
        FROM known JOIN pipeline.waiting w USING (lead_id, event_id)
        ORDER BY w.arrival LIMIT :limit""",
        limit=limit,
        **parameters,
    )
    return [_stored(row) for row in rows]


def _stored(row: Any) -> Stored:
    place = row.topic, row.partition, row.record_offset
    return Stored(row.lead_id, row.event_id, row.token, *place, row.value, row.fingerprint)


async def with_open_deals(transaction: Transaction, root_ids: Collection[UUID]) -> set[UUID]:
    """Which of these people have a deal that has not ended."""
    rows = await transaction.rows(
        """
        SELECT DISTINCT l.root_id FROM pipeline.leads l JOIN pipeline.opportunities o USING (lead_id)
        WHERE (l.lead_id = ANY(CAST(:ids AS uuid[])) OR l.root_id = ANY(CAST(:ids AS uuid[])) AND l.root_id <> l.lead_id)
            AND o.status = 'open'""",
        ids=as_array(root_ids),
    )
    return {row.root_id for row in rows}
