"""The log before a service and the relay behind it, with nothing of the service in between: its records are read by the same client,
what is announced is taken from the outbox, sent and deleted by the same relay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.pipeline.storage.webhooks import RELAYED
from shared.contracts.topics import Topic
from shared.kit.background import running
from shared.kit.database import Database
from shared.kit.instruments import OutboxInstruments, ProducerInstruments, new_registry
from shared.kit.producer import Producer
from shared.kit.relay import Relay
from tests.load.stage import PARTITIONS, Stage
from tests.support.patience import eventually

LOOK_MILLISECONDS = 1_000


@asynccontextmanager
async def passing(
    stage: Stage, database: Database, topics: Sequence[Topic]
) -> AsyncIterator[tuple[Callable[[int], Awaitable[None]], Callable[[], Awaitable[None]]]]:
    """A relay beside whatever is done within. Gives what reads so many records of these topics, and what waits until everything
    that was announced is on the log."""
    registry = new_registry("bench")
    producer = Producer(stage.bootstrap, client_id="bench", instruments=ProducerInstruments(registry))
    consumer = AIOKafkaConsumer(bootstrap_servers=stage.bootstrap, enable_auto_commit=False)
    await producer.start()
    await consumer.start()
    consumer.assign([TopicPartition(topic.name, number) for topic in topics for number in range(PARTITIONS)])
    await consumer.seek_to_beginning()

    async def read(records: int) -> None:
        while records > 0:
            found = await consumer.getmany(timeout_ms=LOOK_MILLISECONDS, max_records=records)
            records -= sum(map(len, found.values()))

    async def is_told() -> bool:
        return not await database.rows(f"SELECT 1 FROM {database.schema}.outbox LIMIT 1")

    async def told() -> None:
        await eventually(is_told, within_seconds=60)

    relay = Relay(database, producer, OutboxInstruments(registry), then=RELAYED)
    try:
        async with running(relay.run(), "bench-relay"):
            yield read, told
    finally:
        await consumer.stop()
        await producer.stop()
