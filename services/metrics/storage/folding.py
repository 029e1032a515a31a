"""The statements of one batch: a fixed handful, whatever its size."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from psycopg.errors import LockNotAvailable
from sqlalchemy.exc import DBAPIError

from services.metrics.domain.entries import Entry
from services.metrics.domain.facts import Fact, Link
from services.metrics.domain.folding import Folded, Known, Story
from services.metrics.domain.rollups import CARRIED, Delta, EntryId, Rules, local_day
from services.metrics.domain.sketches import weigh
from services.metrics.storage import open_deals, sketches
from services.metrics.storage.remembering import Held, Memory
from shared.kit.database import RacedWrite, Transaction, as_array

FACT_COLUMNS = "lead_id, event_id, version, event, occurred_at, recorded_at, causation_id, business_unit, data"
FACT_TEXT = FACT_COLUMNS.replace("data", "CAST(data AS text) AS data")


def read_fact(columns: Sequence[Any]) -> Fact:
    """A fact from its columns, its data as text, which is quicker to read than the driver's JSON."""
    return Fact._make((*columns[:-1], orjson.loads(columns[-1])))


async def meet(tx: Transaction, lead_ids: Collection[UUID]) -> set[UUID]:
    """Makes rows for leads never met before, each its own root, and returns those. Waits for whoever is meeting them."""
    if not lead_ids:
        return set()
    rows = await tx.rows(
        """
        INSERT INTO metrics.leads (lead_id, root_id, link_version)
        SELECT id, id, 0 FROM unnest(CAST(:ids AS uuid[])) AS id ORDER BY id
        ON CONFLICT DO NOTHING RETURNING lead_id""",
        ids=as_array(lead_ids),
    )
    return {row.lead_id for row in rows}


async def add_facts(tx: Transaction, facts: Iterable[Fact]) -> None:
    """Keeps facts that are not known yet, of leads that are held."""
    rows = [(*fact[:-1], orjson.dumps(fact.data).decode()) for fact in facts]
    await tx.copy("metrics.facts", Fact._fields, rows)


class Groups(NamedTuple):
    """People whose rows are held: each member of their groups with its root, and what is known of who is who."""

    roots: dict[UUID, UUID]
    links: dict[UUID, Link]


async def lock_groups(tx: Transaction, lead_ids: Collection[UUID]) -> Groups:
    """Locks the roots of these leads in order and returns the members of their groups. Nobody can add to or take from a group whose
    root is locked. A root that is another one by then is taken where nobody has it: who has waited once waits for nobody with what
    they hold. Raises `RacedWrite` where somebody has it."""
    held: dict[UUID, tuple[UUID, UUID | None, int]] = {}
    wanted = as_array(lead_ids)
    while lead_ids:
        try:
            rows = await tx.rows(
                f"""
                SELECT {MEMBER} FROM metrics.leads
                WHERE lead_id IN (SELECT root_id FROM metrics.leads WHERE lead_id = ANY(CAST(:ids AS uuid[])))
                ORDER BY lead_id FOR UPDATE {"" if tx.may_wait_for("leads") else "NOWAIT"}""",
                ids=wanted,
            )
        except DBAPIError as error:
            if isinstance(error.orig, LockNotAvailable):
                raise RacedWrite from None
            raise
        before = len(held)
        held |= {row.lead_id: (row.root_id or row.lead_id, row.parent_id, row.link_version) for row in rows}
        # Who was a root when asked for and is one now that it is held is one for as long as that lasts. Whose root is another is asked
        # for again, since it may have got a new one before that was held.
        if len(held) == before or all(lead in held and held[lead][0] == lead for lead in lead_ids):
            break
    if not held:
        return Groups({}, {})
    others = await tx.rows(
        f"SELECT {MEMBER} FROM metrics.leads WHERE root_id = ANY(CAST(:roots AS uuid[])) AND root_id <> lead_id",
        roots=as_array(held),
    )
    held |= {row.lead_id: (row.root_id, row.parent_id, row.link_version) for row in others}
    return Groups(
        {lead: root for lead, (root, _, _) in held.items()},
        {lead: Link(lead, parent, version) for lead, (_, parent, version) in held.items() if version},
    )


