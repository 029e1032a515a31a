"""What audits ask: which events have become facts, and whether the numbers follow from the facts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metrics.domain.contributions import contributions
from services.metrics.domain.entries import Dims, Entry, Measure
from services.metrics.domain.facts import Fact
from services.metrics.domain.rollups import RollupKey, RollupSum, Rules, add_up, local_day
from services.metrics.storage.folding import FACT_TEXT, read_fact
from shared.kit.database import Database, as_array

PAGE_ROOTS = 500
SHOWN = 100
TOUCHES = ("LeadCreated", "LeadTouched")
"""Every captured event that pipeline accepts becomes exactly one of these, and names it as its cause."""


async def captured(database: Database, ids: Sequence[UUID]) -> dict[str, list[str]]:
    """Which of these captured events became a touch of a lead here, and of which that touch lies in dead letters. The
    others may still be on their way."""
    rows = await database.rows(
        f"SELECT DISTINCT causation_id FROM metrics.facts WHERE causation_id = ANY(:ids) AND event IN {TOUCHES}",
        ids=list(ids),
    )
    facts = {row.causation_id for row in rows}
    missing = [one for one in ids if one not in facts]
    dead: set[UUID] = set()
    if missing:
        letters = await database.rows("SELECT value FROM metrics.dead_letters WHERE status <> 'redriven'")
        dead = {cause for row in letters if (cause := _touched_by(row.value)) is not None}
    return {
        "facts": [str(one) for one in ids if one in facts],
        "waiting": [],
        "dead_lettered": [str(one) for one in missing if one in dead],
        "unknown": [str(one) for one in missing if one not in dead],
    }


def _touched_by(value: bytes | None) -> UUID | None:
    """The captured event behind a touch, as far as a record's bytes can be read at all."""
    try:
        event = orjson.loads(value or b"")
        return UUID(event["causation_id"]) if event["event"] in TOUCHES else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


async def lifecycle(database: Database, ids: Sequence[tuple[UUID, UUID]]) -> dict[str, list[str]]:
    """Which of these lifecycle events, given as (lead, event), are facts, and which lie in dead letters."""
    events = [event for _, event in ids]
    rows = await database.rows(
        """
        SELECT lead_id, event_id FROM metrics.facts JOIN unnest(CAST(:leads AS uuid[]), CAST(:events AS uuid[]))
            AS asked (lead_id, event_id) USING (lead_id, event_id)""",
        leads=as_array(lead for lead, _ in ids),
        events=as_array(events),
    )
    facts = {(row.lead_id, row.event_id) for row in rows}
    missing = [event for lead, event in ids if (lead, event) not in facts]
    dead: set[UUID] = set()
    if missing:
        letters = await database.rows(
            "SELECT event_id FROM metrics.dead_letters WHERE event_id = ANY(:ids) AND status <> 'redriven'", ids=missing
        )
        dead = {row.event_id for row in letters}
    return {
        "facts": [str(event) for lead, event in ids if (lead, event) in facts],
        "dead_lettered": [str(event) for event in missing if event in dead],
        "unknown": [str(event) for event in missing if event not in dead],
    }


async def stats(database: Database) -> dict[str, Any]:
    """How much there is."""
    (row,) = await database.rows(
        """
        SELECT coalesce(sum(facts), 0) AS facts, max(recorded_at) AS folded_to, max(occurred_at) AS latest,
            (SELECT count(*) FROM metrics.leads) AS leads,
            (SELECT count(*) FROM metrics.leads WHERE root_id <> lead_id) AS merged,
            (SELECT count(*) FROM metrics.dead_letters WHERE status = 'open') AS dead_letters
        FROM metrics.progress"""
    )
    return {
        "facts": int(row.facts),
        "leads": row.leads,
        "merged_leads": row.merged,
        "dead_letters": row.dead_letters,
        "folded_to": row.folded_to,
        "latest_occurred_at": row.latest,
    }


