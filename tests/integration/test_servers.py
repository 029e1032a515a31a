"""What the other tests stand on does what it says."""

from __future__ import annotations

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.support.names import unique
from tests.support.topics import create_topics


def test_every_test_gets_an_empty_database_of_its_own(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE only_here (id integer)")
        assert connection.execute("SELECT count(*) FROM only_here").fetchone() == (0,)


def test_a_table_of_another_test_is_not_there(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT to_regclass('only_here')").fetchone() == (None,)


async def test_the_broker_returns_what_it_was_given(kafka_bootstrap: str) -> None:
    topic = unique("letters")
    await create_topics(kafka_bootstrap, [topic], partitions=1)
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        await producer.send_and_wait(topic, b"hello", key=b"k")
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest") as consumer:
        assert (await consumer.getone()).value == b"hello"