MEMBER = "lead_id, CASE WHEN root_id <> lead_id THEN root_id END AS root_id, parent_id, link_version"


async def known_of(tx: Transaction, groups: Groups, new: Iterable[UUID], memory: Memory | None = None) -> Known:
    """What is kept about groups, and about leads just met (`new`), which is nothing. Whose story is remembered as it is kept has it
    from there."""
    everybody = {**groups.roots, **{lead: lead for lead in new}}
    remembered = {} if memory is None else await _remembered(tx, groups.roots, memory)
    read = [lead for lead, root in groups.roots.items() if root not in remembered]
    facts = [fact for story in remembered.values() for fact in story.facts]
    if read:
        rows = await tx.rows(
            f"SELECT {FACT_TEXT} FROM metrics.facts WHERE lead_id = ANY(CAST(:ids AS uuid[]))", ids=as_array(read)
        )
        facts += map(read_fact, rows)
    return Known(groups.links, everybody, facts, {root: story.entries for root, story in remembered.items()})


async def _remembered(tx: Transaction, roots: Mapping[UUID, UUID], memory: Memory) -> dict[UUID, Story]:
    """The stories that are remembered of these people, members given with their roots, and are as they are kept."""
    groups: dict[UUID, list[UUID]] = {}
    for lead, root in roots.items():
        groups.setdefault(root, []).append(lead)
    wanted = [lead for root in memory.stories.keys() & groups.keys() for lead in groups[root]]
    if not wanted:
        return {}
    rows = await tx.rows(
        f"""
        SELECT {TABLE_OF_FACTS} AS here, lead_id, count(*) AS facts FROM metrics.facts
        WHERE lead_id = ANY(CAST(:ids AS uuid[])) GROUP BY lead_id""",
        ids=as_array(wanted),
    )
    if not rows:
        return {}
    return memory.find(groups, Held(rows[0].here, {row.lead_id: row.facts for row in rows}))


TABLE_OF_FACTS = "CAST(pg_relation_filenode('metrics.facts') AS bigint)"
"""Another one whenever the table is put in the place of another, or emptied."""


async def save(tx: Transaction, folded: Folded, rules: Rules) -> None:
    """Writes what a batch changed."""
    links = {link.lead_id: link for link in folded.links}
    await tx.set_wise(
        """
        UPDATE metrics.leads AS l SET root_id = coalesce(r.root_id, l.root_id),
            parent_id = CASE WHEN r.link_version IS NULL THEN l.parent_id ELSE r.parent_id END,
            link_version = coalesce(r.link_version, l.link_version)
        FROM json_to_recordset(CAST(:rows AS json)) AS r(lead_id uuid, root_id uuid, parent_id uuid, link_version integer)
        WHERE l.lead_id = r.lead_id""",
        [
            {
                "lead_id": lead_id,
                "root_id": folded.roots.get(lead_id),
                "parent_id": links[lead_id].parent_id if lead_id in links else None,
                "link_version": links[lead_id].version if lead_id in links else None,
            }
            for lead_id in sorted({*links, *folded.roots})
        ],
    )
    await save_delta(tx, folded.delta, rules)


async def save_delta(tx: Transaction, delta: Delta, rules: Rules) -> None:
    """Writes changed entries, then sums, those in one order for all writers."""
    await forget_entries(tx, delta.removed)
    await add_entries(tx, [*delta.added, *await replace_entries(tx, delta, rules)], rules)
    await add_sums(
        tx,
        [
            {
                "business_unit": key.business_unit,
                "measure": key.measure,
                "day": key.day,
                "dimension": key.dimension,
                "value": key.value,
                "age_days": key.age_days,
                "currency": key.currency,
                "count": total.count,
                "durations": total.durations,
                "duration_microseconds": str(total.duration_microseconds),
                "amount": str(total.amount),
            }
            for key, total in sorted(delta.sums.items())
            if total
        ],
    )
    come = (*delta.replaced, *delta.added)
    await open_deals.add_changes(tx, delta.gone, come, rules)
    await sketches.add_changes(tx, weigh(delta.gone, come, rules))


