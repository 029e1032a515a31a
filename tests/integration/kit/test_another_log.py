"""What the delivery pattern does where the log is another one than it was: cut off, made anew, with more partitions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.errors import TopicAlreadyExistsError
from sqlalchemy import Row

from shared.kit.background import running
from shared.kit.consumer import Consumer
from shared.kit.database import Database
from shared.kit.errors import Retryable
from shared.kit.watchdog import Watchdog
from tests.integration.kit.conftest import Toy, ping
from tests.support.patience import eventually

pytestmark = [pytest.mark.needs_apache, pytest.mark.logs_errors]


@pytest.fixture
async def admin(kafka_bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await client.start()
    yield client
    await client.close()


@asynccontextmanager
async def watched(toy: Toy, database: Database) -> AsyncIterator[Consumer]:
    async with toy.consuming() as consumer:
        watchdog = Watchdog(consumer, database, toy.bootstrap, stall_timeout_seconds=30, check_every_seconds=0.2)
        async with running(watchdog.run(), "watchdog"):
            yield consumer


@pytest.fixture
async def database(toy: Toy) -> AsyncIterator[Database]:
    opened = toy.database()
    yield opened
    await opened.close()


async def processed(toy: Toy, records: int, within_seconds: float = 20) -> None:
    async def are() -> bool:
        return (await toy.ledger())["records"] == records

    await eventually(are, within_seconds=within_seconds)


async def create_anew(admin: AIOKafkaAdminClient, topic: str) -> None:
    await admin.delete_topics([topic])

    async def created() -> bool:
        answer = await admin.create_topics([NewTopic(topic, 1, 1)])
        if answer.topic_errors[0][1] == TopicAlreadyExistsError.errno:
            return False
        return bool(answer.topic_errors[0][1] == 0)

    await eventually(created)


async def test_records_that_were_deleted_before_they_were_done_stop_the_consumer_though_nothing_new_arrives(
    toy: Toy, admin: AIOKafkaAdminClient, database: Database
) -> None:
    await toy.send(*(ping(n) for n in range(10)))
    async with toy.consuming():
        await processed(toy, 10)
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE toy.consumer_offsets SET next_offset = 4, facts = 4")
    await admin.delete_records({TopicPartition(toy.topic, 0): RecordsToDelete(10)})
    async with watched(toy, database) as consumer:
        await eventually(lambda: consumer.stopped)
    assert "up to offset 4, but the log begins at 10" in str(consumer.stopped)


async def test_a_topic_created_anew_and_filled_beyond_the_stored_offset_stops_the_consumer_before_it_takes_anything(
    toy: Toy, admin: AIOKafkaAdminClient
) -> None:
    await toy.send(*(ping(n) for n in range(5)))
    async with toy.consuming():
        await processed(toy, 5)
    await create_anew(admin, toy.topic)
    await toy.send(*(ping(100 + n) for n in range(20)))
    async with toy.consuming() as consumer:
        await eventually(lambda: consumer.stopped)
    assert "holds another record at offset 4" in str(consumer.stopped)
    assert (await toy.ledger())["records"] == 5


@pytest.mark.timeout(90)
async def test_a_topic_created_anew_under_a_running_consumer_stops_it_before_it_takes_anything(
    toy: Toy, admin: AIOKafkaAdminClient, database: Database
) -> None:
    await toy.send(*(ping(n) for n in range(5)))
    async with watched(toy, database) as consumer:
        await processed(toy, 5)
        await create_anew(admin, toy.topic)
        await toy.send(*(ping(100 + n) for n in range(20)))
        await eventually(lambda: consumer.stopped, within_seconds=40)
    assert (await toy.ledger())["records"] == 5


@pytest.mark.timeout(90)
async def test_a_partition_that_is_added_is_found_and_read_from_its_beginning(
    toy: Toy, admin: AIOKafkaAdminClient
) -> None:
    await toy.send(*(ping(n) for n in range(5)))
    async with toy.consuming():
        await processed(toy, 5)
        await add_a_partition(toy, admin, range(5, 8))
        await processed(toy, 8)


@pytest.mark.timeout(90)
async def test_a_static_member_that_comes_back_is_given_the_partitions_that_were_added_meanwhile(
    toy: Toy, admin: AIOKafkaAdminClient, database: Database
) -> None:
    assert toy.settings.group_instance_id
    await toy.send(*(ping(n) for n in range(5)))
    async with toy.consuming():
        await processed(toy, 5)
    await add_a_partition(toy, admin, range(5, 8))
    async with watched(toy, database):
        await processed(toy, 8, within_seconds=40)


async def add_a_partition(toy: Toy, admin: AIOKafkaAdminClient, numbers: Iterable[int]) -> None:
    """A second partition, with these events in it."""
    await admin.create_partitions({toy.topic: NewPartitions(2)})
    async with AIOKafkaProducer(bootstrap_servers=toy.bootstrap) as producer:
        for number in numbers:
            await eventually(lambda n=number: _sent(producer, toy.topic, n))  # type: ignore[misc]


async def _sent(producer: AIOKafkaProducer, topic: str, number: int) -> bool:
    if len(await producer.partitions_for(topic)) < 2:
        await producer.client.force_metadata_update()
        return False
    await producer.send_and_wait(topic, ping(number), key=b"k", partition=1)
    return True


class Shaky(Database):
    """A database that can be away."""

    away = False

    async def rows(self, sql: str, **parameters: Any) -> list[Row[Any]]:
        if self.away:
            raise Retryable("away")
        return await super().rows(sql, **parameters)


async def test_the_watchdog_knows_the_lag_at_once_and_goes_on_measuring_it_while_the_database_is_away(toy: Toy) -> None:
    database = Shaky(toy.url, schema="toy")
    consumer = toy.consumer(database)
    await toy.send(*(ping(n) for n in range(5)))

    def lag() -> float:
        return float(consumer.instruments.lag_records.labels(toy.topic, "0", toy.group)._value.get())

    watchdog = Watchdog(consumer, database, toy.bootstrap, stall_timeout_seconds=30, check_every_seconds=0.2)
    async with running(watchdog.run(), "watchdog"):
        await eventually(lambda: lag() == 5, within_seconds=5)
        database.away = True
        await toy.send(*(ping(n) for n in range(5)))
        await eventually(lambda: lag() == 10, within_seconds=5)
    await database.close()
