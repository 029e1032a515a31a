"""What the producer makes of a log's refusals and silences, on librdkafka's mock cluster."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator

import pytest
from prometheus_client import CollectorRegistry

from shared.kit.errors import Rejected, Retryable
from shared.kit.instruments import ProducerInstruments
from shared.kit.producer import BATCH_FROM_MESSAGES, Producer
from tests.faults.mock.cluster import MockCluster, Request, running_mock_cluster
from tests.support.patience import eventually

TOPIC = "capture.leads.v1"
DEADLINE_SECONDS = 0.5
TOO_LARGE, OUT_OF_ORDER = 10, 45

pytestmark = pytest.mark.logs_errors  # the client library logs that it cannot connect


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with running_mock_cluster(2, partitions=1) as running:
        yield running


@pytest.fixture
async def producer(cluster: MockCluster, registry: CollectorRegistry) -> AsyncIterator[Producer]:
    made = Producer(cluster.bootstrap, instruments=ProducerInstruments(registry), deadline_seconds=DEADLINE_SECONDS)
    await made.start()
    try:
        await eventually(lambda: made.ready)
        await made.send(TOPIC, b"k", b"first")
        yield made
    finally:
        await made.stop()


def rebuilds(registry: CollectorRegistry) -> float:
    """How often the producer was replaced."""
    return registry.get_sample_value("leadflow_producer_rebuilds_total") or 0.0


async def test_a_producer_that_nobody_uses_any_more_is_ready_again_when_the_log_is_back(
    cluster: MockCluster, producer: Producer
) -> None:
    cluster.down()
    with pytest.raises(Retryable):
        await producer.send(TOPIC, b"k", b"lost")
    assert not producer.ready
    cluster.up()
    await eventually(lambda: producer.ready, within_seconds=10)


async def test_a_producer_that_was_replaced_leaves_no_task_and_no_connection_behind(
    cluster: MockCluster, producer: Producer, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    before = len(asyncio.all_tasks())
    cluster.down()

    async def given_up() -> bool:
        with pytest.raises(Retryable):
            await producer.send(TOPIC, b"k", b"lost")
        return rebuilds(registry) > 0

    await eventually(given_up, within_seconds=15)
    cluster.up()
    await eventually(lambda: producer.ready)
    await eventually(lambda: len(asyncio.all_tasks()) <= before)
    gc.collect()  # what nobody heard is logged when it is collected
    assert "never retrieved" not in caplog.text


async def test_after_a_message_that_the_log_found_too_large_the_next_one_has_no_gap_before_it(
    cluster: MockCluster, producer: Producer, registry: CollectorRegistry
) -> None:
    cluster.refuse(Request.PRODUCE, [TOO_LARGE])
    with pytest.raises(Rejected) as refused:
        await producer.send(TOPIC, b"k", b"large")
    assert refused.value.status == 413
    await eventually(lambda: rebuilds(registry) == 1)
    await eventually(lambda: producer.ready)
    await producer.send(TOPIC, b"k", b"next")


async def test_neighbours_of_a_message_that_is_too_large_are_not_refused_for_good(
    cluster: MockCluster, producer: Producer
) -> None:
    cluster.refuse(Request.PRODUCE, [TOO_LARGE])
    outcomes = await producer.send_many(TOPIC, [(b"k", b"small")] * BATCH_FROM_MESSAGES)
    assert {type(outcome) for outcome in outcomes} == {Retryable}


async def test_a_sequence_with_a_gap_costs_one_refusal_and_a_new_producer(
    cluster: MockCluster, producer: Producer, registry: CollectorRegistry
) -> None:
    cluster.refuse(Request.PRODUCE, [OUT_OF_ORDER])
    with pytest.raises(Retryable):
        await producer.send(TOPIC, b"k", b"after the gap")
    await eventually(lambda: producer.ready)
    assert rebuilds(registry) == 1
    await producer.send(TOPIC, b"k", b"again")
