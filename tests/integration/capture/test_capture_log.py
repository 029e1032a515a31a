"""The kit's producer on a real broker keeps every promise capture relies on, and capture on it keeps its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import CollectorRegistry

from services.capture.app import create_app
from shared.cli.local.ports import free_port
from shared.contracts.topics import CAPTURE_LEADS
from shared.kit.instruments import ProducerInstruments
from shared.kit.producer import Producer
from tests.support.names import unique
from tests.support.patience import eventually
from tests.support.topics import create_topics
from tests.unit.capture.fakes import a_client, the_settings
from tests.unit.capture.log_contract import LogContract, ReadBack


async def partitions(bootstrap: str, topic: str) -> list[TopicPartition]:
    """The partitions a topic has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (described,) = await admin.describe_topics([topic])
        return sorted(TopicPartition(topic, one["partition"]) for one in described["partitions"])
    finally:
        await admin.close()


async def everything(bootstrap: str, topic: str) -> list[tuple[bytes, bytes]]:
    """Keys and values of all records of a topic, each partition in order."""
    places = await partitions(bootstrap, topic)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        found: list[tuple[bytes, bytes]] = []
        while any([await consumer.position(place) < ends[place] for place in places]):
            batches = await consumer.getmany(timeout_ms=500)
            found += [(record.key, record.value) for records in batches.values() for record in records]
        return found
    finally:
        await consumer.stop()


@pytest.mark.logs_errors  # the client library logs each connection that is refused
class TestProducer(LogContract):
    @pytest.fixture
    async def topic(self, kafka_bootstrap: str) -> str:
        name = unique("capture-log")
        await create_topics(kafka_bootstrap, [name], partitions=2)
        return name

    @pytest.fixture
    async def log(self, kafka_bootstrap: str) -> AsyncIterator[Producer]:
        producer = Producer(kafka_bootstrap, instruments=ProducerInstruments(CollectorRegistry()))
        await producer.start()
        await eventually(lambda: producer.ready)
        yield producer
        await producer.stop()

    @pytest.fixture
    async def away(self) -> AsyncIterator[Producer]:
        producer = Producer(
            f"127.0.0.1:{free_port()}", instruments=ProducerInstruments(CollectorRegistry()), deadline_seconds=0.5
        )
        await producer.start()
        yield producer
        await producer.stop()

    @pytest.fixture
    def read_back(self, kafka_bootstrap: str, topic: str) -> ReadBack:
        async def read() -> list[tuple[bytes, bytes]]:
            return await everything(kafka_bootstrap, topic)

        return read


async def test_every_accepted_lead_is_an_event_on_the_log(fresh_kafka: str) -> None:
    await create_topics(fresh_kafka)
    app = create_app(the_settings(LEADFLOW_KAFKA_BOOTSTRAP=fresh_kafka))
    async with app.router.lifespan_context(app), a_client(app) as client:

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await eventually(ready)
        bodies = [{"email": f"a{n}@example.com", "record_id": f"r{n}"} for n in range(2_500)]
        batch = await client.post("/v1/leads:batch", json=bodies)
        one = await client.post("/v1/leads", json={"phone": "+31201234567"})
    assert (batch.status_code, one.status_code) == (202, 202)
    answered = {item["event_id"] for item in batch.json()["items"]} | {one.json()["event_id"]}
    records = await everything(fresh_kafka, CAPTURE_LEADS.name)
    assert len(records) == 2_501
    assert {orjson.loads(value)["event_id"] for _, value in records} == answered
    assert all(CAPTURE_LEADS.parse(value).lead_id.bytes and key.decode() in value.decode() for key, value in records)


async def test_while_the_log_is_away_nothing_is_accepted_and_capture_says_when_to_come_back() -> None:
    settings = the_settings(LEADFLOW_KAFKA_BOOTSTRAP=f"127.0.0.1:{free_port()}", produce_deadline_seconds=0.5)
    app = create_app(settings)
    async with app.router.lifespan_context(app), a_client(app) as client:
        answer = await client.post("/v1/leads", json={"email": "ada@example.com"})
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200
