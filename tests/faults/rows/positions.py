"""The database and the log say different things about where a service stands: the database wins, or the service stops and
says so; it never goes on over what it has not done."""

from __future__ import annotations

import asyncio
import random

from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from shared.contracts.topics import CAPTURE_LEADS
from tests.faults.harness.matrix import fault, scenario
from tests.faults.harness.stage import Stage
from tests.faults.harness.standing import (
    READS,
    admin_of,
    commit_in_kafka,
    has_done_everything,
    instances_of,
    is_loud,
    positions,
    set_back,
    some_leads,
    stopped,
)
from tests.faults.harness.world import PARTITIONS, World, open_world

FAR = 1_000_000
READ_AGAIN_AT_MOST = 5_000


@fault(row=23, title="the database says that more was done than the log has", seconds=20)
async def a_position_is_beyond_the_log(world: World, chance: random.Random) -> None:
    service = chance.choice(list(READS))
    place = (chance.choice(READS[service]), chance.randrange(PARTITIONS))
    await world.quiet()  # so that the partition has a position
    moved = f"UPDATE {service}.consumer_offsets SET next_offset = next_offset + %s WHERE topic = %s AND partition = %s"
    try:
        async with stopped(world, service):
            await world.rows(moved, FAR, *place)
        world.traffic.resume()
        await is_loud(world, "the log ends at", *instances_of(world, service))
    finally:
        async with stopped(world, service):
            await world.rows(moved, -FAR, *place)
        world.traffic.resume()
    await world.all_ready()


@fault(row=35, title="records are read again, up to whole topics", seconds=20)
async def a_topic_is_read_again(world: World, chance: random.Random) -> None:
    service = chance.choice(list(READS))
    await world.probe()
    await world.quiet(within_seconds=120)
    before = await _what_is_counted(world)
    async with stopped(world, service):
        again = await set_back(world, service, READ_AGAIN_AT_MOST)
    assert again > 0
    await has_done_everything(world, service)
    after = await _what_is_counted(world)
    assert after == before, f"{again} records were read again by {service}, and {before} became {after}"
    world.note(f"{service} read {again} records again")
    world.traffic.resume()


@fault(row=27, title="Kafka has forgotten where a group stood, or remembers another place", seconds=25)
async def kafka_forgets_a_place(world: World, chance: random.Random) -> None:
    service = chance.choice(list(READS))
    await world.quiet()
    async with stopped(world, service):
        if chance.random() < 0.5:  # with nothing new in the log, only the database says that there is work
            await set_back(world, service, 20)
        await commit_in_kafka(world, service, chance)
    await has_done_everything(world, service)
    world.traffic.resume()


@scenario(
    row=23,
    title="the database is restored from a backup, with everything since only in the log",
    seconds=110,
    long_only=True,
)
async def a_database_is_restored(stage: Stage, chance: random.Random) -> None:
    async with open_world(stage) as world:
        await some_leads(world)
        backup = stage.folder / "backup"
        await asyncio.to_thread(world.postgres.back_up, backup)
        await some_leads(world)
        await world.quiet()
        async with stopped(world, *READS):
            await asyncio.to_thread(world.postgres.restore, backup)
        for service in READS:
            await has_done_everything(world, service)
        for service in READS:
            assert await world.metric(service, "leadflow_consumer_stopped") == 0
        await _tell_what_only_the_log_knows(world)


@scenario(row=23, title="records are deleted from the log before they were done", seconds=80)
async def records_are_deleted_too_soon(stage: Stage, chance: random.Random) -> None:
    async with open_world(stage) as world:
        await some_leads(world)
        await world.quiet()
        place = (CAPTURE_LEADS.name, chance.randrange(PARTITIONS))
        moved = "UPDATE pipeline.consumer_offsets SET next_offset = %s, facts = facts + %s WHERE topic = %s AND partition = %s"
        ((end,),) = await world.rows(
            "SELECT next_offset FROM pipeline.consumer_offsets WHERE topic = %s AND partition = %s", *place
        )
        async with stopped(world, "pipeline"):
            await world.rows(moved, end - 5, -5, *place)
            async with admin_of(world) as admin:
                await admin.delete_records({TopicPartition(*place): RecordsToDelete(end)})
        await is_loud(world, "the log begins at", "pipeline")  # though there is nothing new to read
        world.traffic.resume()
        await _takes_nothing(world, "pipeline", place, end - 5)
        async with stopped(world, "pipeline"):  # somebody looked, and knows that these were done
            await world.rows(moved, end, 5, *place)
        world.traffic.resume()


async def _takes_nothing(world: World, service: str, place: tuple[str, int], offset: int) -> None:
    await some_leads(world)
    assert (await positions(world, service, place[0]))[place[1]] == offset, "it went on over records that are missing"


async def _what_is_counted(world: World) -> list[tuple[object, ...]]:
    """Facts and numbers, as one would compare two copies of them."""
    return await world.rows(
        """SELECT count(*), sum(hashtextextended(f::text, 0)) FROM metrics.facts f
           UNION ALL SELECT count(*), sum(hashtextextended(r::text, 0)) FROM metrics.rollups r"""
    )


async def _tell_what_only_the_log_knows(world: World) -> None:
    """What capture accepted is done again from the log. Commands came by HTTP: those since the backup are in the log and
    in metrics, and pipeline has forgotten them."""
    ((forgotten,),) = await world.rows(
        """SELECT count(*) FROM metrics.facts f WHERE NOT EXISTS (
               SELECT 1 FROM pipeline.history h WHERE h.lead_id = f.lead_id AND h.event_id = f.event_id)"""
    )
    world.note(f"{forgotten} facts that follow from commands since the backup are counted, and unknown to pipeline")
