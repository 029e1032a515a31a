"""Processes that die, stand still, come and go."""

from __future__ import annotations

import asyncio
import random
from functools import partial

from shared.contracts.topics import PIPELINE_LIFECYCLE, SCORING_SCORES
from tests.faults.harness.matrix import fault
from tests.faults.harness.standing import admin_of
from tests.faults.harness.world import World
from tests.support.patience import eventually

KILLS_OF_CAPTURE = 20
KILLS_OF_METRICS = 5
SESSION_SECONDS = 10.0
LEADS_FOR_ALL_PARTITIONS = 8
CONSUMERS = ("scoring", "pipeline", "metrics")


@fault(row=1, title="kill -9 of capture, twenty times under load", seconds=40, always=True)
async def capture_is_killed(world: World, chance: random.Random) -> None:
    for _ in range(KILLS_OF_CAPTURE):
        world.services.kill("capture")
        world.services.start("capture")
        world.healed()
        await world.all_ready("capture")
        await asyncio.sleep(chance.uniform(0.0, 0.6))


@fault(row=2, title="kill -9 of scoring after its relay has published, before it is marked", seconds=10, always=True)
async def scoring_dies_after_publishing(world: World, chance: random.Random) -> None:
    await _published_twice_by("scoring", "pipeline", SCORING_SCORES.name, world, chance)


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
        world.healed()
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
    await _published_twice_by("pipeline", "metrics", PIPELINE_LIFECYCLE.name, world, chance)


async def _published_twice_by(service: str, reader: str, topic: str, world: World, chance: random.Random) -> None:
    """What a relay sent and did not mark it sends again; who reads it counts that apart."""
    before = await _duplicates(world, reader, topic)
    for _ in range(2):
        await world.killed_at(service, f"after-relay-publish:{chance.randint(1, 5)}")

    async def published_twice() -> bool:
        return await _duplicates(world, reader, topic) > before

    await eventually(published_twice, within_seconds=20)


async def _duplicates(world: World, service: str, topic: str) -> int:
    """How many deliveries of what it knew a service has counted apart."""
    found = await world.rows(
        f"SELECT coalesce(sum(duplicates), 0) FROM {service}.consumer_offsets WHERE topic = %s", topic
    )
    return int(found[0][0])


@fault(row=14, title="rolling restart of everything under load", seconds=15)
async def rolling_restart(world: World, chance: random.Random) -> None:
    names = ["capture", *CONSUMERS]
    chance.shuffle(names)
    for name in names:
        await world.stop(name)
        world.services.start(name)
        world.healed()
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
    process = world.services.pid(kind)
    world.services.pause(kind)
    try:
        await asyncio.sleep(SESSION_SECONDS)
        await eventually(partial(_has_members, world, kind, 1), within_seconds=40, every_seconds=0.5)
        await asyncio.gather(*(world.probe(40) for _ in range(LEADS_FOR_ALL_PARTITIONS)))
        assert world.services.pid(kind) == process, "nobody stood still"
    finally:
        world.services.resume(kind)
        world.healed()
    await eventually(partial(_has_members, world, kind, 2), within_seconds=60, every_seconds=0.5)
    await world.probe(40)
    await asyncio.sleep(chance.uniform(0.5, 2.0))
    await world.stop(second)
    world.note(f"the zombie was {kind}")


async def _has_members(world: World, group: str, count: int) -> bool:
    """Whether a group is settled and has so many members, who then have all its partitions between them."""
    async with admin_of(world) as admin:
        (answer,) = await admin.describe_consumer_groups([group])
    ((_, _, state, _, _, members, *_),) = answer.groups
    return state == "Stable" and len(members) == count


@fault(row=15, title="the only consumer stands still for 30 s, longer than its session", seconds=40, long_only=True)
async def only_consumer_stands_still(world: World, chance: random.Random) -> None:
    kind = chance.choice(CONSUMERS)
    world.services.pause(kind)
    await asyncio.sleep(30)
    world.services.resume(kind)
    world.healed()
    await world.probe(40)


@fault(row=3, title="kill -9 of all four services at once", seconds=8)
async def everybody_is_killed(world: World, chance: random.Random) -> None:
    names = ["capture", *CONSUMERS]
    for name in names:
        world.services.kill(name)
    chance.shuffle(names)
    for name in names:
        world.services.start(name)
    world.healed()
    await world.all_ready(*names)
