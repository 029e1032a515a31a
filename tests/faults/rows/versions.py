"""Events of versions that their readers do not know."""

from __future__ import annotations

import json
import random

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.contracts.topics import CAPTURE_LEADS, TOPICS
from tests.faults.harness.matrix import fault
from tests.faults.harness.world import World
from tests.faults.rows.poison import set_aside
from tests.faults.rows.poison_corpus import MAKE, Poison
from tests.faults.rows.raw_records import a_lead, all_counted, captured, write

LATER = {
    "mood": "curious",
    "later": {"nested": [1, {"deep": None}], "text": "héllo"},
    "schema_minor": 7,
}
"""Fields that a later version may bring."""


@fault(
    row=37,
    title="events with fields of a later version are read and kept; those of an unknown version or name are set aside",
    seconds=6,
)
async def later_versions(world: World, chance: random.Random) -> None:
    with_more = [a_lead(chance, **LATER) for _ in range(3)]
    with_less = [a_lead(chance) for _ in range(2)]  # of a producer from before `schema_version` was there
    as_now = [
        a_lead(
            chance,
            schema_version=1,
            identities=[{"kind": "email", "token": f"{chance.getrandbits(128):032x}", "mx": "x"}],
        )
    ]
    leads = [*with_more, *with_less, *as_now]
    records = [captured(lead) for lead in leads]
    places = await write(world, records)
    unknown = [
        Poison(name, topic, json.dumps({**MAKE[topic](chance), **change}).encode())
        for topic in TOPICS
        for name, change in (
            ("the next major version", {"schema_version": 2, **LATER}),
            ("a version before the first", {"schema_version": 0}),
            ("an event of a later version", {"event": "LeadTeleported", **LATER}),
        )
    ]
    await set_aside(world, unknown)
    await all_counted(world, [lead["event_id"] for lead in leads])
    for record, place in zip(records, places, strict=True):
        assert await value_at(world, place.partition, place.offset) == record.value, "the log did not keep it as it was"


async def value_at(world: World, partition: int, offset: int) -> bytes | None:
    """What the log says at a place of capture's topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=world.kafka.bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        place = TopicPartition(CAPTURE_LEADS.name, partition)
        consumer.assign([place])
        consumer.seek(place, offset)
        record = await consumer.getone()
        value: bytes | None = record.value
        return value
    finally:
        await consumer.stop()
