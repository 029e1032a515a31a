"""What audits ask: which events have become facts, and whether the numbers follow from the facts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metrics.domain.entries import BY_COHORT, DIMENSIONS
from services.metrics.domain.rollups import EntryId, Rules
from services.metrics.domain.sketches import first_day_of
from services.metrics.storage import open_deals, sketches, sums, visitor_registers
from services.metrics.storage.drifting import Drift
from services.metrics.storage.recounting import counted_anew, facts_of, kept_of
from services.metrics.storage.unread import FOLDED_TO
from shared.kit.database import Database, as_array

PAGE_ROOTS = 500
PAGE_LETTERS = 500
SHOWN = 100
LED_BACK = 20
LEADS_NAMED = 5
NO_TIMEOUT = "SET LOCAL statement_timeout = 0"
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
        dead = await _dead_touches(database, set(missing))
    return {
        "facts": [str(one) for one in ids if one in facts],
        "waiting": [],
        "dead_lettered": [str(one) for one in missing if one in dead],
        "unknown": [str(one) for one in missing if one not in dead],
    }


async def _dead_touches(database: Database, missing: set[UUID]) -> set[UUID]:
    """Those of captured events whose touch lies in dead letters. These are read page by page, and none is kept."""
    found: set[UUID] = set()
    after = 0
    while True:
        letters = await database.rows(
            """
            SELECT id, value FROM metrics.dead_letters WHERE status <> 'redriven' AND id > :after
            ORDER BY id LIMIT :page""",
            after=after, page=PAGE_LETTERS,
        )  # fmt: skip
        found |= {cause for row in letters if (cause := _touched_by(row.value)) in missing and cause is not None}
        if len(letters) < PAGE_LETTERS:
            return found
        after = letters[-1].id


def _touched_by(value: bytes | None) -> UUID | None:
    """The captured event behind a touch, as far as a record's bytes can be read at all."""
    try:
        event = orjson.loads(value or b"")
        return UUID(event["causation_id"]) if event["event"] in TOUCHES else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


BESIDE = " UNION ALL ".join(
    f"SELECT event_id FROM metrics.{table} WHERE event_id = ANY(:ids)"
    for table in ("visitors", "forgotten_visitors", "quarantined", "quarantine_settled")
)
"""What is told of visitors and of quarantine is kept by itself."""


