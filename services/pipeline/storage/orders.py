"""Orders: made of the facts of a transaction, found by the id that they have where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.pipeline.domain.ledger import Lead, Ledger
from services.pipeline.domain.order_state import ORDER_EVENTS, OrderState, order_id_of
from shared.kit.database import Database, RacedWrite, Transaction

KEEP = """
    INSERT INTO pipeline.orders (business_unit, order_id, lead_id, opportunity_id, status, amount, currency, refunded,
        placed_at, runs_until, renews, updated_at)
    SELECT business_unit, order_id, lead_id, opportunity_id, status, amount, currency, refunded, placed_at, runs_until, renews, :now
    FROM json_to_recordset(CAST(:rows AS json)) AS r(business_unit text, order_id text, lead_id uuid, opportunity_id text,
        status text, amount text, currency text, refunded text, placed_at timestamptz, runs_until timestamptz, renews text)
    ON CONFLICT (business_unit, order_id) DO UPDATE SET (lead_id, opportunity_id, status, amount, currency, refunded,
        placed_at, runs_until, renews, updated_at) = (excluded.lead_id, excluded.opportunity_id, excluded.status,
        excluded.amount, excluded.currency, excluded.refunded, excluded.placed_at, excluded.runs_until, excluded.renews,
        excluded.updated_at)
    WHERE orders.lead_id = ANY(CAST(:held AS uuid[])) RETURNING 1"""
"""Only over an order of the leads that are held: one of another lead was placed at the same moment."""


async def keep(transaction: Transaction, ledger: Ledger, changed: Iterable[Lead]) -> None:
    """Brings the orders up to the facts that were recorded. Raises `RacedWrite` where another lead took one first."""
    touched = {order_id_of(entry.fact) for entry in ledger.entries if entry.fact.event in ORDER_EVENTS}
    if not touched:
        return
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for lead in changed:
        for name, order in lead.state.orders.items():
            if name in touched and not lead.is_merged and order.placed is not None:
                rows[lead.business_unit, name] = _row(order, lead.business_unit)
    held = [lead.lead_id for lead in ledger]
    kept = await transaction.set_wise(KEEP, [rows[key] for key in sorted(rows)], now=transaction.now, held=held)
    if len(kept) != len(rows):
        raise RacedWrite


class RunningOut(NamedTuple):
    """An order that runs out, whose story it stands in, and whether the customer has left."""

    runs_until: datetime
    order_id: str
    lead_id: UUID
    has_left: bool


_MEMBERS = """(SELECT l.root_id AS lead_id UNION ALL
            SELECT m.lead_id FROM pipeline.leads m WHERE m.root_id = l.root_id AND m.root_id <> m.lead_id)"""

RUNNING_OUT = f"""
    SELECT l.runs_until, l.order_id, l.lead_id, coalesce((
            SELECT max(churned.occurred_at) FROM {_MEMBERS} member CROSS JOIN LATERAL (
                SELECT occurred_at, event FROM pipeline.history WHERE lead_id = member.lead_id OFFSET 0) churned
            WHERE churned.event = 'CustomerChurned') > (
            SELECT max(bought.at) FROM {_MEMBERS} member CROSS JOIN LATERAL (
                SELECT placed_at AS at FROM pipeline.orders WHERE lead_id = member.lead_id AND status <> 'cancelled'
                UNION ALL
                SELECT closed_at FROM pipeline.opportunities WHERE lead_id = member.lead_id AND status = 'won') bought), false) AS has_left
    FROM (SELECT o.runs_until, o.order_id, o.lead_id, l.root_id FROM pipeline.orders o JOIN pipeline.leads l USING (lead_id)
        JOIN pipeline.leads root ON root.lead_id = l.root_id
    WHERE o.business_unit = :unit AND o.status = 'placed' AND o.runs_until > :now AND o.runs_until <= :until
        AND (CAST(:after AS text) IS NULL OR (o.runs_until, o.order_id) > (CAST(:after_at AS timestamptz), :after))
        AND root.mark IS NULL AND root.status <> 'archived'
        AND (EXISTS (SELECT FROM {_MEMBERS} member JOIN pipeline.leads known USING (lead_id) WHERE known.personal <> '{{}}')
            OR NOT EXISTS (SELECT FROM {_MEMBERS} member JOIN pipeline.erased e ON e.name = CAST(member.lead_id AS text)))
        AND NOT EXISTS (SELECT FROM {_MEMBERS} member JOIN pipeline.tasks t USING (lead_id)
            WHERE t.kind = 'renewal' AND t.order_id = o.order_id)
        AND NOT EXISTS (SELECT FROM pipeline.orders r
            WHERE r.business_unit = o.business_unit AND r.renews = o.order_id AND r.status = 'placed')
    ORDER BY o.runs_until, o.order_id LIMIT :limit) l ORDER BY l.runs_until, l.order_id"""
"""Without those that `needless_renewal` refuses, or that somebody was told of: whatever is asked for in vain costs a lead's lock and its
whole story at each look. Who has left is in no row: it is read of the few of a page, so that each is soon told."""


async def running_out(
    database: Database, business_unit: str, until: datetime, after: RunningOut | None, limit: int
) -> list[RunningOut]:
    """The next orders of a unit that run out up to a moment, soonest first, which are to be renewed and nobody was told of."""
    rows = await database.rows(
        RUNNING_OUT,
        unit=business_unit,
        now=database.clock.now(),
        until=until,
        after=after.order_id if after is not None else None,
        after_at=after.runs_until if after is not None else None,
        limit=limit,
    )
    return [RunningOut(row.runs_until, row.order_id, row.lead_id, row.has_left) for row in rows]


async def look_alone(transaction: Transaction) -> bool:
    """Whether nobody else sees to what runs out at this moment."""
    rows = await transaction.rows("SELECT pg_try_advisory_xact_lock(hashtext('leadflow-pipeline-renewals')) AS alone")
    return bool(rows[0].alone)


def _row(order: OrderState, business_unit: str) -> dict[str, Any]:
    named = {name: order.values.get(name) for name in ("opportunity_id", "amount", "currency", "runs_until", "renews")}
    return {
        "business_unit": business_unit,
        "order_id": order.order_id,
        "lead_id": order.lead_id,
        "status": order.status,
        "refunded": order.refunded_text(),
        "placed_at": order.placed.occurred_at if order.placed is not None else None,
        **named,
    }
