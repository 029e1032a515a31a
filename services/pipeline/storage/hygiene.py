"""Hygiene: leads looked at page by page, what was found of them kept for as long as it is found, lists and numbers of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from services.pipeline.domain.access import Units
from services.pipeline.domain.hygiene import NO_SIGN_OF_LIFE, Attempt, Finding, Record, known_fields
from services.pipeline.domain.taken_back import touch_of
from services.pipeline.storage.places import of_units
from shared.kit.database import Database, Transaction, as_array

KEPT_DAYS = 800
"""How long what was put in order stays on the lists of its time: two years and what is left of a quarter."""

_TOUCH = ("channel", "source", "medium", "campaign", "product")

PAGE = """
    SELECT l.lead_id, l.business_unit, l.status, l.created_at, l.channel, l.source, l.medium, l.campaign, l.product
    FROM pipeline.leads l
    WHERE l.lead_id = l.root_id AND l.mark IS NULL AND l.status <> 'archived'
        AND (CAST(:after AS uuid) IS NULL OR l.lead_id > :after)
        AND NOT (l.personal = '{}' AND EXISTS (SELECT FROM pipeline.erased e WHERE e.name = CAST(l.lead_id AS text)))
    ORDER BY l.lead_id LIMIT :limit"""

MEMBERS = """
    SELECT lead_id AS root_id, lead_id, personal FROM pipeline.leads WHERE lead_id = ANY(CAST(:ids AS uuid[]))
    UNION ALL
    SELECT root_id, lead_id, personal FROM pipeline.leads
    WHERE root_id = ANY(CAST(:ids AS uuid[])) AND root_id <> lead_id"""

STORIES = """
    SELECT h.lead_id,
        max(h.occurred_at) FILTER (WHERE h.event NOT IN ('LeadGraded', 'LeadMerged', 'LeadUnmerged', 'LeadMarked')
            AND NOT h.data ? 'retracts' AND h.event NOT LIKE 'FollowUp%' AND NOT coalesce(CAST(h.data ->> 'automatic' AS boolean), false)
            AND NOT (h.event = 'LeadTouched' AND h.data ->> 'kind' = ANY(:lifeless))) AS worked_at,
        max(h.occurred_at) FILTER (WHERE h.event = 'LeadTouched' AND NOT h.data ? 'retracts' AND h.data ->> 'kind' <> ALL(:lifeless)
            OR h.event = 'ContactAttempted' AND h.data ->> 'outbound' = 'false') AS alive_at,
        max(h.occurred_at) FILTER (WHERE h.event = 'LeadTouched' AND NOT h.data ? 'retracts' AND h.data ->> 'kind' = 'email_bounce'
            OR h.event = 'ContactAttempted' AND h.data ? 'message_id' AND h.data ->> 'outcome' = 'bounced') AS bounced_at,
        jsonb_agg(jsonb_build_array(h.occurred_at, h.data ->> 'outcome')) FILTER (WHERE h.event = 'ContactAttempted'
            AND coalesce(h.data ->> 'outbound', 'true') = 'true' AND NOT h.data ? 'message_id') AS attempts,
        array_agg(h.data ->> 'retracts') FILTER (WHERE h.event = 'LeadTouched' AND h.data ? 'retracts') AS taken_back
    FROM pipeline.history h WHERE h.lead_id = ANY(CAST(:ids AS uuid[])) AND h.event_id <> ALL(CAST(:gone AS uuid[]))
    GROUP BY h.lead_id"""
"""What became of a message says nothing of whether somebody was reached, but that it came back; that something was taken back is
no work and no sign of life."""

SUSPECTED = """
    SELECT found.lead_id, count(*) AS candidates, min(found.found_at) AS since FROM (
        SELECT lead_id, found_at, other_id FROM pipeline.merge_candidates
        WHERE status = 'open' AND lead_id = ANY(CAST(:ids AS uuid[]))
        UNION ALL SELECT other_id, found_at, lead_id FROM pipeline.merge_candidates
        WHERE status = 'open' AND other_id = ANY(CAST(:ids AS uuid[]))
    ) found
    JOIN pipeline.leads one ON one.lead_id = found.lead_id JOIN pipeline.leads other ON other.lead_id = found.other_id
    JOIN pipeline.leads root ON root.lead_id = other.root_id
    WHERE one.root_id <> other.root_id AND root.mark IS NULL GROUP BY found.lead_id"""


async def stand_alone(transaction: Transaction) -> bool:
    """Whether this transaction is the only one that looks."""
    rows = await transaction.rows("SELECT pg_try_advisory_xact_lock(hashtext('leadflow-pipeline-hygiene')) AS alone")
    return bool(rows[0].alone)


async def look(source: Database | Transaction) -> Any | None:
    """How far the present look is, None before the first."""
    rows = await source.rows("SELECT * FROM pipeline.hygiene_look WHERE look = 1")
    return rows[0] if rows else None


async def begin(transaction: Transaction) -> None:
    """A new look at all leads."""
    await transaction.execute(
        """
        INSERT INTO pipeline.hygiene_look (look, began_at, counts) VALUES (1, :now, '{}')
        ON CONFLICT (look) DO UPDATE SET position = NULL, began_at = excluded.began_at, ended_at = NULL""",
        {"now": transaction.now},
    )


async def page(transaction: Transaction, after: UUID | None, limit: int) -> list[Record]:
    """The next leads in the order of their ids, each with all that is one person with it."""
    rows = await transaction.rows(PAGE, after=after, limit=limit)
    members = await transaction.rows(MEMBERS, ids=as_array(row.lead_id for row in rows))
    ids = as_array(row.lead_id for row in members)
    stories = await _stories(transaction, ids, gone=())
    if corrected := [story for story in stories.values() if story.taken_back]:
        gone = [touch_of(UUID(one)) for story in corrected for one in story.taken_back]
        stories |= await _stories(transaction, as_array(story.lead_id for story in corrected), gone=gone)
    suspected = {row.lead_id: row for row in await transaction.rows(SUSPECTED, ids=ids)}
    of_root: dict[UUID, list[Any]] = {}
    for member in members:
        of_root.setdefault(member.root_id, []).append(member)
    return [_record(row, of_root[row.lead_id], stories, suspected) for row in rows]


async def _stories(transaction: Transaction, ids: str, *, gone: Iterable[UUID]) -> dict[UUID, Any]:
    """What the stories of leads say of them, without the touches that never were."""
    lifeless = list(NO_SIGN_OF_LIFE)
    rows = await transaction.rows(STORIES, ids=ids, lifeless=lifeless, gone=as_array(gone))
    return {row.lead_id: row for row in rows}


def _record(row: Any, members: Sequence[Any], stories: Mapping[UUID, Any], suspected: Mapping[UUID, Any]) -> Record:
    told = [stories[one.lead_id] for one in members if one.lead_id in stories]
    others = [suspected[one.lead_id] for one in members if one.lead_id in suspected]
    attempts = [Attempt(datetime.fromisoformat(at), outcome) for one in told for at, outcome in (one.attempts or ())]
    return Record(
        row.lead_id,
        row.business_unit,
        row.status,
        known_fields([one.personal for one in members], {name: getattr(row, name) for name in _TOUCH}),
        _latest(one.worked_at for one in told) or row.created_at,
        _latest(one.alive_at for one in told),
        _latest(one.bounced_at for one in told),
        attempts,
        sum(one.candidates for one in others),
        min((one.since for one in others), default=None),
    )


def _latest(times: Iterable[datetime | None]) -> datetime | None:
    return max((one for one in times if one is not None), default=None)


async def keep(transaction: Transaction, found: Sequence[Finding], *, after: UUID | None, until: UUID | None) -> None:
    """Keeps what was found of the leads after one id, up to another where there is one; what is not found of them any more is put in
    order."""
    rows = [
        {**one._asdict(), "facts": orjson.Fragment(orjson.dumps(one.facts))}
        for one in sorted(found, key=lambda one: (one.lead_id, one.kind))
    ]
    await transaction.set_wise(
        """
        INSERT INTO pipeline.hygiene AS h (lead_id, kind, found_at, business_unit, facts)
        SELECT lead_id, kind, :now, business_unit, facts
        FROM json_to_recordset(CAST(:rows AS json)) AS r(lead_id uuid, business_unit text, kind text, facts jsonb)
        ON CONFLICT (lead_id, kind) WHERE resolved_at IS NULL DO UPDATE SET facts = excluded.facts
        WHERE h.facts <> excluded.facts""",
        rows,
        now=transaction.now,
    )
    await transaction.execute(
        """
        UPDATE pipeline.hygiene h SET resolved_at = :now
        WHERE h.resolved_at IS NULL AND (CAST(:after AS uuid) IS NULL OR h.lead_id > :after)
            AND (CAST(:until AS uuid) IS NULL OR h.lead_id <= :until) AND NOT EXISTS (
                SELECT FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[])) AS f(lead_id, kind)
                WHERE f.lead_id = h.lead_id AND f.kind = h.kind)""",
        {
            "now": transaction.now,
            "after": after,
            "until": until,
            "ids": as_array(one.lead_id for one in found),
            "kinds": [one.kind for one in found],
        },
    )


async def go_on(transaction: Transaction, position: UUID) -> None:
    """A page was looked at."""
    await transaction.execute(
        "UPDATE pipeline.hygiene_look SET position = :position WHERE look = 1", {"position": position}
    )


async def end(transaction: Transaction) -> None:
    """All leads were looked at: what there is is counted, and what was put in order long ago is forgotten."""
    rows = await transaction.rows(
        "SELECT business_unit, kind, count(*) AS n FROM pipeline.hygiene WHERE resolved_at IS NULL GROUP BY 1, 2"
    )
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        counts.setdefault(row.business_unit, {})[row.kind] = row.n
    await transaction.execute(
        """
        UPDATE pipeline.hygiene_look SET ended_at = :now, counted_at = :now, counts = CAST(:counts AS jsonb) WHERE look = 1""",
        {"now": transaction.now, "counts": orjson.dumps(counts).decode()},
    )
    await transaction.execute(
        "DELETE FROM pipeline.hygiene WHERE resolved_at < :before",
        {"before": transaction.now - timedelta(days=KEPT_DAYS)},
    )


def _asked(
    units: Units, kinds: Collection[str], start: datetime, end_at: datetime, *, open_only: bool
) -> tuple[str, dict[str, Any]]:
    conditions, parameters = of_units("h.business_unit", units)
    conditions += ["h.found_at < :end", "(h.resolved_at IS NULL OR h.resolved_at >= :start)"]
    parameters |= {"start": start, "end": end_at}
    if kinds:
        conditions.append("h.kind = ANY(:kinds)")
        parameters["kinds"] = list(kinds)
    if open_only:
        conditions.append("h.resolved_at IS NULL")
    return " AND ".join(conditions), parameters


async def listing(
    source: Database,
    *,
    units: Units,
    kind: str | None,
    start: datetime,
    end_at: datetime,
    open_only: bool,
    after: tuple[datetime, UUID, str] | None,
    limit: int,
) -> Sequence[Any]:
    """A page of what was to be put in order at some time of a period, what was found first first."""
    asked, parameters = _asked(units, [kind] if kind else [], start, end_at, open_only=open_only)
    if after is not None:
        asked += " AND (h.found_at, h.lead_id, h.kind) > (:after_at, :after_id, :after_kind)"
        parameters |= {"after_at": after[0], "after_id": after[1], "after_kind": after[2]}
    return await source.rows(
        f"""
        SELECT h.*, l.root_id, root.owner, root.team, root.status FROM pipeline.hygiene h
        JOIN pipeline.leads l USING (lead_id) JOIN pipeline.leads root ON root.lead_id = l.root_id
        WHERE {asked} ORDER BY h.found_at, h.lead_id, h.kind LIMIT :limit""",
        limit=limit,
        **parameters,
    )


async def numbers(source: Database, *, units: Units, start: datetime, end_at: datetime) -> Sequence[Any]:
    """How much there was of each kind in each unit: in all, found and put in order within the period, and left at its end."""
    asked, parameters = _asked(units, [], start, end_at, open_only=False)
    return await source.rows(
        f"""
        SELECT h.business_unit, h.kind, count(*) AS entries, count(*) FILTER (WHERE h.found_at >= :start) AS found,
            count(*) FILTER (WHERE h.resolved_at < :end) AS resolved,
            count(*) FILTER (WHERE h.resolved_at IS NULL OR h.resolved_at >= :end) AS left_over
        FROM pipeline.hygiene h WHERE {asked} GROUP BY 1, 2 ORDER BY 1, 2""",
        **parameters,
    )


async def forget(transaction: Transaction, lead_ids: Collection[UUID]) -> None:
    """Nobody has to put in order what is known of somebody who was erased."""
    await transaction.execute(
        "DELETE FROM pipeline.hygiene WHERE lead_id = ANY(CAST(:ids AS uuid[]))", {"ids": as_array(lead_ids)}
    )