async def add_sums(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds to sums, given by their key and parts, microseconds and amounts as text, in an order that is the same for all writers.
    What durations have beyond a large number of microseconds is carried over."""
    await tx.set_wise(
        f"""
        INSERT INTO metrics.rollups AS old (measure, dimension, day, business_unit, value, age_days, currency,
            count, durations, duration_microseconds, duration_carried, amount)
        SELECT measure, dimension, day, business_unit, value, age_days, currency, count, durations,
            mod(duration_microseconds, {CARRIED}), div(duration_microseconds, {CARRIED}), amount
        FROM json_to_recordset(CAST(:rows AS json)) AS r(measure text, dimension text, day date,
            business_unit text, value text, age_days integer, currency text,
            count bigint, durations bigint, duration_microseconds numeric, amount numeric)
        ON CONFLICT (measure, dimension, day, business_unit, value, age_days, currency) DO UPDATE SET
            count = old.count + excluded.count, durations = old.durations + excluded.durations,
            duration_microseconds = mod(mod(old.duration_microseconds, {CARRIED}) + excluded.duration_microseconds, {CARRIED}),
            duration_carried = old.duration_carried + old.duration_microseconds / {CARRIED} + excluded.duration_carried
                + (mod(old.duration_microseconds, {CARRIED}) + excluded.duration_microseconds) / {CARRIED},
            amount = old.amount + excluded.amount""",
        rows,
    )


async def forget_entries(tx: Transaction, ids: Sequence[EntryId]) -> None:
    """Removes entries that no longer follow from the facts."""
    await tx.set_wise(
        """
        DELETE FROM metrics.entries AS e
        USING json_to_recordset(CAST(:rows AS json)) AS r(root_id uuid, key text, valid_from timestamptz)
        WHERE e.root_id = r.root_id AND e.key = r.key AND e.valid_from = r.valid_from""",
        [{"root_id": root_id, "key": key, "valid_from": valid_from} for root_id, key, valid_from in ids],
    )


async def add_entries(tx: Transaction, entries: Sequence[Entry], rules: Rules) -> None:
    """Writes entries that follow from the facts and did not before. Their people are held, so that nobody can have written
    them meanwhile: those that are there were counted by an earlier version of the rules, and make way."""
    if not entries:
        return
    rows = entry_rows(entries, rules)
    try:
        async with tx.savepoint():
            await tx.copy("metrics.entries", ENTRY_COLUMNS, rows)
    except RacedWrite:
        await forget_entries(tx, [(entry.root_id, entry.key, entry.valid_from) for entry in entries])
        await tx.copy("metrics.entries", ENTRY_COLUMNS, rows)


async def replace_entries(tx: Transaction, delta: Delta, rules: Rules) -> list[Entry]:
    """Says anew of entries that are there under the same id what has changed in any of them. Answers with those that an earlier
    version of the rules had not made, so that they are not there."""
    entries = delta.replaced
    if not entries:
        return []
    fields = delta.replaced_fields()
    columns = [name for name in ENTRY_COLUMNS if name not in ENTRY_ID and DAY_OF.get(name, name) in fields]
    pick = itemgetter(*map(COLUMN_NAMES.index, (*ENTRY_ID, *columns)))
    names = (*ENTRY_ID, *columns)
    found = await tx.set_wise(
        f"""
        UPDATE metrics.entries AS e SET {", ".join(f"{name} = r.{name}" for name in columns)}
        FROM json_to_recordset(CAST(:rows AS json)) AS r({", ".join(f"{name} {ENTRY_COLUMNS[name]}" for name in names)})
        WHERE e.root_id = r.root_id AND e.key = r.key AND e.valid_from = r.valid_from
        RETURNING e.root_id, e.key, e.valid_from""",
        [dict(zip(names, pick(row), strict=True)) for row in entry_rows(entries, rules)],
    )
    if len(found) == len(entries):
        return []
    there = {(row.root_id, row.key, row.valid_from) for row in found}
    return [entry for entry in entries if (entry.root_id, entry.key, entry.valid_from) not in there]


ENTRY_COLUMNS = {
    "root_id": "uuid",
    "key": "text",
    "valid_from": "timestamptz",
    "valid_to": "timestamptz",
    "measure": "text",
    "business_unit": "text",
    "at": "timestamptz",
    "day": "date",
    "cohort_at": "timestamptz",
    "cohort_day": "date",
    **dict.fromkeys(("channel", "source", "campaign", "product", "owner", "team", "grade", "stage", "reason"), "text"),
    "duration_seconds": "double precision",
    "negative": "boolean",
    "amount": "numeric",
    "currency": "text",
    "score": "integer",
    "probability": "double precision",
    "expected_close": "timestamptz",
    "expected_day": "date",
    "pipeline": "text",
}
ENTRY_ID = ("root_id", "key", "valid_from")
COLUMN_NAMES = tuple(ENTRY_COLUMNS)
DAY_OF = {"day": "at", "cohort_day": "cohort_at", "expected_day": "expected_close"}


def entry_rows(entries: Iterable[Entry], rules: Rules) -> list[tuple[Any, ...]]:
    """Entries as their rows, in the order of `ENTRY_COLUMNS`, with their unit's own calendar days."""
    zones: dict[str, ZoneInfo] = {}
    rows = []
    for entry in entries:
        unit, at, cohort_at, close = entry.business_unit, entry.at, entry.cohort_at, entry.expected_close
        zone = zones.get(unit)
        if zone is None:
            zone = zones[unit] = rules(unit).zone
        day = local_day(at, zone)
        rows.append(
            (
                entry.root_id, entry.key, entry.valid_from, entry.valid_to, entry.measure, unit, at, day, cohort_at,
                day if cohort_at is at else local_day(cohort_at, zone), *entry.dims, entry.stage, entry.reason,
                entry.duration_seconds, entry.negative, None if entry.amount is None else str(entry.amount),
                entry.currency, entry.score, entry.probability, close,
                None if close is None else local_day(close, zone), entry.pipeline,
            )
        )  # fmt: skip
    return rows


async def advance_progress(tx: Transaction, rows: Mapping[int, tuple[int, datetime, datetime]]) -> int | None:
    """Notes for each partition how many facts came, the newest of them by both clocks, and when that was folded. Answers with the
    number of the table that they came into, None where none came."""
    noted = await tx.set_wise(
        f"""
        INSERT INTO metrics.progress AS old (partition, facts, recorded_at, occurred_at, folded_at)
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(
            partition integer, facts bigint, recorded_at timestamptz, occurred_at timestamptz, folded_at timestamptz)
        ON CONFLICT (partition) DO UPDATE SET facts = old.facts + excluded.facts,
            folded_at = CASE WHEN excluded.recorded_at >= old.recorded_at THEN excluded.folded_at ELSE old.folded_at END,
            recorded_at = greatest(old.recorded_at, excluded.recorded_at),
            occurred_at = greatest(old.occurred_at, excluded.occurred_at)
        RETURNING {TABLE_OF_FACTS} AS facts_are_in""",
        [
            {
                "partition": partition,
                "facts": facts,
                "recorded_at": recorded_at,
                "occurred_at": occurred_at,
                "folded_at": tx.now,
            }
            for partition, (facts, recorded_at, occurred_at) in sorted(rows.items())
        ],
    )
    return noted[0].facts_are_in if noted else None
