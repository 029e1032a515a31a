"""Which visitors were told of, by day and place, so that each is told once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from services.pipeline.domain.erasure import Erased
from services.pipeline.domain.visiting import Place, Visit, seen
from shared.contracts.identity import derived_event_id
from shared.contracts.topics import PIPELINE_VISITS
from shared.contracts.visit_events import VisitorForgotten, visitor_of
from shared.kit.database import Database, Transaction, as_array

KEEP = """
    INSERT INTO pipeline.visits AS known (visitor, day, channel, source, campaign, way, first_at)
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(
        visitor uuid, day date, channel text, source text, campaign text, way uuid, first_at timestamptz)
    ON CONFLICT (visitor, day, way) DO UPDATE SET first_at = excluded.first_at
        WHERE excluded.first_at < known.first_at
    RETURNING visitor, day, channel, source, campaign"""

BELONG = """
    INSERT INTO pipeline.visitor_leads (visitor, lead_id, day)
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(visitor uuid, lead_id uuid, day date)
    ON CONFLICT DO NOTHING"""


async def keep(transaction: Transaction, visits: Mapping[Place, Visit]) -> None:
    """Tells of those that were not told of yet, or not from so early on; in one order for all writers."""
    rows = [{**place._asdict(), "way": place.way, "first_at": visits[place].at} for place in sorted(visits)]
    for row in await transaction.set_wise(KEEP, rows):
        place = Place(row.visitor, row.day, row.channel, row.source, row.campaign)
        told = seen(place, visits[place], transaction.now)
        transaction.announce(PIPELINE_VISITS.name, str(told.lead_id), told.to_json())


async def belong(transaction: Transaction, visitors: Mapping[tuple[UUID, UUID], date]) -> None:
    """Remembers whose visitors these are, given with their leads and the day on which that was first told; in one order for all writers."""
    rows = [{"visitor": pair[0], "lead_id": pair[1], "day": visitors[pair]} for pair in sorted(visitors)]
    await transaction.set_wise(BELONG, rows)


async def let_go(transaction: Transaction, days: int, limit: int) -> int:
    """Forgets that visitors of long ago were told of: told again it would be the same event, which metrics knows. How many there
    were. Who they were is kept until that is erased: what was told of them stays, and is found by it."""
    rows = await transaction.rows(
        """
        DELETE FROM pipeline.visits WHERE ctid = ANY(ARRAY(SELECT ctid FROM pipeline.visits
            WHERE day < CAST(:today AS date) - CAST(:days AS integer) LIMIT :limit FOR UPDATE SKIP LOCKED)) RETURNING 1""",
        today=transaction.now.date(),
        days=days,
        limit=limit,
    )
    return len(rows)


async def of(source: Database | Transaction, names: Iterable[str], until: datetime | None = None) -> Sequence[Row[Any]]:
    """The days and places at which these names were seen as visitors, as far as that is still kept; up to a moment."""
    visitors = await _visitors(source, names)
    return await source.rows(
        """
        SELECT visitor, day, channel, source, campaign, first_at FROM pipeline.visits
        WHERE visitor = ANY(CAST(:ids AS uuid[])) AND (CAST(:until AS timestamptz) IS NULL OR first_at <= :until)
        ORDER BY first_at, visitor, channel, source, campaign""",
        ids=as_array(visitors),
        until=until,
    )


async def _visitors(source: Database | Transaction, names: Iterable[str]) -> list[UUID]:
    """The visitors that these names, of identities and of leads, may be: also where they were named with another in one
    interaction, that waits or is a lead's."""
    given = list(names)
    tokens = {name for name in given if len(name) != 36}
    beside = await source.rows(
        """
        SELECT beside.token FROM pipeline.waiting_identities known JOIN pipeline.waiting_identities beside
            USING (lead_id, event_id) WHERE known.token = ANY(CAST(:tokens AS text[]))""",
        tokens=sorted(tokens),
    )
    of_leads = await source.rows(
        "SELECT visitor FROM pipeline.visitor_leads WHERE lead_id = ANY(CAST(:ids AS uuid[]))",
        ids=as_array(UUID(name) for name in given if len(name) == 36),
    )
    named = tokens | {row.token for row in beside}
    return sorted({visitor_of(name) for name in named} | {row.visitor for row in of_leads})


async def forget(transaction: Transaction, names: Iterable[str], by: Erased) -> None:
    """Forgets under which ids these visitors were told of, and says that what was told is to be nobody's."""
    visitors = await _visitors(transaction, names)
    for table in ("visits", "visitor_leads"):
        await transaction.execute(
            f"DELETE FROM pipeline.{table} WHERE visitor = ANY(CAST(:ids AS uuid[]))", {"ids": as_array(visitors)}
        )
    for visitor in visitors:
        told = VisitorForgotten(
            event_id=derived_event_id(by.erasure_id, f"VisitorForgotten:{visitor}"),
            lead_id=visitor,
            business_unit="all",
            occurred_at=by.until,
            recorded_at=transaction.now,
            correlation_id=by.erasure_id,
            until=by.until,
        )
        transaction.announce(PIPELINE_VISITS.name, str(visitor), told.to_json())
