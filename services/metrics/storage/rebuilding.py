"""Counting everybody again in place: a page of people, or the sums of one measure, in each transaction. At last all days have
their visitors' registers made again, by whoever makes those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from services.metrics.domain.rollups import Delta, Rules
from services.metrics.storage import folding, open_deals, sketches, sums, visitor_registers
from services.metrics.storage.drifting import Drift
from services.metrics.storage.recounting import counted_anew, facts_of, kept_of
from shared.kit.database import Database, Transaction

PAGE = 500
LAST = UUID(int=2**128 - 1)


async def ask(tx: Transaction, rebuild_id: UUID) -> Row[Any]:
    """Has everybody counted again; asked while that goes on, it is the same one."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('leadflow-metrics-rebuilds'))")
    going_on = await tx.rows("SELECT * FROM metrics.rebuilds WHERE finished_at IS NULL")
    if going_on:
        return going_on[0]
    (row,) = await tx.rows(
        """
        INSERT INTO metrics.rebuilds (id, requested_at, people, leads, entries_changed, sums_changed)
        SELECT :id, :now, 0, count(*), 0, 0 FROM metrics.leads RETURNING *""",
        id=rebuild_id,
        now=tx.now,
    )
    return row


async def found(source: Database | Transaction, rebuild_id: UUID | None = None) -> Sequence[Row[Any]]:
    """One rebuild, or all, the latest first."""
    which = "WHERE id = :id" if rebuild_id is not None else ""
    return await source.rows(
        f"SELECT * FROM metrics.rebuilds {which} ORDER BY requested_at DESC LIMIT 100",
        **({"id": rebuild_id} if rebuild_id is not None else {}),
    )


async def step(tx: Transaction, rules: Rules) -> bool:
    """The next page or measure of what was asked for; False where nothing is, or somebody else is at it."""
    rows = await tx.rows("SELECT * FROM metrics.rebuilds WHERE finished_at IS NULL FOR UPDATE SKIP LOCKED")
    if not rows:
        return False
    (rebuild,) = rows
    if rebuild.after_lead != LAST:
        await _people(tx, rebuild, rules)
    else:
        await _measure(tx, rebuild)
    return True


async def _people(tx: Transaction, rebuild: Row[Any], rules: Rules) -> None:
    """Holds a page of ids, whoever they lead to: those who fold wait, and nobody is merged or parted meanwhile."""
    held = await tx.rows(
        f"""
        SELECT lead_id, root_id FROM metrics.leads {"WHERE lead_id > :after" if rebuild.after_lead else ""}
        ORDER BY lead_id LIMIT {PAGE} FOR UPDATE""",
        **({"after": rebuild.after_lead} if rebuild.after_lead else {}),
    )
    upper = held[-1].lead_id if len(held) == PAGE else LAST
    roots = [row.lead_id for row in held if row.root_id == row.lead_id]
    wanted = counted_anew(await facts_of(tx.connection, roots), rules)
    kept = await kept_of(tx.connection, rebuild.after_lead, upper)
    met_since = await _leads_among({root for root, *_ in kept} - {row.lead_id for row in held}, tx)
    kept = {place: one for place, one in kept.items() if place[0] not in met_since}
    delta = Delta()
    delta.change_each([entry for entry, *_ in kept.values()], [entry for entry, *_ in wanted.values()])
    for place in wanted.keys() & kept.keys():
        if wanted[place] != kept[place] and wanted[place][0] == kept[place][0]:
            delta.say_again(wanted[place][0])
    changed = len(delta.removed) + len(delta.replaced) + len(delta.added)
    delta.sum_up(rules)
    await folding.save_delta(tx, delta, rules)
    await tx.execute(
        """
        UPDATE metrics.rebuilds SET after_lead = :after, people = people + :people,
            entries_changed = entries_changed + :changed WHERE id = :id""",
        {"after": upper, "people": len(held), "changed": changed, "id": rebuild.id},
    )


async def _leads_among(ids: set[UUID], tx: Transaction) -> set[UUID]:
    """Which of these ids there is a lead of, by now: it came while this page was looked at, and is nobody's to judge here."""
    if not ids:
        return set()
    rows = await tx.rows("SELECT lead_id FROM metrics.leads WHERE lead_id = ANY(:ids)", ids=list(ids))
    return {row.lead_id for row in rows}


async def _measure(tx: Transaction, rebuild: Row[Any]) -> None:
    """Adds to sums what they lack. What they lack is known from one moment, and what others add meanwhile they add to sums
    and entries alike."""
    names = sums.measures(row.measure for row in await tx.rows(sums.ALL_MEASURES))
    left = [name for name in names if rebuild.after_measure is None or name > rebuild.after_measure]
    drifts: list[Drift] = []
    spread: list[Drift] = []
    deals: list[Drift] = []
    if left:
        # What is lacking is added to the tables that it was found lacking in: nobody puts others in their place meanwhile.
        await tx.execute("SELECT pg_advisory_xact_lock_shared(hashtext('leadflow-metrics-shadow'))")
        await tx.execute("SET LOCAL statement_timeout = 0")
        drifts = [one async for one in sums.drifts(tx.connection, left[0])]
        drifts.sort(key=lambda one: tuple(one.place.values()))
        deals = [one async for one in open_deals.drifts(tx.connection, left[0])]
        spread = [one async for one in sketches.drifts(tx.connection, left[0])]
        await sketches.add(tx, spread)  # whoever takes all tables has its lock before them
        await folding.add_sums(tx, [_row_of(left[0], one) for one in drifts])
        await open_deals.add(tx, deals)
    if len(left) <= 1:
        await tx.execute("SET LOCAL statement_timeout = 0")
        await visitor_registers.all_changed(tx)
    await tx.execute(
        """
        UPDATE metrics.rebuilds SET after_measure = coalesce(:measure, after_measure),
            sums_changed = sums_changed + :changed, finished_at = CASE WHEN :over THEN :now END WHERE id = :id""",
        {
            "measure": left[0] if left else None,
            "changed": len(drifts) + len(deals) + len(spread),
            "over": len(left) <= 1,
            "now": tx.now,
            "id": rebuild.id,
        },
    )


def _row_of(measure: str, lacking: Drift) -> dict[str, Any]:
    return {"measure": measure, **lacking.place, **{name: str(part) for name, part in lacking.parts.items()}}
