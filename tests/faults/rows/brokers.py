"""Brokers that die, stand still and hand over their partitions, three of them unless all are struck at once."""

from __future__ import annotations

import asyncio
import random
import time

from tests.faults.harness.matrix import fault
from tests.faults.harness.standing import some_leads
from tests.faults.harness.world import World

PROGRESS_WITHIN_SECONDS = 30.0
COMES_BACK_WITHIN_SECONDS = 60.0
DEADLINE_SECONDS = 6.0
"""Capture's four for an answer, and what a busy machine adds."""

LEADS_AFTERWARDS = 50


@fault(row=8, title="kill -9 of one of three brokers with consumers in mid-batch, and its return", seconds=25)
async def broker_is_killed(world: World, chance: random.Random) -> None:
    node = chance.randrange(len(world.kafka.nodes))
    world.kafka.kill(node)
    try:
        await world.probe(PROGRESS_WITHIN_SECONDS)
    finally:
        await _come_back(world, node)


@fault(row=13, title="every leader moves: the three brokers restart one after another", seconds=50)
async def leaders_move(world: World, chance: random.Random) -> None:
    nodes = list(range(len(world.kafka.nodes)))
    chance.shuffle(nodes)
    for node in nodes:
        await asyncio.to_thread(world.kafka.stop, node)
        try:
            await world.probe(PROGRESS_WITHIN_SECONDS)
        finally:
            await _come_back(world, node)


@fault(row=6, title="all brokers are killed for 5 s", seconds=35)
async def no_broker_for_five_seconds(world: World, chance: random.Random) -> None:
    await _no_broker(world, 5)


@fault(row=6, title="all brokers are killed for 60 s, longer than a batch may wait", seconds=90, long_only=True)
async def no_broker_for_a_minute(world: World, chance: random.Random) -> None:
    await _no_broker(world, 60)


async def _no_broker(world: World, seconds: float) -> None:
    refused = world.traffic.answers["503"]
    nodes = range(len(world.kafka.nodes))
    for node in nodes:
        world.kafka.kill(node)
    try:
        await asyncio.sleep(seconds)
        assert not world.keeper.ended("capture"), "an outage of the broker is no reason for capture to end"
        if seconds > DEADLINE_SECONDS:
            assert world.traffic.answers["503"] > refused, "nobody was told to come back later"
    finally:
        await _come_back(world, *nodes)
    await _no_sequence_has_a_gap(world)


async def _come_back(world: World, *nodes: int) -> None:
    """Nodes are started again; leads count again before every replica has caught up, and both are waited for."""
    for node in nodes:
        world.kafka.start(node)
    world.healed()
    await world.probe(COMES_BACK_WITHIN_SECONDS)
    await world.kafka.in_sync(COMES_BACK_WITHIN_SECONDS)


async def _no_sequence_has_a_gap(world: World) -> None:
    """A producer whose sequence has a gap is refused for ever, unless it is replaced."""
    before = await _gaps(world)
    await some_leads(world, LEADS_AFTERWARDS)
    after = await _gaps(world)
    assert after == before, f"{after - before} sends were refused as out of order after the brokers had come back"


async def _gaps(world: World) -> float:
    name, reason = "leadflow_producer_failures_total", "OutOfOrderSequenceNumber"
    return sum([await world.metric(service, name, reason=reason) for service in ("capture", "scoring", "pipeline")])


@fault(row=12, title="a broker stands still with its connections open", seconds=30)
async def broker_stands_still(world: World, chance: random.Random) -> None:
    node = chance.randrange(len(world.kafka.nodes))
    world.kafka.pause(node)
    try:
        until = time.monotonic() + chance.uniform(3, 12)
        while time.monotonic() < until:
            await _answers_in_time(world)
            await asyncio.sleep(0.2)
    finally:
        world.kafka.resume(node)
        world.healed()
    await world.probe(PROGRESS_WITHIN_SECONDS)
    await world.kafka.in_sync(COMES_BACK_WITHIN_SECONDS)


async def _answers_in_time(world: World) -> None:
    """Capture takes a lead or refuses it within its deadline; it never lets anybody wait for a broker."""
    record_id = world.new_record_id()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await world.offer(record_id)


@fault(row=8, title="brokers and consumers are killed at the same time", seconds=35)
async def broker_and_consumers_are_killed(world: World, chance: random.Random) -> None:
    node = chance.randrange(len(world.kafka.nodes))
    world.kafka.kill(node)
    for name in ("scoring", "pipeline", "metrics"):
        world.services.kill(name)
        world.services.start(name)
    await _come_back(world, node)
    await world.all_ready()
