"""A small service made of the kit alone: it writes each event once into `toy.facts` and passes it on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
import psycopg
import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, SecretStr

from shared.kit.consumer import Consumer
from shared.kit.database import Database, Transaction
from shared.kit.instruments import ConsumerInstruments
from shared.kit.migrations import create_delivery_tables
from shared.kit.records import Record
from shared.kit.settings import ServiceSettings
from tests.support.names import unique
from tests.support.topics import create_topics


class Ping(BaseModel):
    """The toy's one event."""

    event_id: str
    key: str
    number: int
    text: str = ""


class _Statements:
    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str) -> None:
        self._connection.execute(sql.encode())


@pytest.fixture
def toy_url(database_url: str) -> Iterator[str]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA toy")
        create_delivery_tables(_Statements(connection), "toy")
        connection.execute("CREATE TABLE toy.facts (event_id text PRIMARY KEY, key text, number integer, text text)")
        yield database_url


@dataclass
class Toy:
    """The toy's parts; `before` runs at the start of each batch and may raise."""

    bootstrap: str
    url: str
    topic: str
    group: str
    settings: ServiceSettings
    before: Callable[[Sequence[Record]], None] = lambda _: None
    consumers: list[Consumer] = field(default_factory=list)

    def database(self) -> Database:
        return Database(self.url, schema="toy")

    async def handle(self, transaction: Transaction, records: Sequence[Record]) -> None:
        self.before(records)
        rows = [record.event.model_dump() for record in records]
        written = await transaction.set_wise(
            """INSERT INTO toy.facts SELECT event_id, key, number, text
               FROM json_to_recordset(CAST(:rows AS json)) AS r(event_id text, key text, number integer, text text)
               ON CONFLICT DO NOTHING RETURNING event_id""",
            rows,
        )
        new = {row.event_id for row in written}
        for record in records:
            if record.event.event_id in new:
                new.discard(record.event.event_id)
                transaction.announce(f"{self.topic}-out", record.event.key, record.value)
            else:
                transaction.mark_duplicate(record)

    def consumer(self, database: Database) -> Consumer:
        return Consumer(
            self.settings,
            database,
            group=self.group,
            topics={self.topic: Ping.model_validate_json},
            handle=self.handle,
            instruments=ConsumerInstruments(CollectorRegistry()),
        )

    @asynccontextmanager
    async def consuming(self) -> AsyncIterator[Consumer]:
        database = self.database()
        consumer = self.consumer(database)
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()
            await database.close()

    async def send(self, *values: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        await producer.start()
        try:
            for value in values:
                await producer.send_and_wait(self.topic, value, key=b"k", partition=0, headers=list(headers))
        finally:
            await producer.stop()

    async def ledger(self) -> dict[str, int]:
        database = self.database()
        try:
            rows = await database.rows(
                """SELECT coalesce(sum(next_offset - first_offset), 0)::int AS records, coalesce(sum(facts), 0)::int AS facts,
                          coalesce(sum(duplicates), 0)::int AS duplicates, coalesce(sum(dead_lettered), 0)::int AS dead,
                          (SELECT count(*) FROM toy.facts)::int AS stored,
                          (SELECT count(*) FROM toy.dead_letters WHERE status = 'open')::int AS letters
                   FROM toy.consumer_offsets"""
            )
            return dict(rows[0]._mapping)
        finally:
            await database.close()


def ping(number: int, text: str = "", key: str = "k") -> bytes:
    """The bytes of the toy's event number `number`."""
    return orjson.dumps({"event_id": f"e{number}", "key": key, "number": number, "text": text})


@pytest.fixture
async def toy(kafka_bootstrap: str, toy_url: str) -> Toy:
    topic = unique("toy")
    await create_topics(kafka_bootstrap, [topic, f"{topic}-out"], partitions=1)
    settings = ServiceSettings(
        api_token=SecretStr("t" * 16), identity_secret=SecretStr("s" * 16), kafka_bootstrap=kafka_bootstrap, dead_letter_budget=5,
        group_instance_id=topic,
    )  # fmt: skip
    return Toy(kafka_bootstrap, toy_url, topic, topic, settings)
