"""When numbers disagree: all that anybody keeps about the leads in question, so that one failure is enough to go on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any
from uuid import UUID

import orjson

from shared.kit.database import Database
from tests.faults.storm.log import Entry, Log

UUIDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NAMED_AT_MOST = 60
SAID_OF_LEADS = ("lead_id", "into_lead_id", "from_lead_id", "recorded_under")
LEFT_OUT_OF_EVENTS = ("identities", "personal", "schema_version", "business_unit", "correlation_id", "flags")

INVOLVED = """
    WITH named AS (SELECT unnest(CAST(:names AS uuid[])) AS id),
    stories AS (
        SELECT id FROM named
        UNION SELECT lead_id FROM pipeline.history WHERE event_id IN (TABLE named) OR causation_id IN (TABLE named)
        UNION SELECT lead_id FROM pipeline.waiting WHERE event_id IN (TABLE named)
        UNION SELECT lead_id FROM scoring.touches WHERE event_id IN (TABLE named)
        UNION SELECT lead_id FROM metrics.facts WHERE event_id IN (TABLE named)),
    roots AS (
        SELECT root_id AS id FROM pipeline.leads WHERE lead_id IN (TABLE stories)
        UNION SELECT root_id FROM scoring.leads WHERE lead_id IN (TABLE stories)
        UNION SELECT root_id FROM metrics.leads WHERE lead_id IN (TABLE stories))
    SELECT id FROM stories
    UNION SELECT lead_id FROM pipeline.leads WHERE root_id IN (TABLE roots)
    UNION SELECT lead_id FROM scoring.leads WHERE root_id IN (TABLE roots)
    UNION SELECT lead_id FROM metrics.leads WHERE root_id IN (TABLE roots)"""

KEPT = {
    "pipeline.leads": "root_id, lead_id",
    "pipeline.history": "lead_id, version",
    "pipeline.waiting": "arrival",
    "pipeline.never_merge": "lead_id, other_id",
    "pipeline.opportunities": "opportunity_id",
    "pipeline.identities": "lead_id",
    "scoring.leads": "root_id, lead_id",
    "scoring.touches": "lead_id, occurred_at",
    "scoring.attachments": "lead_id, event_id",
    "scoring.outcomes": "lead_id, occurred_at",
    "metrics.leads": "root_id, lead_id",
    "metrics.facts": "lead_id, version",
}
"""What each service has about a lead, and in which order it is told."""


async def evidence(database: Database, log: Log, faults: Sequence[str]) -> str:
    """Of the leads that the faults name: what every service keeps, and what the log said."""
    names = list(dict.fromkeys(UUIDS.findall("\n".join(faults))))[:NAMED_AT_MOST]
    ids = {row.id for row in await database.rows(INVOLVED, names=names)}
    parts = [f"--- {table}\n" + "\n".join(await _kept(database, table, ids)) for table in KEPT]
    parts.append("--- the log, about them\n" + "\n".join(_said(log, {str(one) for one in ids})))
    return "\n\n".join(parts)


async def _kept(database: Database, table: str, ids: Collection[UUID]) -> list[str]:
    rows = await database.rows(
        f"""SELECT jsonb_strip_nulls(to_jsonb(t) - 'personal' - 'value') AS document FROM {table} t
            WHERE lead_id = ANY(CAST(:ids AS uuid[])) ORDER BY {KEPT[table]}""",
        ids=list(ids),
    )
    return [_line(row.document) for row in rows]


def _said(log: Log, ids: Collection[str]) -> Iterator[str]:
    about: list[tuple[Entry, dict[str, Any]]] = []
    for entries in log.partitions.values():
        for entry in entries:
            event = orjson.loads(entry.value)
            if any(event.get(name) in ids for name in SAID_OF_LEADS):
                about.append((entry, event))
    for entry, event in sorted(about, key=lambda one: one[0].number):
        said = {name: value for name, value in event.items() if name not in LEFT_OUT_OF_EVENTS}
        yield f"{entry.number} {entry.topic}/{entry.partition}@{entry.offset} {_line(said)}"


def _line(document: dict[str, Any]) -> str:
    return orjson.dumps(document).decode()
