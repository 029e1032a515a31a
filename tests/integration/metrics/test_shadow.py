"""Numbers made again from a source stand beside those that are used, tell what differs and why, and take their place while
everything goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from services.metrics.domain.facts import Fact
from services.metrics.storage import shadowing
from shared.kit.errors import Rejected
from shared.kit.transient import is_transient
from tests.integration.metrics.harness import POLICY, Metrics
from tests.integration.metrics.test_rebuilding import mixed, numbers

RULES = POLICY.unit


async def filled(metrics: Metrics, facts: list[Fact], source: str = "log", size: int = 50) -> None:
    """A shadow with all of the source."""
    await metrics.database.run(lambda tx: shadowing.begin(tx, source))
    for at in range(0, len(facts), size):
        part = facts[at : at + size]
        await metrics.database.run(lambda tx, part=part: shadowing.add(tx, part, RULES))  # type: ignore[misc]


async def swapped(metrics: Metrics) -> dict[str, Any]:
    return await metrics.database.run(lambda tx: shadowing.swap(tx, RULES), deadline_seconds=30)


async def indexes(metrics: Metrics) -> list[str]:
    rows = await metrics.database.rows(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'metrics' UNION ALL "
        "SELECT conname FROM pg_constraint WHERE connamespace = CAST('metrics' AS regnamespace) ORDER BY 1"
    )
    settings = await metrics.database.rows(
        "SELECT relname || coalesce(CAST(reloptions AS text), '') AS indexdef FROM pg_class "
        "WHERE relnamespace = CAST('metrics' AS regnamespace) AND relkind = 'r' ORDER BY 1"
    )
    return [row.indexdef for row in (*rows, *settings)]


async def fresh(make: Callable[..., str], facts: list[Fact]) -> Any:
    other = Metrics(make("metrics"))
    await other.fold_all(facts)
    found = await numbers(other)
    await other.close()
    return found


async def test_what_was_lost_is_there_again_and_the_tables_are_as_they_were(
    metrics: Metrics, migrated_database: Callable[..., str]
) -> None:
    facts = mixed(51)
    wanted, before = await fresh(migrated_database, facts), await indexes(metrics)
    await metrics.fold_all(facts[: len(facts) // 2])
    async with metrics.database.transaction() as tx:
        await tx.execute("DELETE FROM metrics.entries WHERE measure = 'lead_created'")
    await filled(metrics, facts)
    assert await metrics.database.run(shadowing.comparison) != {"facts": {"only_rebuilt": 0}, "entries": []}
    done = await swapped(metrics)
    assert done["facts"] == len({(fact.lead_id, fact.event_id) for fact in facts}) > done["facts_before"]
    assert await numbers(metrics) == wanted
    assert (await metrics.audit())["differences"] == []
    assert await indexes(metrics) == before
    assert (await metrics.client.get("/v1/stats")).json()["facts"] == done["facts"]
    again = mixed(52)
    await metrics.fold_all(again)
    assert (await metrics.audit())["differences"] == []
    assert await metrics.database.run(shadowing.drop) == ["metrics_old"]


async def test_the_comparison_says_what_differs_and_why(metrics: Metrics) -> None:
    facts = sorted(mixed(53), key=lambda fact: fact.version)
    await metrics.fold_all(facts)
    async with metrics.database.transaction() as tx:
        (lost,) = await tx.rows(
            "DELETE FROM metrics.facts WHERE event_id = (SELECT event_id FROM metrics.facts ORDER BY event_id LIMIT 1) RETURNING lead_id"
        )
        await tx.execute(
            """UPDATE metrics.entries SET channel = 'fax' WHERE root_id = (
                SELECT root_id FROM metrics.entries WHERE root_id <> (SELECT root_id FROM metrics.leads WHERE lead_id = :lost)
                ORDER BY root_id LIMIT 1)""",
            {"lost": lost.lead_id},
        )
    await filled(metrics, facts, "pipeline")
    found = await metrics.database.run(shadowing.comparison)
    assert (found["facts"]["only_rebuilt"], found["facts"]["only_used"]) == (1, 0)
    assert found["facts"]["leads"] == [lost.lead_id]
    assert sum(one["counted_otherwise"] for one in found["entries"]) > 0
    assert all(one["different"] == one["because_of_facts"] + one["counted_otherwise"] for one in found["entries"])


async def test_stopped_in_the_middle_it_goes_on_and_twice_is_once(
    metrics: Metrics, migrated_database: Callable[..., str]
) -> None:
    facts = mixed(54)
    await metrics.fold_all(facts)
    await filled(metrics, facts[:100])
    await filled(metrics, facts)
    assert (await metrics.database.run(shadowing.comparison))["entries"] == []
    await swapped(metrics)
    assert await numbers(metrics) == await fresh(migrated_database, facts)
    with pytest.raises(Rejected):
        await swapped(metrics)


async def test_whoever_lost_the_answer_to_a_swap_is_told_how_it_ended(metrics: Metrics) -> None:
    facts = mixed(56)
    await metrics.fold_all(facts[:100])
    await filled(metrics, facts)
    begun = await metrics.database.run(shadowing.state)
    assert begun is not None
    body = {"began_at": begun["began_at"].isoformat()}
    done = (await metrics.client.post("/v1/shadow/swap", json=body)).json()
    assert done["facts"] > done["facts_before"]
    assert (await metrics.client.post("/v1/shadow/swap", json=body)).json() == done
    other = await metrics.client.post("/v1/shadow/swap", json={"began_at": "2026-03-01T09:00:00Z"})
    assert other.status_code == 409


async def test_what_comes_meanwhile_is_no_difference_and_keeps_nobody_catching_up(metrics: Metrics) -> None:
    facts = mixed(57)
    half = len(facts) // 2
    await metrics.fold_all(facts[:half])
    await filled(metrics, facts[:half])
    now = metrics.clock.now()
    late = [fact._replace(recorded_at=now) for fact in facts[half:]]
    await metrics.fold_all(late)
    told = (await metrics.database.run(shadowing.comparison))["facts"]
    assert (told["only_rebuilt"], told["only_used"], told["leads"]) == (0, 0, [])
    assert told["to_come"] > 0
    found = (await metrics.client.post("/v1/shadow/catch-up")).json()
    assert (found["new"], found["more"]) == (told["to_come"], False)


async def test_what_was_recorded_long_ago_and_comes_before_the_swap_is_not_lost(
    metrics: Metrics, migrated_database: Callable[..., str]
) -> None:
    facts = mixed(58)
    half = len(facts) // 2
    await metrics.fold_all(facts[:half])
    await filled(metrics, facts[:half])
    assert (await metrics.database.run(shadowing.comparison))["facts"]["only_used"] == 0
    await metrics.fold_all(facts[half:])  # an outbox that stood, a dead letter that was mended
    assert (await metrics.client.post("/v1/shadow/catch-up")).json()["new"] == 0
    refused = await metrics.client.post("/v1/shadow/swap")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:leadflow:problem:facts-lost")
    await filled(metrics, facts[half:])
    assert (await metrics.client.post("/v1/shadow/swap")).status_code == 200
    assert await numbers(metrics) == await fresh(migrated_database, facts)
    assert (await metrics.audit())["differences"] == []


async def test_what_the_source_lacks_is_lost_where_that_is_said(metrics: Metrics) -> None:
    facts = mixed(59, 8)
    await metrics.fold_all(facts)
    await filled(metrics, facts[:20])
    done = await metrics.client.post("/v1/shadow/swap", json={"lose": True})
    assert done.json()["facts"] < done.json()["facts_before"]


async def test_facts_that_come_meanwhile_are_counted_once_and_questions_are_answered(
    metrics: Metrics, migrated_database: Callable[..., str]
) -> None:
    facts = mixed(55, 60)
    half = len(facts) // 2
    now = metrics.clock.now()
    late = [fact._replace(recorded_at=now) for fact in facts[half:]]
    await metrics.fold_all(facts[:half])
    over = asyncio.Event()

    async def come() -> None:
        for start in range(0, len(late), 9):
            while True:
                try:
                    await metrics.fold(late[start : start + 9])
                    break
                except Exception as error:
                    if not is_transient(error):
                        raise
            await asyncio.sleep(0.01)

    async def ask() -> int:
        answered = 0
        while not over.is_set():
            answered += (await metrics.ask("leads_created"))["total"]["value"] > 0
            await asyncio.sleep(0)
        return answered

    async def made_again() -> None:
        await filled(metrics, facts[:half], size=20)
        while await metrics.database.run(lambda tx: shadowing.catch_up(tx, RULES, 30)):
            pass
        await swapped(metrics)

    asking = asyncio.create_task(ask())
    await asyncio.gather(come(), made_again())
    over.set()
    assert await asking > 0
    everything = [*facts[:half], *late]
    assert await numbers(metrics) == await fresh(migrated_database, everything)
    assert (await metrics.audit())["differences"] == []


async def test_a_rebuild_that_lacks_what_a_migration_brought_is_not_put_in_place(metrics: Metrics) -> None:
    facts = mixed(56, 5)
    await metrics.fold_all(facts)
    await filled(metrics, facts)
    (before,) = await metrics.database.rows("SELECT version_num FROM metrics.schema_history")
    for revision, is_refused in (("0000", True), (before.version_num, False)):
        async with metrics.database.transaction() as tx:
            await tx.execute("UPDATE metrics.schema_history SET version_num = :revision", {"revision": revision})
        if is_refused:
            with pytest.raises(Rejected, match="changed since"):
                await swapped(metrics)
        else:
            await swapped(metrics)


async def test_two_sources_at_once_are_refused_and_one_can_be_given_up(metrics: Metrics) -> None:
    await metrics.database.run(lambda tx: shadowing.begin(tx, "log"))
    with pytest.raises(Rejected):
        await metrics.database.run(lambda tx: shadowing.begin(tx, "pipeline"))
    assert await metrics.database.run(shadowing.drop) == ["metrics_shadow"]
    assert await metrics.database.run(shadowing.state) is None
