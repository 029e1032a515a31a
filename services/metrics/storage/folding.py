"""The statements of one batch: a fixed handful, whatever its size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from services.metrics.domain.entries import Entry
from services.metrics.domain.facts import Fact, Link
from services.metrics.domain.folding import Folded, Known
from services.metrics.domain.rollups import Delta, EntryId, Rules, local_day
from services.metrics.domain.sketches import weigh
from services.metrics.storage import sketches
from shared.kit.database import RacedWrite, Transaction, as_array

FACT_COLUMNS = "lead_id, event_id, version, event, occurred_at, recorded_at, causation_id, business_unit, data"
FACT_TEXT = FACT_COLUMNS.replace("data", "CAST(data AS text) AS data")


def read_fact(columns: Sequence[Any]) -> Fact:
    """A fact from its columns, its data as text, which is quicker to read than the driver's JSON."""
    return Fact._make((*columns[:-1], orjson.loads(columns[-1])))


async def meet(tx: Transaction, lead_ids: Iterable[UUID]) -> set[UUID]:
    """Makes rows for leads never met before, each its own root, and returns those. Waits for whoever is meeting them."""
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


async def lock_groups(tx: Transaction, lead_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Locks the roots of these leads in order and returns each member of their groups with its root. Nobody can add to
    or take from a group whose root is locked."""
    wanted = as_array(lead_ids)
    locked: set[UUID] = set()
    while True:
        rows = await tx.rows(
            "SELECT DISTINCT root_id FROM metrics.leads WHERE lead_id = ANY(CAST(:ids AS uuid[]))", ids=wanted
        )
        missing = {row.root_id for row in rows} - locked
        if not missing:
            break
        await tx.execute(
            "SELECT 1 FROM metrics.leads WHERE lead_id = ANY(CAST(:ids AS uuid[])) ORDER BY lead_id FOR UPDATE",
            {"ids": as_array(missing)},
        )
        locked |= missing
    if not locked:
        return {}
    members = await tx.rows(
        """
        SELECT lead_id, root_id FROM metrics.leads WHERE lead_id = ANY(CAST(:roots AS uuid[]))
        UNION ALL
        SELECT lead_id, root_id FROM metrics.leads WHERE root_id = ANY(CAST(:roots AS uuid[])) AND root_id <> lead_id""",
        roots=as_array(locked),
    )
    return {row.lead_id: row.root_id for row in members}


async def known_of(tx: Transaction, roots: Mapping[UUID, UUID], new: Iterable[UUID]) -> Known:
    """What is kept about groups, members given with their roots, and about leads just met (`new`), which is nothing."""
    everybody = {**roots, **{lead: lead for lead in new}}
    if not roots:
        return Known({}, everybody, ())
    members = as_array(roots)
    links = await tx.rows(
        """
        SELECT lead_id, parent_id, link_version FROM metrics.leads
        WHERE lead_id = ANY(CAST(:ids AS uuid[])) AND link_version > 0""",
        ids=members,
    )
    facts = await tx.rows(
        f"SELECT {FACT_TEXT} FROM metrics.facts WHERE lead_id = ANY(CAST(:ids AS uuid[]))", ids=members
    )
    return Known({row.lead_id: Link(*tuple(row)) for row in links}, everybody, [read_fact(row) for row in facts])


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
    await add_entries(tx, [*delta.added, *await replace_entries(tx, delta.replaced, rules)], rules)
    await add_sums(
        tx,
        [
            {
                **key._asdict(),
                "count": total.count,
                "durations": total.durations,
                "duration_microseconds": total.duration_microseconds,
                "amount": total.amount,
            }
            for key, total in sorted(delta.sums.items())
            if total
        ],
    )
    await sketches.add_changes(tx, weigh(delta.gone, (*delta.replaced, *delta.added), rules))


async def add_sums(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds to sums, given by their key and parts, in an order that is the same for all writers."""
    await tx.set_wise(
        """
        INSERT INTO metrics.rollups AS old (measure, dimension, day, business_unit, value, age_days, currency,
            count, durations, duration_microseconds, amount)
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(measure text, dimension text, day date,
            business_unit text, value text, age_days integer, currency text,
            count bigint, durations bigint, duration_microseconds bigint, amount numeric)
        ON CONFLICT (measure, dimension, day, business_unit, value, age_days, currency) DO UPDATE SET
            count = old.count + excluded.count, durations = old.durations + excluded.durations,
            duration_microseconds = old.duration_microseconds + excluded.duration_microseconds,
            amount = old.amount + excluded.amount""",
        [{**row, "amount": str(row["amount"])} for row in rows],
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
    rows = [entry_row(entry, rules) for entry in entries]
    try:
        async with tx.savepoint():
            await tx.copy("metrics.entries", ENTRY_COLUMNS, rows)
    except RacedWrite:
        await forget_entries(tx, [(entry.root_id, entry.key, entry.valid_from) for entry in entries])
        await tx.copy("metrics.entries", ENTRY_COLUMNS, rows)


async def replace_entries(tx: Transaction, entries: Sequence[Entry], rules: Rules) -> list[Entry]:
    """Says anew what entries are that are there under the same id. Answers with those that an earlier version of the rules
    had not made, so that they are not there."""
    found = await tx.set_wise(
        f"""
        UPDATE metrics.entries AS e SET
            {", ".join(f"{n} = r.{n}" for n in ENTRY_COLUMNS if n not in ("root_id", "key", "valid_from"))}
        FROM json_to_recordset(CAST(:rows AS json)) AS r(
            {", ".join(f"{name} {kind}" for name, kind in ENTRY_COLUMNS.items())})
        WHERE e.root_id = r.root_id AND e.key = r.key AND e.valid_from = r.valid_from
        RETURNING e.root_id, e.key, e.valid_from""",
        [dict(zip(ENTRY_COLUMNS, entry_row(entry, rules), strict=True)) for entry in entries],
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


def entry_row(entry: Entry, rules: Rules) -> tuple[Any, ...]:
    """An entry as its row, in the order of `ENTRY_COLUMNS`, with the unit's own calendar days."""
    zone = rules(entry.business_unit).zone
    amount = None if entry.amount is None else str(entry.amount)
    close = entry.expected_close
    return (
        entry.root_id, entry.key, entry.valid_from, entry.valid_to, entry.measure, entry.business_unit,
        entry.at, local_day(entry.at, zone), entry.cohort_at, local_day(entry.cohort_at, zone), *entry.dims,
        entry.stage, entry.reason, entry.duration_seconds, entry.negative, amount, entry.currency,
        entry.score, entry.probability, close, None if close is None else local_day(close, zone), entry.pipeline,
    )  # fmt: skip


async def advance_progress(tx: Transaction, rows: Mapping[int, tuple[int, datetime, datetime]]) -> None:
    """Notes for each partition how many facts came, the newest of them by both clocks, and when that was folded."""
    await tx.set_wise(
        """
        INSERT INTO metrics.progress AS old (partition, facts, recorded_at, occurred_at, folded_at)
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(
            partition integer, facts bigint, recorded_at timestamptz, occurred_at timestamptz, folded_at timestamptz)
        ON CONFLICT (partition) DO UPDATE SET facts = old.facts + excluded.facts,
            folded_at = CASE WHEN excluded.recorded_at >= old.recorded_at THEN excluded.folded_at ELSE old.folded_at END,
            recorded_at = greatest(old.recorded_at, excluded.recorded_at),
            occurred_at = greatest(old.occurred_at, excluded.occurred_at)""",
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
