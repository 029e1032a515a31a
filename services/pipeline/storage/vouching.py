"""For whom webhooks go on: which credentials vouch for them, and whether these are still good for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from services.pipeline.domain.access import Units
from services.pipeline.storage import webhooks
from shared.kit.database import Transaction

ENDED = "credentials ended"
UNSEEN = "not vouched for"
LOST = "role lost"


async def handed_on(transaction: Transaction) -> None:
    """What a token vouched for that was replaced, its successor vouches for; if that was replaced too, the last of them. Endpoints
    are held in one order."""
    await transaction.execute(
        """
        WITH RECURSIVE heir AS (
            SELECT k.prefix AS of, k.replaced_by AS prefix FROM pipeline.webhook_endpoints e
            JOIN pipeline.api_keys k ON k.prefix = e.vouched_by WHERE k.replaced_by IS NOT NULL AND e.state <> 'removed'
            UNION
            SELECT h.of, k.replaced_by FROM heir h JOIN pipeline.api_keys k USING (prefix) WHERE k.replaced_by IS NOT NULL
        ), held AS (
            SELECT endpoint_id FROM pipeline.webhook_endpoints
            WHERE vouched_by IN (SELECT of FROM heir) AND state <> 'removed' ORDER BY endpoint_id FOR UPDATE
        )
        UPDATE pipeline.webhook_endpoints e SET vouched_by = h.prefix
        FROM held, heir h LEFT JOIN pipeline.api_keys k USING (prefix)
        WHERE e.endpoint_id = held.endpoint_id AND h.of = e.vouched_by AND k.replaced_by IS NULL"""
    )


async def without(transaction: Transaction, seen_since: datetime) -> dict[UUID, str]:
    """Endpoints that go on though nobody vouches for them any more, and why: their token was revoked or has expired, or the person
    was not seen since with a role for it."""
    rows = await transaction.rows(
        """
        SELECT e.endpoint_id, CASE WHEN k.prefix IS NULL THEN :unseen ELSE :ended END AS reason
        FROM pipeline.webhook_endpoints e LEFT JOIN pipeline.api_keys k ON k.prefix = e.vouched_by
        WHERE e.state = 'live' AND (k.revoked_at IS NOT NULL OR k.expires_at <= :now
            OR starts_with(e.vouched_by, 'oidc:') AND e.vouched_at < :since)
        ORDER BY e.endpoint_id""",
        now=transaction.now,
        since=seen_since,
        unseen=UNSEEN,
        ended=ENDED,
    )
    return {row.endpoint_id: row.reason for row in rows}


async def seen(transaction: Transaction, reached: Mapping[str, Units]) -> dict[UUID, str]:
    """Somebody came, with a role to follow these units: for what they vouch there they are seen, for what they vouch elsewhere not
    any more; which that is."""
    lost: dict[UUID, str] = {}
    await transaction.rows(
        """
        SELECT 1 FROM pipeline.webhook_endpoints WHERE vouched_by = ANY(:names) AND state <> 'removed'
        ORDER BY endpoint_id FOR UPDATE""",
        names=sorted(reached),
    )
    for name in sorted(reached):
        units = reached[name]
        rows = await transaction.rows(
            """
            UPDATE pipeline.webhook_endpoints SET
                vouched_at = CASE WHEN :everywhere OR business_unit = ANY(:units) THEN :now ELSE vouched_at END
            WHERE vouched_by = :name AND state <> 'removed'
            RETURNING endpoint_id, state, NOT (:everywhere OR business_unit = ANY(:units)) AS is_lost""",
            name=name,
            everywhere=units is None,
            units=sorted(units or ()),
            now=transaction.now,
        )
        lost |= {row.endpoint_id: LOST for row in rows if row.is_lost and row.state == "live"}
    return lost


async def pause(transaction: Transaction, reasons: Mapping[UUID, str]) -> dict[UUID, str]:
    """Sends nothing more to these; those that it was so with."""
    paused: dict[UUID, str] = {}
    for endpoint_id, reason in sorted(reasons.items()):
        row = await webhooks.one(transaction, endpoint_id, held=True)
        if row is not None and row.state == "live":
            stopped = {"state": "disabled", "disabled_reason": reason}
            await webhooks.change(transaction, endpoint_id, stopped, f"disabled: {reason}", webhooks.ITSELF)
            paused[endpoint_id] = reason
    return paused
