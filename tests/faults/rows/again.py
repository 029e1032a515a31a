"""What was done is done once more: dead letters are tried again and again, migrations are run under running services."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.contracts.topics import CAPTURE_LEADS
from tests.faults.harness.matrix import fault
from tests.faults.harness.world import World
from tests.support.patience import eventually
from tests.support.servers import run_migrations
from tests.support.services import API_TOKEN

READERS = ("scoring", "pipeline")
WITH_TABLES = ("capture", "scoring", "pipeline", "metrics")
HEADERS = {"Authorization": f"Bearer {API_TOKEN}"}


@fault(row=35, title="dead letters are redriven twice, as they were and mended", seconds=12)
async def dead_letters_are_redriven_twice(world: World, chance: random.Random) -> None:
    await world.probe()
    whole = await _a_captured_record(world)
    event_id = orjson.loads(whole)["event_id"]
    broken = whole[: -chance.randint(1, 20)]
    async with AIOKafkaProducer(bootstrap_servers=world.kafka.bootstrap, acks="all") as producer:
        sent = await producer.send_and_wait(CAPTURE_LEADS.name, broken, key=b"redriven")
    world.expect_dead_letters((service, CAPTURE_LEADS.name, sent.partition, sent.offset) for service in READERS)
    for service in READERS:
        letter = await _letter(world, service, sent.partition, sent.offset)
        path = f"{world.services.url(service)}/v1/dead-letters/{letter}:redrive"
        mended = {"value": whole.decode()}
        answers = [
            (await world.http.post(path, json=body, headers=HEADERS, timeout=60)).status_code
            for body in ({}, mended, mended, {})
        ]
        assert answers == [409, 200, 409, 409], f"{service} answered {answers}"
    await world.quiet()
    assert await _facts_of(world, event_id) == 1
    world.traffic.resume()


@fault(row=36, title="migrations are run again under the running services", seconds=20)
async def migrations_run_again(world: World, chance: random.Random) -> None:
    """There is one revision of each schema so far: what can be tried is that running it again disturbs nobody."""
    before = await _columns(world)
    service = chance.choice(WITH_TABLES)
    await asyncio.gather(*(asyncio.to_thread(run_migrations, service, world.postgres.url) for _ in range(2)))
    assert await _columns(world) == before
    world.note(
        f"{service} twice at once; one revision exists: mixed versions N and N+1 have nothing to be tried on yet"
    )


async def _a_captured_record(world: World) -> bytes:
    """One of the last that capture wrote."""
    consumer = AIOKafkaConsumer(bootstrap_servers=world.kafka.bootstrap, group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        found = await world.rows(
            """SELECT partition, next_offset FROM pipeline.consumer_offsets
               WHERE topic = %s AND next_offset > first_offset ORDER BY updated_at DESC LIMIT 1""",
            CAPTURE_LEADS.name,
        )
        place = TopicPartition(CAPTURE_LEADS.name, found[0][0])
        consumer.assign([place])
        offset = found[0][1] - 1
        while True:
            consumer.seek(place, offset)
            record = await consumer.getone()
            if _is_a_lead(record.value):
                value: bytes = record.value
                return value
            offset -= 1
    finally:
        await consumer.stop()


def _is_a_lead(value: bytes | None) -> bool:
    try:
        return bool(orjson.loads(value or b"")["event"] == "LeadCaptured")
    except (ValueError, TypeError, KeyError):
        return False


async def _letter(world: World, service: str, partition: int, offset: int) -> int:
    async def kept() -> list[tuple[Any, ...]]:
        return await world.rows(
            f"SELECT id FROM {service}.dead_letters WHERE topic = %s AND partition = %s AND record_offset = %s",
            CAPTURE_LEADS.name,
            partition,
            offset,
        )

    ((letter,),) = await eventually(kept, within_seconds=30)
    return int(letter)


async def _facts_of(world: World, event_id: str) -> int:
    ((count,),) = await world.rows(
        """SELECT count(*) FROM metrics.facts
           WHERE causation_id = %s::uuid AND event IN ('LeadCreated', 'LeadTouched')""",
        event_id,
    )
    return int(count)


async def _columns(world: World) -> list[tuple[Any, ...]]:
    return await world.rows(
        """SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns
           WHERE table_schema IN ('capture', 'scoring', 'pipeline', 'metrics') ORDER BY 1, 2, 3"""
    )
