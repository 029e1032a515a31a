"""Processes that die, stand still, come and go."""

from __future__ import annotations

import asyncio
import random

from tests.faults.harness.matrix import fault
from tests.faults.harness.world import World
from tests.support.patience import eventually

KILLS_OF_CAPTURE = 20
KILLS_OF_METRICS = 5
SESSION_SECONDS = 10.0
CONSUMERS = ("scoring", "pipeline", "metrics")


@fault(row=1, title="kill -9 of capture, twenty times under load", seconds=40, always=True)
async def capture_is_killed(world: World, chance: random.Random) -> None:
    for _ in range(KILLS_OF_CAPTURE):
        world.services.kill("capture")
        world.services.start("capture")
        await world.all_ready("capture")
        await asyncio.sleep(chance.uniform(0.0, 0.6))


@fault(row=2, title="kill -9 of scoring after its relay has published, before it is marked", seconds=10, always=True)
async def scoring_dies_after_publishing(world: World, chance: random.Random) -> None:
    for _ in range(2):
        await world.killed_at("scoring", f"after-relay-publish:{chance.randint(1, 5)}")


@fault(row=2, title="kill -9 of scoring around its commits", seconds=10)
async def scoring_dies_around_its_commits(world: World, chance: random.Random) -> None:
    for failpoint in ("before-database-commit", "after-database-commit", "before-kafka-commit"):
        await world.killed_at("scoring", f"{failpoint}:{chance.randint(1, 5)}")


@fault(
    row=3, title="kill -9 of pipeline before and after the database's commit, before Kafka's", seconds=12, always=True
)
async def pipeline_dies_around_its_commits(world: World, chance: random.Random) -> None:
    for failpoint in ("before-database-commit", "after-database-commit", "before-kafka-commit"):
        await world.killed_at("pipeline", f"{failpoint}:{chance.randint(1, 5)}")


@fault(row=4, title="kill -9 of metrics in a loop; the facts never become fewer", seconds=12, always=True)
async def metrics_is_killed(world: World, chance: random.Random) -> None:
    seen = 0.0
    for _ in range(KILLS_OF_METRICS):
        world.services.kill("metrics")
        world.services.start("metrics")
        await world.all_ready("metrics")
        await asyncio.sleep(chance.uniform(0.0, 0.8))
        now = await world.metric("metrics", "leadflow_metrics_folded_facts")
        assert now >= seen, f"metrics showed {seen} facts before a kill and {now} after it"
        seen = now


@fault(row=4, title="kill -9 of metrics around its commits", seconds=10)
async def metrics_dies_around_its_commits(world: World, chance: random.Random) -> None:
    for failpoint in ("before-database-commit", "after-database-commit", "before-kafka-commit"):
        await world.killed_at("metrics", f"{failpoint}:{chance.randint(1, 5)}")


@fault(row=5, title="kill -9 of pipeline after its relay has published, before it is marked", seconds=10, always=True)
async def relay_dies_after_publishing(world: World, chance: random.Random) -> None:
    before = await _duplicates(world)
    for _ in range(2):
        await world.killed_at("pipeline", f"after-relay-publish:{chance.randint(1, 5)}")

    async def published_twice() -> bool:
        return await _duplicates(world) > before

    await eventually(published_twice, within_seconds=20)


async def _duplicates(world: World) -> int:
    """How many deliveries of a known fact metrics has counted apart."""
    found = await world.rows("SELECT coalesce(sum(duplicates), 0) FROM metrics.consumer_offsets")
    return int(found[0][0])


@fault(row=14, title="rolling restart of everything under load", seconds=15)
async def rolling_restart(world: World, chance: random.Random) -> None:
    names = ["capture", *CONSUMERS]
    chance.shuffle(names)
    for name in names:
        await world.stop(name)
        world.services.start(name)
        await world.all_ready(name)


@fault(row=14, title="one consumer becomes four, then two, then one, under load", seconds=40)
async def consumers_come_and_go(world: World, chance: random.Random) -> None:
    kind = chance.choice(CONSUMERS)
    more = [f"{kind}-{number}" for number in (2, 3, 4)]
    for name in more:
        world.services.start(name)
    await world.all_ready(*more)
    await asyncio.sleep(chance.uniform(1, 3))
    for name in more[1:]:
        await world.stop(name)
    await world.probe(40)
    world.services.kill(more[0])
    await world.probe(40)
    world.note(f"scaled {kind}")


@fault(
    row=15,
    title="a consumer stands still longer than its session, loses its partitions, goes on as a zombie",
    seconds=35,
)
async def zombie(world: World, chance: random.Random) -> None:
    kind = chance.choice(CONSUMERS)
    second = f"{kind}-2"
    world.services.start(second)
    await world.all_ready(second)
    await asyncio.sleep(chance.uniform(0.5, 2.0))
    world.services.pause(kind)
    try:
        await asyncio.sleep(SESSION_SECONDS + 1)
        await world.probe(40)
    finally:
        world.services.resume(kind)
    await asyncio.sleep(chance.uniform(0.5, 2.0))
    await world.stop(second)
    world.note(f"the zombie was {kind}")


@fault(row=15, title="the only consumer stands still for 30 s, longer than its session", seconds=40, long_only=True)
async def only_consumer_stands_still(world: World, chance: random.Random) -> None:
    kind = chance.choice(CONSUMERS)
    world.services.pause(kind)
    await asyncio.sleep(30)
    world.services.resume(kind)
    await world.probe(40)


@fault(row=3, title="kill -9 of all four services at once", seconds=8)
async def everybody_is_killed(world: World, chance: random.Random) -> None:
    names = ["capture", *CONSUMERS]
    for name in names:
        world.services.kill(name)
    chance.shuffle(names)
    for name in names:
        world.services.start(name)
    await world.all_ready(*names)
