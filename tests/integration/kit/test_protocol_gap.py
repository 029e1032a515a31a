"""What a message that Apache Kafka refuses leaves behind for the next one."""

from __future__ import annotations

import os

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client import CollectorRegistry

from shared.kit.errors import Rejected, Retryable
from shared.kit.instruments import ProducerInstruments
from shared.kit.producer import Producer
from tests.support.names import unique
from tests.support.patience import eventually

LARGEST_BYTES = 4_000


async def test_after_a_message_that_kafka_found_too_large_no_sequence_is_out_of_order(
    kafka_bootstrap: str, registry: CollectorRegistry
) -> None:
    topic = unique("small")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"max.message.bytes": str(LARGEST_BYTES)})])
    await admin.close()
    producer = Producer(kafka_bootstrap, instruments=ProducerInstruments(registry))
    await producer.start()
    try:
        await eventually(lambda: producer.ready)
        await producer.send(topic, b"k", b"first")
        (refused,) = await producer.send_many(topic, [(b"k", os.urandom(LARGEST_BYTES * 4))])
        if refused is None:
            pytest.skip("this broker takes messages over its topic's limit")
        assert isinstance(refused, Rejected)

        async def goes_on() -> bool:
            try:
                await producer.send(topic, b"k", b"next")
            except Retryable:
                return False
            return True

        await eventually(goes_on)
    finally:
        await producer.stop()
    out_of_order = {"reason": "OutOfOrderSequenceNumber"}
    assert registry.get_sample_value("leadflow_producer_failures_total", out_of_order) is None
