"""Where services stand in the log: looked at, set back, forgotten, and how loudly one says that it cannot go on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.contracts.topics import CAPTURE_LEADS, PIPELINE_LIFECYCLE, SCORING_SCORES
from tests.support.patience import eventually

if TYPE_CHECKING:
    from tests.faults.harness.world import World

READS = {
    "scoring": (CAPTURE_LEADS.name, PIPELINE_LIFECYCLE.name),
    "pipeline": (CAPTURE_LEADS.name, SCORING_SCORES.name),
    "metrics": (PIPELINE_LIFECYCLE.name,),
}
"""The topics of each consumer."""

LOUD_WITHIN_SECONDS = 60.0
SOME_LEADS = 300


@asynccontextmanager
async def stopped(world: World, *services: str) -> AsyncIterator[None]:
    """Services, with all their replicas, are away; afterwards they are started again and ready or loudly not."""
    instances = [instance for service in services for instance in instances_of(world, service)]
    await asyncio.gather(*(world.stop(instance) for instance in instances))
    try:
        yield
    finally:
        for instance in instances:
            world.services.start(instance)

        async def all_answer() -> bool:
            for instance in instances:
                if not await _started(world, instance):
                    return False
            return True

        await eventually(all_answer, within_seconds=60)


def instances_of(world: World, service: str) -> list[str]:
    return [name for name in list(world.services.processes) if name.partition("-")[0] == service]


async def _started(world: World, instance: str) -> bool:
    try:
        return (await world.http.get(f"{world.services.url(instance)}/startupz")).status_code == 200
    except httpx.TransportError:
        return False


async def is_loud(world: World, words: str, *instances: str) -> None:
    """Some instance of these stands still, alive, and says why wherever somebody may look."""

    async def one_says_it() -> bool:
        world.traffic.check()
        for instance in instances:
            url = world.services.url(instance)
            waiting_for = (await world.http.get(f"{url}/readyz")).json()["waiting_for"]
            if words not in waiting_for.get("consumer", ""):
                continue
            assert (await world.http.get(f"{url}/livez")).status_code == 200
            assert await world.metric(instance, "leadflow_consumer_stopped") == 1
            assert "consumer_stopped" in world.services.log(instance)
            return True
        return False

    await eventually(one_says_it, within_seconds=LOUD_WITHIN_SECONDS, every_seconds=0.2)


async def some_leads(world: World, number: int = SOME_LEADS) -> None:
    world.traffic.resume()
    wanted = world.ledger.count() + number

    def enough() -> bool:
        world.traffic.check()
        return world.ledger.count() >= wanted

    await eventually(enough, within_seconds=60)


async def positions(world: World, service: str, topic: str) -> dict[int, int]:
    found = await world.rows(f"SELECT partition, next_offset FROM {service}.consumer_offsets WHERE topic = %s", topic)
    return dict(found)


async def set_back(world: World, service: str, at_most: int) -> int:
    """Puts a stopped service's positions back, as an older backup would; how many records it has to read again."""
    found = await world.rows(
        f"""
        WITH back AS (
            SELECT topic, partition, next_offset, greatest(first_offset, next_offset - %s) AS target
            FROM {service}.consumer_offsets
        ), undone AS (
            SELECT b.*, (
                SELECT count(*) FROM {service}.dead_letters d
                WHERE d.topic = b.topic AND d.partition = b.partition AND d.record_offset >= b.target AND d.status <> 'redriven'
            ) AS letters
            FROM back b
        )
        UPDATE {service}.consumer_offsets o
        SET next_offset = u.target, facts = o.facts - (u.next_offset - u.target - u.letters),
            dead_lettered = o.dead_lettered - u.letters
        FROM undone u WHERE u.topic = o.topic AND u.partition = o.partition
        RETURNING u.next_offset - u.target""",
        at_most,
    )
    return sum(row[0] for row in found)


async def has_done_everything(world: World, service: str) -> None:
    """Waits until a service's positions are at the log's ends."""
    ends = await _ends(world, READS[service])

    async def done() -> bool:
        found = await world.rows(f"SELECT topic, partition, next_offset FROM {service}.consumer_offsets")
        stands = {(topic, partition): offset for topic, partition, offset in found}
        behind = {place: end - stands.get(place, 0) for place, end in ends.items() if stands.get(place, 0) < end}
        assert not behind, f"{service} is behind by {behind}"
        return True

    await eventually(done, within_seconds=120, every_seconds=0.2)


async def _ends(world: World, topics: Sequence[str]) -> dict[tuple[str, int], int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=world.kafka.bootstrap, group_id=None)
    await consumer.start()
    try:
        async with admin_of(world) as admin:
            described = await admin.describe_topics(list(topics))
        places = [TopicPartition(one["topic"], part["partition"]) for one in described for part in one["partitions"]]
        found = await consumer.end_offsets(places)
    finally:
        await consumer.stop()
    return {(place.topic, place.partition): end for place, end in found.items()}


async def commit_in_kafka(world: World, service: str, chance: random.Random) -> None:
    """Overwrites what Kafka remembers of a group whose members have gone: with the beginning, the end, or in between."""
    ends = await _ends(world, READS[service])
    offsets = {TopicPartition(*place): chance.choice((0, end, chance.randint(0, end))) for place, end in ends.items()}

    async def left() -> bool:
        """Members that have gone are missed for a while, and nobody else may commit for them."""
        async with admin_of(world) as admin:
            (answer,) = await admin.describe_consumer_groups([service])
        return all(group[2] == "Empty" for group in answer.groups)

    await eventually(left, within_seconds=40, every_seconds=0.5)
    consumer = AIOKafkaConsumer(bootstrap_servers=world.kafka.bootstrap, group_id=service, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(list(offsets))
        await consumer.commit(offsets)
    finally:
        await consumer.stop()


@asynccontextmanager
async def admin_of(world: World) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=world.kafka.bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()