async def rollups(database: Database, rules: Rules) -> dict[str, Any]:
    """Computes entries and rollups from the facts, one page of people at a time in one snapshot of the database, and
    lists where what is kept differs (the first of them; `different` counts all)."""
    differences: list[dict[str, Any]] = []
    checked = different = 0
    sums: dict[RollupKey, RollupSum] = {}
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        async with connection.begin():
            async for groups, kept in _pages(connection):
                wanted: dict[tuple[UUID, str, Any], tuple[Any, ...]] = {}
                for root, facts in groups.items():
                    entries = contributions(root, facts, currency=rules(facts[0].business_unit).currency)
                    add_up(sums, entries, rules)
                    wanted.update({_id(entry): (entry, *_local(entry, rules)) for entry in entries})
                checked += len(wanted)
                wrong = [key for key in wanted.keys() | kept.keys() if wanted.get(key) != kept.get(key)]
                different += len(wrong)
                differences += [
                    {
                        "table": "entries",
                        "root_id": str(root),
                        "key": key,
                        "valid_from": at.isoformat(),
                        "fault": _fault((root, key, at) in wanted, (root, key, at) in kept),
                    }
                    for root, key, at in sorted(wrong)[: SHOWN - len(differences)]
                ]
            async for row in await connection.stream(
                text("SELECT *, count AS n FROM metrics.rollups WHERE count <> 0")
            ):
                key = RollupKey(
                    row.business_unit, row.measure, row.day, row.dimension, row.value, row.age_days, row.currency
                )
                found = RollupSum(row.n, row.durations, row.duration_microseconds, row.amount)
                checked += 1
                if sums.pop(key, None) != found:
                    different += 1
                    differences += [_rollup_fault(key, "differs")][: SHOWN - len(differences)]
            missing = sorted(key for key, total in sums.items() if total)
            checked, different = checked + len(missing), different + len(missing)
            differences += [_rollup_fault(key, "missing") for key in missing[: SHOWN - len(differences)]]
    return {"checked": checked, "different": different, "differences": differences}


def _fault(wanted: bool, kept: bool) -> str:
    return "differs" if wanted and kept else "missing" if wanted else "surplus"


def _rollup_fault(key: RollupKey, fault: str) -> dict[str, Any]:
    return {"table": "rollups", **key._asdict(), "fault": fault}


def _id(entry: Entry) -> tuple[UUID, str, Any]:
    return (entry.root_id, entry.key, entry.valid_from)


def _local(entry: Entry, rules: Rules) -> tuple[Any, Any]:
    zone = rules(entry.business_unit).zone
    return local_day(entry.at, zone), local_day(entry.cohort_at, zone)


async def _pages(connection: AsyncConnection) -> AsyncIterator[tuple[dict[UUID, list[Fact]], dict[Any, Any]]]:
    """Facts by root and kept entries, a page of roots at a time, in the order of their ids."""
    after = UUID(int=0)
    inclusive = True
    while True:
        operator = ">=" if inclusive else ">"
        roots = list(
            await connection.scalars(
                text(
                    f"SELECT lead_id FROM metrics.leads WHERE lead_id {operator} :after AND root_id = lead_id "
                    "ORDER BY lead_id LIMIT :page"
                ),
                {"after": after, "page": PAGE_ROOTS},
            )
        )
        last = len(roots) < PAGE_ROOTS
        upper = UUID(int=2**128 - 1) if last else roots[-1]
        bounds = {"after": after, "upper": upper, "roots": roots}
        groups: dict[UUID, list[Fact]] = {}
        facts = await connection.execute(
            text(
                f"""
                SELECT members.root_id, {FACT_TEXT.replace("lead_id", "f.lead_id", 1)}
                FROM (SELECT lead_id, root_id FROM metrics.leads WHERE lead_id = ANY(:roots)
                      UNION ALL
                      SELECT lead_id, root_id FROM metrics.leads WHERE root_id = ANY(:roots) AND root_id <> lead_id
                     ) AS members
                JOIN metrics.facts AS f ON f.lead_id = members.lead_id"""
            ),
            bounds,
        )
        for root, *columns in facts:
            groups.setdefault(root, []).append(read_fact(columns))
        rows = await connection.execute(
            text(f"SELECT * FROM metrics.entries WHERE root_id {operator} :after AND root_id <= :upper"), bounds
        )
        yield groups, {(row.root_id, row.key, row.valid_from): _kept(row) for row in rows}
        if last:
            return
        after, inclusive = upper, False


def _kept(row: Any) -> tuple[Any, ...]:
    entry = Entry(
        Measure(row.measure) if row.measure in Measure._value2member_map_ else row.measure, row.key, row.business_unit,
        row.at, row.cohort_at,
        Dims(row.channel, row.source, row.campaign, row.product, row.owner, row.team, row.grade), row.stage, row.reason,
        row.duration_seconds, row.negative, row.amount, row.currency, row.root_id, row.valid_from, row.valid_to,
        row.score, row.probability,
    )  # fmt: skip
    return (entry, row.day, row.cohort_day)
