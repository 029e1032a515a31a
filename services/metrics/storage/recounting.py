"""What people count as by their facts, and what is kept of them, for whoever holds the one against the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metrics.domain.contributions import contributions_by
from services.metrics.domain.entries import Dims, Entry, Measure
from services.metrics.domain.facts import Fact
from services.metrics.domain.rollups import EntryId, Rules, local_day
from services.metrics.storage.folding import FACT_TEXT, read_fact

Dated = tuple[Entry, date, date, date | None]
"""An entry with the local days of what it is, of its cohort, and of when a deal is expected to close."""

FACTS = f"""
    SELECT members.root_id, {FACT_TEXT.replace("lead_id", "f.lead_id", 1)}
    FROM (SELECT lead_id, root_id FROM metrics.leads WHERE lead_id = ANY(:roots)
          UNION ALL
          SELECT lead_id, root_id FROM metrics.leads WHERE root_id = ANY(:roots) AND root_id <> lead_id
         ) AS members
    JOIN metrics.facts AS f ON f.lead_id = members.lead_id"""


async def facts_of(connection: AsyncConnection, roots: Sequence[UUID]) -> dict[UUID, list[Fact]]:
    """The facts of these people, by their canonical id."""
    found: dict[UUID, list[Fact]] = {}
    for root, *columns in await connection.execute(text(FACTS), {"roots": roots}):
        found.setdefault(root, []).append(read_fact(columns))
    return found


def counted_anew(people: Mapping[UUID, Iterable[Fact]], rules: Rules) -> dict[EntryId, Dated]:
    """What people count as, by what their facts say alone."""
    found: dict[EntryId, Dated] = {}
    for root, facts in people.items():
        for entry in contributions_by(root, facts, rules):
            zone = rules(entry.business_unit).zone
            found[entry.root_id, entry.key, entry.valid_from] = (
                entry, local_day(entry.at, zone), local_day(entry.cohort_at, zone),
                None if entry.expected_close is None else local_day(entry.expected_close, zone),
            )  # fmt: skip
    return found


async def kept_of(connection: AsyncConnection, after: UUID | None, upper: UUID) -> dict[EntryId, Dated]:
    """The entries that are kept under the ids from one on (from the first, for None) to another."""
    beyond = "root_id > :after AND" if after is not None else ""
    rows = await connection.execute(
        text(f"SELECT * FROM metrics.entries WHERE {beyond} root_id <= :upper"),
        {"upper": upper, **({"after": after} if after is not None else {})},
    )
    return {(row.root_id, row.key, row.valid_from): _dated(row) for row in rows}


def _dated(row: Any) -> Dated:
    entry = Entry(
        Measure(row.measure) if row.measure in Measure._value2member_map_ else row.measure, row.key, row.business_unit,
        row.at, row.cohort_at,
        Dims(row.channel, row.source, row.campaign, row.product, row.owner, row.team, row.grade), row.stage, row.reason,
        row.duration_seconds, row.negative, row.amount, row.currency, row.root_id, row.valid_from, row.valid_to,
        row.score, row.probability, row.expected_close, row.pipeline,
    )  # fmt: skip
    return entry, row.day, row.cohort_day, row.expected_day
