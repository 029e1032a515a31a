"""What the consumer makes of a log's refusals and of bytes that nobody can read, on librdkafka's mock cluster."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from shared.kit import problems
from shared.kit.background import running
from shared.kit.consumer import Consumer
from shared.kit.settings import ServiceSettings
from shared.kit.unreadable_api import router
from shared.kit.watchdog import Watchdog
from tests.faults.mock.cluster import MockCluster, Request, running_mock_cluster
from tests.faults.mock.spoiled import SPOILED, Spoil, corrupt, send_batch
from tests.integration.kit.conftest import Toy, ping
from tests.support.names import unique
from tests.support.patience import eventually

COORDINATOR_LOADING, UNKNOWN, FENCED_INSTANCE = 14, -1, 82
ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING = 22, 25, 27

pytestmark = pytest.mark.logs_errors  # the client library logs what it is told


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with running_mock_cluster(2, partitions=1) as running_cluster:
        yield running_cluster


@pytest.fixture
def toy(cluster: MockCluster, toy_url: str) -> Toy:
    """The toy on the mock cluster, with two partitions."""
    topic = unique("toy")
    cluster.create_topics([topic, f"{topic}-out"], partitions=2)
    settings = ServiceSettings(
        api_token=SecretStr("t" * 16),
        identity_secret=SecretStr("s" * 16),
        kafka_bootstrap=cluster.bootstrap,
        session_timeout_seconds=1.0,
    )
    return Toy(cluster.bootstrap, toy_url, topic, topic, settings)


async def done(toy: Toy, records: int) -> None:
    """Returns when so many records are behind this toy."""

    async def enough() -> bool:
        return (await toy.ledger())["records"] >= records

    await eventually(enough)


async def test_a_bootstrap_address_may_name_several_brokers(toy: Toy, cluster: MockCluster) -> None:
    assert "," in cluster.bootstrap
    await toy.send(ping(1))
    async with toy.consuming():
        await done(toy, 1)


@pytest.mark.parametrize("code", [COORDINATOR_LOADING, UNKNOWN, FENCED_INSTANCE])
async def test_a_consumer_notices_that_a_heartbeat_error_has_cost_it_its_place(
    toy: Toy, cluster: MockCluster, code: int
) -> None:
    async with toy.consuming() as consumer:
        await eventually(lambda: consumer.assignment)
        cluster.refuse(Request.HEARTBEAT, [code])
        async with asyncio.timeout(10):
            await consumer.lost()
        await consumer.stop()
        await consumer.start()
        await toy.send(ping(1))
        await done(toy, 1)


@pytest.mark.parametrize("code", [ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING])
async def test_an_offset_commit_that_fails_is_counted_and_said_again(toy: Toy, cluster: MockCluster, code: int) -> None:
    await toy.send(ping(1))
    async with toy.consuming() as consumer:
        await eventually(lambda: consumer.assignment)
        cluster.refuse(Request.OFFSET_COMMIT, [code])
        await done(toy, 1)
        await eventually(lambda: consumer.instruments.commit_failures._value.get() == 1)
        cluster.requests()
        await eventually(lambda: cluster.requests()[Request.OFFSET_COMMIT])


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
async def test_what_cannot_be_read_stands_alone_and_its_neighbours_go_on(
    toy: Toy, cluster: MockCluster, spoil: Spoil, registry: CollectorRegistry
) -> None:
    await send_batch(cluster.bootstrap, toy.topic, 1, [ping(1)])
    await send_batch(cluster.bootstrap, toy.topic, 1, [ping(2), ping(3)], spoil)
    await send_batch(cluster.bootstrap, toy.topic, 1, [ping(4)])
    async with toy.consuming() as consumer:
        watchdog = Watchdog(consumer, toy.database(), toy.bootstrap, stall_timeout_seconds=30, check_every_seconds=0.2)
        async with running(watchdog.run(), "watchdog"):
            for number in range(10, 40):
                await send_batch(cluster.bootstrap, toy.topic, 0, [ping(number)])
            await done(toy, 30)
            await eventually(lambda: consumer.unreadable == {(toy.topic, 1)})
            await send_batch(cluster.bootstrap, toy.topic, 0, [ping(40)])
            await done(toy, 31)
            assert consumer.stopped is None
            lag = consumer.instruments.lag_records.labels(toy.topic, "1", toy.group)
            age = consumer.instruments.lag_seconds.labels(toy.topic, toy.group)
            assert lag._value.get() > 0
            numbers = itertools.count(50)

            async def stands_for_seconds_while_the_other_goes_on() -> bool:
                await send_batch(cluster.bootstrap, toy.topic, 0, [ping(next(numbers))])
                return bool(age._value.get() > 3)

            await eventually(stands_for_seconds_while_the_other_goes_on)


async def test_what_cannot_be_read_can_be_skipped_and_stays_on_the_books(toy: Toy, cluster: MockCluster) -> None:
    await send_batch(cluster.bootstrap, toy.topic, 1, [ping(1)])
    await send_batch(cluster.bootstrap, toy.topic, 1, [ping(2), ping(3)], corrupt)
    await send_batch(cluster.bootstrap, toy.topic, 1, [ping(4)])
    async with toy.consuming() as consumer, api_of(toy, consumer) as client:
        await eventually(lambda: consumer.unreadable)
        listed = (await client.get("/v1/unreadable")).json()["items"]
        body = {"topic": toy.topic, "partition": 1, "before_offset": 3}
        elsewhere = await client.post("/v1/unreadable:skip", json={**body, "partition": 0})
        too_far = await client.post("/v1/unreadable:skip", json={**body, "before_offset": 5})  # the log ends at 4
        skipped = await client.post("/v1/unreadable:skip", json=body)
        await done(toy, 4)
        await eventually(lambda: not consumer.unreadable)
    assert (elsewhere.status_code, too_far.status_code, skipped.status_code) == (409, 422, 200)
    assert listed == [{"topic": toy.topic, "partition": 1, "next_offset": 1}]
    assert skipped.json()["skipped"] == 2
    ledger = await toy.ledger()
    assert ledger == {"records": 4, "facts": 2, "duplicates": 0, "dead": 2, "stored": 2, "letters": 0}


@asynccontextmanager
async def api_of(toy: Toy, consumer: Consumer) -> AsyncIterator[httpx.AsyncClient]:
    """The toy's operator's API."""
    app = FastAPI()
    app.state.database, app.state.consumer = toy.database(), consumer
    problems.install(app)
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://toy") as client:
        yield client
    await app.state.database.close()
