"""What leads' rows say, held against the fold of their history, a page of people at a time; and which events the history has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pipeline.domain.facts import Fact
from services.pipeline.domain.state import LeadState, fold
from services.pipeline.storage.rows import fact_of
from shared.kit.database import Database

ENVELOPE = (
    "event", "event_id", "lead_id", "business_unit", "occurred_at", "recorded_at", "correlation_id", "causation_id", "version",
)  # fmt: skip

Differences = list[dict[str, str]]


async def leads(database: Database, after: UUID | None, limit: int) -> dict[str, Any]:
    """A page of people in the order of their ids, of one moment: what differs by lead, and after whom to go on."""
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        async with connection.begin():
            roots = await _rows(
                connection,
                f"""
                SELECT * FROM pipeline.leads WHERE root_id = lead_id {"AND lead_id > :after" if after else ""}
                ORDER BY lead_id LIMIT :limit""",
                limit=limit,
                **({"after": after} if after else {}),
            )
            ids = [row.lead_id for row in roots]
            members = await _rows(
                connection,
                """
                SELECT lead_id, root_id, version FROM pipeline.leads WHERE lead_id = ANY(:ids)
                UNION ALL
                SELECT lead_id, root_id, version FROM pipeline.leads WHERE root_id = ANY(:ids) AND root_id <> lead_id""",
                ids=ids,
            )
            everybody = [row.lead_id for row in members]
            history = await _rows(
                connection,
                """
                SELECT lead_id, event_id, version, event, occurred_at, data, fingerprint FROM pipeline.history
                WHERE lead_id = ANY(:ids) ORDER BY lead_id, version""",
                ids=everybody,
            )
            deals = await _rows(
                connection, "SELECT * FROM pipeline.opportunities WHERE lead_id = ANY(:ids)", ids=everybody
            )
    root_of = {row.lead_id: row.root_id for row in members}
    stories: dict[UUID, list[Fact]] = {one: [] for one in ids}
    counted = dict.fromkeys(everybody, 0)
    for row in history:
        stories[root_of[row.lead_id]].append(fact_of(row))
        counted[row.lead_id] += 1
    kept = {(row.business_unit, row.opportunity_id): row for row in deals}
    found: Differences = [
        {"lead_id": str(row.lead_id), "fault": f"version {row.version} of {counted[row.lead_id]} facts"}
        for row in members
        if row.version != counted[row.lead_id]
    ]
    for row in roots:
        state = fold(stories[row.lead_id])
        found += _faults(row.lead_id, "", lead_columns(state, row.lead_id), row)
        found += _deals(row, state, kept)
    found += [
        {"lead_id": str(row.lead_id), "fault": f"opportunity {name} is not in the history"}
        for (_, name), row in kept.items()
    ]
    return {
        "checked": len(members),
        "different": len(found),
        "differences": found[:100],
        "next": str(ids[-1]) if len(ids) == limit else None,
    }


def _deals(row: Any, state: LeadState, kept: dict[tuple[str, str], Any]) -> Iterator[dict[str, str]]:
    """What differs in one person's deals, which are taken out of `kept`."""
    for name, deal in state.deals.items():
        there = kept.pop((row.business_unit, name), None)
        if there is None:
            yield {"lead_id": str(deal.lead_id), "fault": f"opportunity {name} has no row"}
            continue
        wanted = {
            "lead_id": deal.lead_id,
            "status": deal.status,
            "opened_at": deal.began_at,
            "closed_at": deal.closed_at,
            **{one: deal.value(one) for one in ("pipeline", "stage", "currency", "product", "owner", "team", "amount")},
        }
        yield from _faults(deal.lead_id, f"opportunity {name}: ", wanted, there)


def _faults(lead_id: UUID, what: str, wanted: Mapping[str, Any], row: Any) -> Iterator[dict[str, str]]:
    """Which columns differ. Values are not told: a lead's owner or product is nobody's business in a log."""
    for column, value in wanted.items():
        if getattr(row, column) != value:
            yield {"lead_id": str(lead_id), "fault": f"{what}{column} is not what the history says"}


def lead_columns(state: LeadState, root_id: UUID) -> dict[str, Any]:
    """What the row of a canonical id says of the whole person."""
    touch, graded, assigned = state.first_touch, state.graded, state.assigned
    archived = state.archived if state.is_archived else None
    fields = ("channel", "source", "medium", "campaign", "product")
    return {
        "status": state.status,
        "created_at": state.created_at,
        "explicit_at": state.explicit_at,
        "first_fact_at": state.first_fact_at,
        "first_touch_at": touch.key.occurred_at if touch else None,
        **{name: getattr(touch, name) if touch else None for name in fields},
        **{name: getattr(graded, name) if graded else None for name in ("score", "grade", "probability")},
        "graded_at": graded.key.occurred_at if graded else None,
        **{name: getattr(assigned, name) if assigned else None for name in ("owner", "team")},
        "assigned_at": assigned.key.occurred_at if assigned else None,
        "first_assigned_at": state.first_assigned_at,
        "first_response_at": state.first_response_at,
        "qualified_at": state.qualified_at,
        "archived_at": archived.key.occurred_at if archived else None,
        "archived_reason": archived.reason if archived else None,
        "mark": state.mark,
        "mark_version": (state.marks[root_id].word_version or None) if root_id in state.marks else None,
    }


async def published(
    database: Database, after: tuple[UUID, UUID] | None, limit: int, before: datetime
) -> dict[str, Any]:
    """A page of the events in the history that were recorded before a moment, and so have to be in the log; what still lies in
    the outbox was recorded after that."""
    rows = await database.rows(
        f"""
        SELECT lead_id, event_id FROM pipeline.history
        WHERE recorded_at < least(CAST(:before AS timestamptz), (SELECT min(created_at) FROM pipeline.outbox) - interval '30 seconds')
            {"AND (lead_id, event_id) > (:lead, :event)" if after else ""}
        ORDER BY lead_id, event_id LIMIT :limit""",
        before=before,
        limit=limit,
        **({"lead": after[0], "event": after[1]} if after else {}),
    )
    ids = [[str(row.lead_id), str(row.event_id)] for row in rows]
    return {"ids": ids, "next": ids[-1] if len(ids) == limit else None}


async def told(database: Database, after: tuple[UUID, UUID] | None, limit: int) -> dict[str, Any]:
    """A page of the history as the events that were published."""
    rows = await database.rows(
        f"""
        SELECT h.*, l.business_unit FROM pipeline.history AS h JOIN pipeline.leads AS l USING (lead_id)
        {"WHERE (h.lead_id, h.event_id) > (:lead, :event)" if after else ""}
        ORDER BY h.lead_id, h.event_id LIMIT :limit""",
        limit=limit,
        **({"lead": after[0], "event": after[1]} if after else {}),
    )
    events = [
        {
            **row.data,
            **{name: getattr(row, name) for name in ENVELOPE if getattr(row, name) is not None},
            "schema_version": 1,
        }
        for row in rows
    ]
    following = [str(rows[-1].lead_id), str(rows[-1].event_id)] if len(rows) == limit else None
    return {"events": events, "next": following}


async def _rows(connection: AsyncConnection, sql: str, **parameters: Any) -> Sequence[Any]:
    return (await connection.execute(text(sql), parameters)).all()
