"""Counting everybody again puts right whatever is wrong with the numbers, in steps, while facts keep coming."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import pytest

from services.metrics.domain.facts import Fact
from services.metrics.rebuilding import Rebuilding
from services.metrics.storage import rebuilding as storage
from shared.contracts.policy import Policy, UnitPolicy
from shared.kit.transient import is_transient
from tests.integration.metrics.harness import POLICY, Metrics
from tests.unit.metrics.histories import history

DAMAGE = {
    "entries are gone": "DELETE FROM metrics.entries WHERE measure IN ('lead_archived', 'opportunity_won')",
    "entries say something else": "UPDATE metrics.entries SET channel = 'fax', reason = 'other' WHERE measure LIKE 'cohort%'",
    "entries are nobody's": """
        INSERT INTO metrics.entries SELECT (jsonb_populate_record(e, jsonb_build_object('root_id', gen_random_uuid()))).*
        FROM metrics.entries e LIMIT 20""",
    "entries are of those merged": """
        INSERT INTO metrics.entries SELECT (jsonb_populate_record(e, jsonb_build_object('root_id', m.lead_id))).*
        FROM metrics.entries e, (SELECT lead_id FROM metrics.leads WHERE root_id <> lead_id LIMIT 1) m
        WHERE e.root_id = (SELECT root_id FROM metrics.entries ORDER BY root_id LIMIT 1)""",
    "entries hold for ever": "UPDATE metrics.entries SET valid_to = NULL",
    "a measure is counted that nobody knows any more": """
        INSERT INTO metrics.rollups SELECT 'once_counted', dimension, day, business_unit, value, age_days, currency, count,
            durations, duration_microseconds, amount FROM metrics.rollups WHERE measure = 'lead_created'""",
    "sums are off": "UPDATE metrics.rollups SET count = count + 3, amount = amount - 1, durations = durations + 1",
    "sums are gone": "DELETE FROM metrics.rollups WHERE dimension <> '' OR measure = 'lead_created'",
    "everything is gone": "TRUNCATE metrics.entries, metrics.rollups",
}


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    found = Metrics(migrated_database("metrics"))
    yield found
    await found.close()


def rebuilding(metrics: Metrics, policy: Policy = POLICY) -> Rebuilding:
    return Rebuilding(metrics.database, policy.unit, interval_seconds=1)


async def rebuilt(metrics: Metrics, policy: Policy = POLICY) -> Any:
    again = rebuilding(metrics, policy)
    asked = await again.ask()
    await again.until_done()
    (row,) = await again.found(asked.id)
    assert row.finished_at is not None
    return row


async def numbers(metrics: Metrics) -> tuple[list[Any], list[Any]]:
    entries = await metrics.database.rows(
        "SELECT to_jsonb(e) AS row FROM metrics.entries e ORDER BY root_id, key, valid_from"
    )
    sums = await metrics.database.rows(
        "SELECT to_jsonb(r) AS row FROM metrics.rollups r WHERE count <> 0 ORDER BY to_jsonb(r)"
    )
    return [row.row for row in entries], [row.row for row in sums]


def mixed(seed: int, leads: int = 40) -> list[Fact]:
    facts = history(Random(seed), leads)
    Random(seed).shuffle(facts)
    return facts


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
async def test_whatever_is_wrong_is_put_right(metrics: Metrics, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PAGE", 7)
    await metrics.fold_all(mixed(21))
    right = await numbers(metrics)
    async with metrics.database.transaction() as tx:
        await tx.execute(damage)
    assert await numbers(metrics) != right
    assert (await metrics.audit())["different"] > 0
    row = await rebuilt(metrics)
    assert row.entries_changed + row.sums_changed > 0
    assert await numbers(metrics) == right
    assert (await metrics.audit())["differences"] == []


async def test_nothing_is_touched_where_all_is_right(metrics: Metrics) -> None:
    await metrics.fold_all(mixed(22))
    before = await metrics.database.rows("SELECT ctid FROM metrics.entries ORDER BY 1")
    row = await rebuilt(metrics)
    assert (row.entries_changed, row.sums_changed) == (0, 0)
    assert await metrics.database.rows("SELECT ctid FROM metrics.entries ORDER BY 1") == before
    (leads,) = await metrics.database.rows("SELECT count(*) AS n FROM metrics.leads")
    assert (row.people, row.leads) == (leads.n, leads.n)


async def test_days_move_with_a_units_zone(metrics: Metrics, migrated_database: Callable[..., str]) -> None:
    moved = Policy(
        version="moved",
        defaults=POLICY.defaults,
        business_units={
            "default": UnitPolicy(time_zone="Pacific/Auckland", channels=("web_form", "phone")),
            "tehran": UnitPolicy(time_zone="America/Los_Angeles", currency="IRR", channels=("phone",)),
        },
    )
    facts = mixed(23)
    await metrics.fold_all(facts)
    fresh = Metrics(migrated_database("metrics"), policy=moved)
    await fresh.fold_all(facts)
    row = await rebuilt(metrics, moved)
    assert row.entries_changed > 0
    assert await numbers(metrics) == await numbers(fresh)
    await fresh.close()


async def test_facts_that_come_meanwhile_are_counted_once(
    metrics: Metrics, migrated_database: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "PAGE", 5)
    facts = mixed(24, 60)
    half = len(facts) // 2
    await metrics.fold_all(facts[:half])
    async with metrics.database.transaction() as tx:
        await tx.execute("DELETE FROM metrics.entries WHERE measure IN ('lead_created', 'opportunity_won')")
        await tx.execute("UPDATE metrics.rollups SET count = count + 5 WHERE measure LIKE 'lead%'")

    async def come() -> None:
        for start in range(half, len(facts), 9):
            while True:
                try:
                    await metrics.fold(facts[start : start + 9])
                    break
                except Exception as error:
                    if not is_transient(error):  # what passes by itself is tried again, as a consumer does
                        raise

    again = rebuilding(metrics)
    await again.ask()
    others = rebuilding(metrics)
    await asyncio.gather(come(), again.until_done(), others.until_done())
    await rebuilt(metrics)
    fresh = Metrics(migrated_database("metrics"))
    await fresh.fold_all(facts)
    assert await numbers(metrics) == await numbers(fresh)
    assert (await metrics.audit())["differences"] == []
    await fresh.close()


async def test_it_goes_on_where_it_was_stopped_and_is_asked_for_once(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "PAGE", 10)
    await metrics.fold_all(mixed(25))
    stopped = rebuilding(metrics)
    first = await stopped.ask()
    assert await stopped.once()
    assert await stopped.once()
    later = rebuilding(metrics)
    assert (await later.ask()).id == first.id
    (row,) = await later.found(first.id)
    assert row.people == 20
    await later.until_done()
    (row,) = await later.found(first.id)
    assert (row.people, row.finished_at is not None) == (row.leads, True)
    assert (await later.ask()).id != first.id


async def test_an_empty_service_is_counted_again_at_once(metrics: Metrics) -> None:
    assert (await rebuilt(metrics)).people == 0
