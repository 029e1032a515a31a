"""By what contacts are recognised: identities that are theirs, and under which lead erasure finds them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.contracts.capture_events import Identity
from shared.kit.database import Database, Transaction, as_array


async def hold(transaction: Transaction, business_unit: str, tokens: Collection[str]) -> None:
    """Holds what leads of a unit have of these only for contacts: before anything of it is claimed or let go of, and in the order
    of a batch, so that two that exchange theirs wait for each other once. Nobody is waited for twice."""
    waits = transaction.may_wait_for("identities")
    await transaction.rows(
        f"""
        SELECT 1 FROM pipeline.identities WHERE business_unit = :unit AND token = ANY(:tokens) AND of_contact
        ORDER BY business_unit, kind, token FOR UPDATE {"" if waits else "NOWAIT"}""",
        unit=business_unit,
        tokens=sorted(tokens),
    )


async def claim(transaction: Transaction, business_unit: str, lead_id: UUID, names: Sequence[Identity]) -> None:
    """Makes identities that nobody has the lead's, for a contact."""
    await transaction.set_wise(
        """
        INSERT INTO pipeline.identities (business_unit, kind, token, lead_id, of_contact)
        SELECT :unit, kind, token, :lead_id, true FROM json_to_recordset(CAST(:rows AS json)) AS r(kind text, token text)
        ORDER BY kind, token ON CONFLICT DO NOTHING""",
        [{"kind": one.kind, "token": one.token} for one in names],
        unit=business_unit,
        lead_id=lead_id,
    )


async def claimed(transaction: Transaction, business_unit: str, lead_id: UUID, tokens: Collection[str]) -> set[str]:
    """Which of these a lead has only for contacts."""
    rows = await transaction.rows(
        """
        SELECT token FROM pipeline.identities
        WHERE token = ANY(:tokens) AND business_unit = :unit AND lead_id = :lead_id AND of_contact""",
        tokens=sorted(tokens),
        unit=business_unit,
        lead_id=lead_id,
    )
    return {row.token for row in rows}


async def release(transaction: Transaction, lead_id: UUID, tokens: Collection[str]) -> None:
    """Lets go of identities that a lead has only for a contact. One that somebody was captured with since is not let go of."""
    if tokens:
        await transaction.execute(
            """
            WITH held AS (
                SELECT business_unit, kind, token FROM pipeline.identities
                WHERE lead_id = :lead_id AND token = ANY(:tokens) AND of_contact
                ORDER BY business_unit, kind, token FOR UPDATE
            )
            DELETE FROM pipeline.identities i USING held h
            WHERE (i.token, i.kind, i.business_unit) = (h.token, h.kind, h.business_unit)""",
            {"lead_id": lead_id, "tokens": sorted(tokens)},
        )


async def name(transaction: Transaction, lead_id: UUID, contact_id: UUID, tokens: Collection[str]) -> None:
    """Under which tokens a contact is found from now on; under none where there are none."""
    await transaction.execute(
        "DELETE FROM pipeline.contact_names WHERE lead_id = :lead_id AND contact_id = :contact_id",
        {"lead_id": lead_id, "contact_id": contact_id},
    )
    await transaction.set_wise(
        """
        INSERT INTO pipeline.contact_names (token, lead_id, contact_id, recorded_at)
        SELECT token, :lead_id, :contact_id, :now FROM json_to_recordset(CAST(:rows AS json)) AS r(token text)""",
        [{"token": token} for token in sorted(set(tokens))],
        lead_id=lead_id,
        contact_id=contact_id,
        now=transaction.now,
    )


async def named(
    source: Database | Transaction, tokens: Collection[str], until: datetime | None, but: Collection[UUID]
) -> Sequence[Any]:
    """The contacts that were said under one of these tokens, up to a moment if one is given, of other leads than these."""
    return await source.rows(
        """
        SELECT DISTINCT lead_id, contact_id FROM pipeline.contact_names
        WHERE token = ANY(:tokens) AND recorded_at <= coalesce(CAST(:until AS timestamptz), 'infinity') AND lead_id <> ALL(CAST(:ids AS uuid[]))
        ORDER BY lead_id, contact_id""",
        tokens=sorted(tokens),
        until=until,
        ids=as_array(but),
    )


async def said_of(source: Database | Transaction, found: Sequence[Any]) -> Sequence[Any]:
    """All that was ever said of contacts, found by `named`, and is kept, in the order in which it was."""
    return await source.rows(
        """
        SELECT h.lead_id, h.event_id, h.occurred_at, h.data ->> 'contact_id' AS contact_id, h.data ->> 'role' AS role, a.said,
            l.business_unit
        FROM pipeline.history h JOIN pipeline.asides a USING (lead_id, event_id) JOIN pipeline.leads l USING (lead_id)
        WHERE h.lead_id = ANY(CAST(:ids AS uuid[])) AND h.event = 'LeadContactChanged'
            AND h.data ->> 'contact_id' = ANY(:contacts)
        ORDER BY h.lead_id, h.version""",
        ids=as_array({one.lead_id for one in found}),
        contacts=sorted({str(one.contact_id) for one in found}),
    )


async def forget(transaction: Transaction, lead_ids: Collection[UUID]) -> None:
    """Whoever was a contact of these leads is not found by them any more."""
    await transaction.execute(
        "DELETE FROM pipeline.contact_names WHERE lead_id = ANY(CAST(:ids AS uuid[]))", {"ids": as_array(lead_ids)}
    )


async def forget_asides(transaction: Transaction, lead_ids: Collection[UUID], contact_ids: Collection[UUID]) -> int:
    """Deletes what was said of contacts beside their facts; how much there was."""
    rows = await transaction.rows(
        """
        DELETE FROM pipeline.asides a USING pipeline.history h
        WHERE h.lead_id = ANY(CAST(:ids AS uuid[])) AND h.event = 'LeadContactChanged'
            AND h.data ->> 'contact_id' = ANY(:contacts) AND a.lead_id = h.lead_id AND a.event_id = h.event_id RETURNING 1""",
        ids=as_array(lead_ids),
        contacts=[str(one) for one in contact_ids],
    )
    return len(rows)
