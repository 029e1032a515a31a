"""Topics change under everybody's feet: deleted and created anew, or with more partitions than before."""

from __future__ import annotations

import asyncio
import random

from aiokafka.admin import NewPartitions, NewTopic

from shared.contracts.topics import CAPTURE_LEADS, TOPICS
from tests.faults.harness.matrix import scenario
from tests.faults.harness.stage import Stage
from tests.faults.harness.standing import READS, admin_of, is_loud, positions, some_leads, stopped
from tests.faults.harness.world import PARTITIONS, open_world
from tests.support.patience import eventually


@scenario(row=27, title="a topic is deleted and created anew while it is read", seconds=110, long_only=True)
async def a_topic_is_created_anew(stage: Stage, chance: random.Random) -> None:
    topic = CAPTURE_LEADS.name
    readers = ("scoring", "pipeline")
    async with open_world(stage) as world:
        await some_leads(world)
        await world.quiet()
        stood = {service: await positions(world, service, topic) for service in readers}
        async with admin_of(world) as admin:
            await admin.delete_topics([topic])
            await asyncio.sleep(chance.uniform(0.5, 3.0))
            await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
        world.traffic.resume()
        await is_loud(world, "created anew", *readers)
        await some_leads(world)
        for service in readers:
            assert await positions(world, service, topic) == stood[service], (
                f"{service} went on over what it never read"
            )
        async with stopped(world, *readers):  # somebody looked: the new log is to be read from its beginning
            for service in readers:
                await world.rows(f"DELETE FROM {service}.consumer_offsets WHERE topic = %s", topic)
        world.traffic.resume()


@scenario(row=28, title="topics get more partitions while everything runs", seconds=100, long_only=True)
async def partitions_are_added(stage: Stage, chance: random.Random) -> None:
    async with open_world(stage) as world:
        await some_leads(world)
        async with admin_of(world) as admin:
            await admin.create_partitions({topic: NewPartitions(PARTITIONS + 2) for topic in TOPICS})
        for service in world.services.processes.copy():  # as a rolling restart: senders learn of them first, or last
            await world.stop(service)
            world.services.start(service)
            await world.all_ready(service)
        await some_leads(world)

        async def everybody_reads_them() -> bool:
            world.traffic.check()
            found = await world.rows(
                " UNION ALL ".join(
                    f"SELECT '{service}', topic, partition FROM {service}.consumer_offsets WHERE partition >= {PARTITIONS}"
                    for service in READS
                )
            )
            return len(found) == 2 * sum(len(topics) for topics in READS.values())

        await eventually(everybody_reads_them, within_seconds=60, every_seconds=0.5)