async def lifecycle(database: Database, ids: Sequence[tuple[UUID, UUID]]) -> dict[str, list[str]]:
    """Which of these events of leads, visitors and quarantine, given as (lead, event), are facts, and which lie in dead letters."""
    events = [event for _, event in ids]
    rows = await database.rows(
        """
        SELECT lead_id, event_id FROM metrics.facts JOIN unnest(CAST(:leads AS uuid[]), CAST(:events AS uuid[]))
            AS asked (lead_id, event_id) USING (lead_id, event_id)""",
        leads=as_array(lead for lead, _ in ids),
        events=as_array(events),
    )
    facts = {(row.lead_id, row.event_id) for row in rows}
    beside = {row.event_id for row in await database.rows(BESIDE, ids=events)} if len(facts) < len(ids) else set()
    facts |= {(lead, event) for lead, event in ids if event in beside}
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
        f"""
        SELECT coalesce(sum(facts), 0) AS facts, {FOLDED_TO} AS folded_to, max(occurred_at) AS latest,
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
    """Everybody and every sum at once, as of now. For large tables there are `people` and `numbers`, page by page."""
    checked, different = 0, 0
    shown: list[dict[str, Any]] = []

    def add(page: dict[str, Any]) -> Any:
        nonlocal checked, different
        checked, different = checked + page["checked"], different + page["different"]
        shown.extend(page["differences"][: SHOWN - len(shown)])
        return page["next"]

    after = add(await people(database, rules, None, PAGE_ROOTS))
    while after is not None:
        after = add(await people(database, rules, UUID(after), PAGE_ROOTS))
    last = add(await numbers(database, None))
    while last is not None:
        last = add(await numbers(database, last))
    return {"checked": checked, "different": different, "differences": shown}


async def people(database: Database, rules: Rules, after: UUID | None, limit: int) -> dict[str, Any]:
    """Counts a page of people anew from their facts and holds that against the entries that are kept, of one moment."""
    found = _Differences()
    async with _of_one_moment(database) as connection:
        beyond = "lead_id > :after AND" if after is not None else ""
        roots = list(
            await connection.scalars(
                text(
                    f"SELECT lead_id FROM metrics.leads WHERE {beyond} root_id = lead_id ORDER BY lead_id LIMIT :page"
                ),
                {"page": limit, **({"after": after} if after is not None else {})},
            )
        )
        last = len(roots) < limit
        upper = UUID(int=2**128 - 1) if last else roots[-1]
        wanted = counted_anew(await facts_of(connection, roots), rules)
        kept = await kept_of(connection, after, upper)
    found.checked = len(wanted)
    wrong = [key for key in wanted.keys() | kept.keys() if wanted.get(key) != kept.get(key)]
    found.add(_entry_fault(one, one in wanted, one in kept) for one in sorted(wrong))
    return found.page(None if last else str(upper))


async def numbers(database: Database, after: str | None) -> dict[str, Any]:
    """Holds the sums and sketches of the next measure against what its entries add up to, by PostgreSQL and of one moment; at
    first, the registers of visitors against how many visits each day has. Nothing is kept here but the first differences, with
    some of the leads behind each."""
    found = _Differences()
    registers = _Differences()
    async with _of_one_moment(database) as connection:
        if after is None:
            registers.add(map(_register_fault, await connection.execute(text(visitor_registers.DRIFTS))))
        names = sums.measures(await connection.scalars(text(sums.ALL_MEASURES)))
        left = [name for name in names if after is None or name > after]
        if not left:
            return registers.page(None)
        measure = left[0]
        found.checked = (
            await connection.scalar(
                text("SELECT count(*) FROM metrics.rollups WHERE count <> 0 AND measure = :measure"),
                {"measure": measure},
            )
            or 0
        )
        async for one in sums.drifts(connection, measure):
            found.checked += not one.is_kept
            found.add([_sum_fault("rollups", one, measure=measure)])
        async for cell in sketches.drifts(connection, measure):
            found.add([_sum_fault("sketches", cell)])
        async for deals in open_deals.drifts(connection, measure):
            found.add([_sum_fault("open_deals", deals)])
        for fault in found.shown[:LED_BACK]:
            fault["leads"] = await _leads_behind(connection, measure, fault)
    found.different += registers.different
    found.shown = [*registers.shown, *found.shown][:SHOWN]
    return found.page(measure if len(left) > 1 else None, measure=measure)


@asynccontextmanager
async def _of_one_moment(database: Database) -> AsyncIterator[AsyncConnection]:
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        async with connection.begin():
            await connection.execute(text(NO_TIMEOUT))
            yield connection


async def _leads_behind(connection: AsyncConnection, measure: str, fault: dict[str, Any]) -> list[str]:
    """Some of the people who are counted in a number that differs; of what is told by blocks of days, in the first day."""
    day = "cohort_day" if measure in BY_COHORT else "day"
    cut = f"AND {fault['dimension']} = :value" if fault["dimension"] in DIMENSIONS else ""
    if fault["table"] == "open_deals":
        day, on = f"coalesce(expected_day, {open_deals.NO_DAY})", fault["expected_day"]
    else:
        on = fault["day"] if "day" in fault else first_day_of(fault["block"])
    rows = await connection.scalars(
        text(
            f"""
            SELECT DISTINCT root_id FROM metrics.entries
            WHERE measure = :measure AND {day} = :day AND business_unit = :unit AND valid_to IS NULL {cut}
            ORDER BY root_id LIMIT {LEADS_NAMED}"""
        ),
        {"measure": measure, "day": on, "unit": fault["business_unit"], **({"value": fault["value"]} if cut else {})},
    )
    return [str(one) for one in rows]


@dataclass(slots=True)
class _Differences:
    """How much was looked at, how much of it was not as it should be, and the first of that."""

    checked: int = 0
    different: int = 0
    shown: list[dict[str, Any]] = field(default_factory=list)

    def page(self, following: str | None, **more: Any) -> dict[str, Any]:
        """One page of an audit, and after what to go on."""
        return {
            "checked": self.checked,
            "different": self.different,
            "differences": self.shown,
            "next": following,
            **more,
        }

    def add(self, faults: Iterable[dict[str, Any]]) -> None:
        for one in faults:
            self.different += 1
            if len(self.shown) < SHOWN:
                self.shown.append(one)


def _entry_fault(one: EntryId, wanted: bool, kept: bool) -> dict[str, Any]:
    root, key, at = one
    fault = _fault(wanted, kept)
    return {"table": "entries", "root_id": str(root), "key": key, "valid_from": at.isoformat(), "fault": fault}


def _fault(wanted: bool, kept: bool) -> str:
    return "differs" if wanted and kept else "missing" if wanted else "surplus"


def _sum_fault(table: str, drift: Drift, **place: Any) -> dict[str, Any]:
    return {"table": table, **place, **drift.place, "fault": "differs" if drift.is_kept else "missing"}


def _register_fault(row: Row[Any]) -> dict[str, Any]:
    place = {"day": row.day.isoformat(), "business_unit": row.business_unit}
    return {"table": "visitor_registers", **place, "fault": _fault(row.seen > 0, row.kept is not None)}
