"""Apache Kafka on three nodes does what the faults of `tests/faults` rely on."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.support.names import unique
from tests.support.patience import eventually
from tests.support.servers import KafkaCluster
from tests.support.topics import create_topics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.logs_errors]
RECORDS = 60
NOT_ACKNOWLEDGED = b"kept or not, both are right"


async def with_a_topic(cluster: KafkaCluster) -> str:
    """A topic of one partition with records on it."""
    topic = unique("cluster")
    await create_topics(cluster.bootstrap, [topic], partitions=1)
    await cluster.in_sync()
    await write(cluster, topic)
    return topic


async def write(cluster: KafkaCluster, topic: str) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=cluster.bootstrap, acks="all", request_timeout_ms=40_000, enable_idempotence=True
    ) as producer:
        for number in range(RECORDS):
            await producer.send_and_wait(topic, b"%d" % number, partition=0)


async def read(cluster: KafkaCluster, topic: str, wanted: int) -> list[bytes]:
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=cluster.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    ) as consumer:
        found: list[bytes] = []

        async def fill() -> bool:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found.extend(one.value or b"" for one in records if one.value != NOT_ACKNOWLEDGED)
            return len(found) >= wanted

        await eventually(fill, within_seconds=60)
        return found


async def test_a_killed_node_comes_back_on_its_ports_with_its_data(apache_cluster: KafkaCluster) -> None:
    topic = await with_a_topic(apache_cluster)
    leader = await apache_cluster.leader(topic, 0)
    first_life = apache_cluster.pid(leader)
    apache_cluster.kill(leader)
    assert not apache_cluster.alive(leader)
    await write(apache_cluster, topic)
    assert await apache_cluster.leader(topic, 0) != leader
    apache_cluster.start(leader)
    await apache_cluster.in_sync()
    assert apache_cluster.pid(leader) != first_life
    assert len(await read(apache_cluster, topic, 2 * RECORDS)) == 2 * RECORDS


async def test_a_node_that_is_asked_to_stop_gives_its_leaderships_away_first(apache_cluster: KafkaCluster) -> None:
    topic = await with_a_topic(apache_cluster)
    leader = await apache_cluster.leader(topic, 0)
    apache_cluster.stop(leader)
    assert await apache_cluster.leader(topic, 0) not in (leader, -1)
    await write(apache_cluster, topic)
    apache_cluster.start(leader)
    await apache_cluster.in_sync()


async def test_a_paused_node_loses_its_leaderships_and_follows_when_it_goes_on(apache_cluster: KafkaCluster) -> None:
    topic = await with_a_topic(apache_cluster)
    leader = await apache_cluster.leader(topic, 0)
    apache_cluster.pause(leader)
    try:
        with pytest.raises(AssertionError, match=f"node {leader} does not answer"):
            await apache_cluster.in_sync(within_seconds=0)
        others = [number for number in range(3) if number != leader]

        async def moved() -> bool:
            said = await apache_cluster.metadata(apache_cluster.nodes[others[0]])
            partitions = [
                one
                for found in (said or {"topics": []})["topics"]
                if found["topic"] == topic
                for one in found["partitions"]
            ]
            return bool(partitions) and partitions[0]["leader"] in others

        await eventually(moved, within_seconds=40)
    finally:
        apache_cluster.resume(leader)
    await apache_cluster.in_sync()


async def test_with_one_node_of_three_no_write_is_acknowledged_and_with_two_it_is(apache_cluster: KafkaCluster) -> None:
    topic = await with_a_topic(apache_cluster)
    leader = await apache_cluster.leader(topic, 0)
    others = [number for number in range(3) if number != leader]
    async with AIOKafkaProducer(
        bootstrap_servers=apache_cluster.bootstrap, request_timeout_ms=8_000, acks="all"
    ) as producer:
        await producer.send_and_wait(topic, b"safe", partition=0)
        for number in others:
            apache_cluster.kill(number)
        with pytest.raises((KafkaError, TimeoutError)):
            await asyncio.wait_for(producer.send_and_wait(topic, NOT_ACKNOWLEDGED, partition=0), 20)

        async def has_a_leader() -> bool:
            return await apache_cluster.leader(topic, 0) >= 0

        apache_cluster.start(others[0])
        await eventually(has_a_leader, within_seconds=60)
    await write(apache_cluster, topic)
    apache_cluster.start(others[1])
    await apache_cluster.in_sync()
    assert len(await read(apache_cluster, topic, 2 * RECORDS + 1)) == 2 * RECORDS + 1


async def test_a_node_that_does_not_run_is_named(apache_cluster: KafkaCluster) -> None:
    apache_cluster.kill(2)
    with pytest.raises(AssertionError, match="node 2 does not run"):
        await apache_cluster.in_sync(within_seconds=0)
    with pytest.raises(RuntimeError, match="node 0 runs already"):
        apache_cluster.start(0)
