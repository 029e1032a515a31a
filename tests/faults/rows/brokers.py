"""Brokers that die, stand still and hand over their partitions, three of them unless all are struck at once."""

from __future__ import annotations

import asyncio
import random

from tests.faults.harness.matrix import fault
from tests.faults.harness.world import World

PROGRESS_WITHIN_SECONDS = 40.0
DEADLINE_SECONDS = 6.0


@fault(row=8, title="kill -9 of one of three brokers with consumers in mid-batch, and its return", seconds=25)
async def broker_is_killed(world: World, chance: random.Random) -> None:
    node = chance.randrange(len(world.kafka.nodes))
    world.kafka.kill(node)
    try:
        await world.probe(PROGRESS_WITHIN_SECONDS)
    finally:
        world.kafka.start(node)
        await world.kafka.in_sync(60)


@fault(row=13, title="every leader moves: the three brokers restart one after another", seconds=50)
async def leaders_move(world: World, chance: random.Random) -> None:
    nodes = list(range(len(world.kafka.nodes)))
    chance.shuffle(nodes)
    for node in nodes:
        await asyncio.to_thread(world.kafka.stop, node)
        try:
            await world.probe(PROGRESS_WITHIN_SECONDS)
        finally:
            world.kafka.start(node)
            await world.kafka.in_sync(60)


@fault(row=6, title="all brokers are killed for 5 s", seconds=35)
async def no_broker_for_five_seconds(world: World, chance: random.Random) -> None:
    await _no_broker(world, 5)


@fault(row=6, title="all brokers are killed for 60 s, longer than a batch may wait", seconds=90, long_only=True)
async def no_broker_for_a_minute(world: World, chance: random.Random) -> None:
    await _no_broker(world, 60)


async def _no_broker(world: World, seconds: float) -> None:
    refused = world.traffic.answers["503"]
    for node in range(len(world.kafka.nodes)):
        world.kafka.kill(node)
    try:
        await asyncio.sleep(seconds)
        assert not world.keeper.ended("capture"), "an outage of the broker is no reason for capture to end"
        if seconds > DEADLINE_SECONDS:
            assert world.traffic.answers["503"] > refused, "nobody was told to come back later"
    finally:
        for node in range(len(world.kafka.nodes)):
            world.kafka.start(node)
        await world.kafka.in_sync(60)
    await world.probe(PROGRESS_WITHIN_SECONDS)


@fault(row=12, title="a broker stands still with its connections open", seconds=30)
async def broker_stands_still(world: World, chance: random.Random) -> None:
    node = chance.randrange(len(world.kafka.nodes))
    world.kafka.pause(node)
    try:
        await asyncio.sleep(chance.uniform(3, 12))
    finally:
        world.kafka.resume(node)
    await world.kafka.in_sync(60)
    await world.probe(PROGRESS_WITHIN_SECONDS)


@fault(row=8, title="brokers and consumers are killed at the same time", seconds=35)
async def broker_and_consumers_are_killed(world: World, chance: random.Random) -> None:
    node = chance.randrange(len(world.kafka.nodes))
    world.kafka.kill(node)
    for name in ("scoring", "pipeline", "metrics"):
        world.services.kill(name)
        world.services.start(name)
    world.kafka.start(node)
    await world.kafka.in_sync(60)
    await world.all_ready()
    await world.probe(PROGRESS_WITHIN_SECONDS)
