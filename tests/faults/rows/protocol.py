"""What a cluster can answer, and not answer, to our producers: on librdkafka's mock cluster, with capture and pipeline as
processes."""

from __future__ import annotations

import asyncio
import random
import signal
from functools import partial

from shared.contracts.topics import CAPTURE_LEADS, PIPELINE_LIFECYCLE, SCORING_SCORES
from tests.faults.harness.matrix import scenario
from tests.faults.harness.stage import Stage
from tests.faults.mock.chain import DEADLINE_SECONDS, Chain, open_chain
from tests.faults.mock.cluster import NO_LEADER, Request
from tests.support.patience import eventually

PARTITIONS = 4
RECOVERS_WITHIN_SECONDS = 10.0
MAY_GROW_BYTES = 32 * 1024 * 1024
"""What a process may take on while its log is away: less than a second's batches of all partitions."""

STOPS_WITHIN_SECONDS = 20.0
ENDED_WELL = (0, -signal.SIGTERM)
"""The server hands the signal on once it has stopped in good order."""

RETRIABLE = {6: "not the leader", 7: "timed out", 19: "too few replicas"}
POISON = {45: "out of order", 59: "unknown producer", 47: "old epoch"}
TOO_LARGE = 10

RATE = 40.0
MOST_WAITING = 400
"""Leads a second, and how many may come to wait for the log: the harness's own client is slow with thousands at once."""


async def back_to_normal(chain: Chain, stage: Stage, *, pid: int) -> None:
    """What holds after every fault of a log: the same process is ready, takes leads, and nothing of it is left over."""
    stage.recovery(await chain.recovered(RECOVERS_WITHIN_SECONDS))
    await eventually(lambda: chain.ready("capture"), within_seconds=RECOVERS_WITHIN_SECONDS)
    assert chain.services.alive("capture"), "capture has ended"
    assert chain.services.pid("capture") == pid
    chain.check_deadline()


async def outage(stage: Stage, seconds: float) -> None:
    async with open_chain(stage) as chain:
        pid = chain.services.pid("capture")
        async with chain.traffic(min(RATE, MOST_WAITING / seconds)):
            await chain.recovered()
            before = chain.resident_bytes("capture")
            await chain.let(chain.cluster.down)
            await asyncio.sleep(seconds)
            grown = chain.resident_bytes("capture") - before
            assert not await chain.ready("capture"), "capture calls itself ready without a log"
            assert (await chain.client.get(f"{chain.services.url('capture')}/livez")).status_code == 200
            await chain.let(chain.cluster.up)
            await back_to_normal(chain, stage, pid=pid)
        assert chain.how_many(503), "nobody was told that the log is away"
        assert grown < MAY_GROW_BYTES, f"capture grew by {grown} bytes in {seconds} s without a log"
        stage.note(f"down for {seconds:.0f} s; slowest 503 {chain.slowest(503):.2f} s; grew by {grown // 1024} KiB")
        await chain.settle(stage)


@scenario(row=6, title="the log is away for longer than a batch lives", seconds=30)
async def log_away_longer_than_a_batch_lives(stage: Stage, chance: random.Random) -> None:
    await outage(stage, DEADLINE_SECONDS + 1.5 + chance.random())


@scenario(row=6, title="the log is away for a minute", seconds=85, long_only=True)
async def log_away_for_a_minute(stage: Stage, chance: random.Random) -> None:
    await outage(stage, 60 + chance.random())


@scenario(row=7, title="the log is away when the services start", seconds=25)
async def log_away_at_start(stage: Stage, chance: random.Random) -> None:
    async with open_chain(stage, start=False) as chain:
        await chain.let(chain.cluster.down)
        for service in ("capture", "pipeline"):
            chain.services.start(service)

        async def both_alive() -> bool:
            return await chain.alive("capture") and await chain.alive("pipeline")

        await eventually(both_alive, within_seconds=30)
        for _ in range(4):
            answer = await chain.post("too early")
            assert answer.status == 503
            chain.check_deadline()
            assert not await chain.ready("capture")
            assert not await chain.ready("pipeline")
            await asyncio.sleep(0.5 + chance.random())
        assert await chain.rows("SELECT * FROM pipeline.consumer_offsets") == [], "positions without a log"
        assert await both_alive(), "a service gave up"
        await chain.let(chain.cluster.up)
        stage.recovery(await chain.recovered(RECOVERS_WITHIN_SECONDS))
        await eventually(lambda: chain.ready("pipeline"), within_seconds=RECOVERS_WITHIN_SECONDS)
        await chain.settle(stage)


async def lead_apart(chain: Chain) -> None:
    """Broker 1 leads what capture writes, broker 2 what pipeline writes, so that errors can be for one of them."""
    for partition in range(PARTITIONS):
        await chain.let(chain.cluster.lead, CAPTURE_LEADS.name, partition, 1)
        await chain.let(chain.cluster.lead, PIPELINE_LIFECYCLE.name, partition, 2)
        await chain.let(chain.cluster.lead, SCORING_SCORES.name, partition, 2)


@scenario(row=11, title="produce is answered with errors that pass, errors that poison, and 'too large'", seconds=35)
async def produce_errors(stage: Stage, chance: random.Random) -> None:
    async with open_chain(stage, brokers=2) as chain:
        await lead_apart(chain)
        pid = chain.services.pid("capture")
        async with chain.traffic():
            await chain.recovered()
            for code, meaning in chance.sample(list(RETRIABLE.items()), len(RETRIABLE)):
                refused = chain.how_many(503)
                await chain.let(chain.cluster.refuse_at, 1, Request.PRODUCE, [code] * 3)
                await chain.let(chain.cluster.refuse_at, 2, Request.PRODUCE, [code] * 3)
                stage.recovery(await chain.recovered(RECOVERS_WITHIN_SECONDS))
                assert chain.how_many(503) == refused, f"capture gave up over {meaning}"
            rebuilt = await chain.metric("capture", "leadflow_producer_rebuilds_total")
            assert rebuilt == 0, "a producer was replaced over an error that passes"
            for code, meaning in chance.sample(list(POISON.items()), len(POISON)):
                await chain.let(chain.cluster.refuse_at, 1, Request.PRODUCE, [code])
                await chain.let(chain.cluster.refuse_at, 2, Request.PRODUCE, [code])
                stage.recovery(await chain.recovered(RECOVERS_WITHIN_SECONDS))
                await eventually(partial(both_rebuilt, chain, rebuilt))
                stage.note(f"{meaning}: both producers were replaced")
                rebuilt += 1
            chain.some_are_too_large = True
            await chain.let(chain.cluster.refuse_at, 1, Request.PRODUCE, [TOO_LARGE])
            await chain.let(chain.cluster.refuse_at, 2, Request.PRODUCE, [TOO_LARGE])
            await eventually(lambda: chain.how_many(413) > 0)
            await back_to_normal(chain, stage, pid=pid)
        stage.note(f"{chain.how_many(413)} leads were answered 413")
        await chain.settle(stage)


async def both_rebuilt(chain: Chain, so_far: float) -> bool:
    """Whether the producers of both services were replaced more often than this."""
    name = "leadflow_producer_rebuilds_total"
    return min([await chain.metric(service, name) for service in ("capture", "pipeline")]) > so_far


@scenario(row=12, title="the log takes 2 seconds for every answer, then 6", seconds=40)
async def slow_log(stage: Stage, chance: random.Random) -> None:
    async with open_chain(stage, brokers=2) as chain:
        pid = chain.services.pid("capture")
        async with chain.traffic():
            await chain.recovered()
            before = chain.resident_bytes("capture")
            await chain.let(chain.cluster.answer_after, 2.0)
            began = asyncio.get_running_loop().time()
            await eventually(lambda: chain.slowest(202) >= 2.0)
            await asyncio.sleep(3 + chance.random())
            taken = chain.how_many(202, since=began)
            assert taken, "a log that answers within the deadline is no reason to refuse"
            await chain.let(chain.cluster.answer_after, 6.0)
            await asyncio.sleep(DEADLINE_SECONDS * 2)
            inflight = await chain.metric("capture", "leadflow_producer_inflight_messages")
            grown = chain.resident_bytes("capture") - before
            await chain.let(chain.cluster.answer_after, 0.0)
            await back_to_normal(chain, stage, pid=pid)
        assert chain.how_many(503), "nobody was told that the log is too slow"
        assert inflight <= chain.most_waiting, f"{inflight} messages in flight for {chain.most_waiting} who wait"
        assert grown < MAY_GROW_BYTES, f"capture grew by {grown} bytes"
        await eventually(lambda: nothing_in_flight(chain))
        stage.note(f"slowest 503 {chain.slowest(503):.2f} s; {inflight:.0f} in flight; grew by {grown // 1024} KiB")
        await chain.settle(stage)


async def nothing_in_flight(chain: Chain) -> bool:
    """Whether capture waits for no acknowledgement."""
    return await chain.metric("capture", "leadflow_producer_inflight_messages") == 0


@scenario(row=13, title="leaders move, and for longer than a batch lives there is none", seconds=40)
async def leaders_move_and_are_missing(stage: Stage, chance: random.Random) -> None:
    async with open_chain(stage, brokers=3) as chain:
        pid = chain.services.pid("capture")
        topics = (CAPTURE_LEADS.name, PIPELINE_LIFECYCLE.name, SCORING_SCORES.name)
        async with chain.traffic():
            for _ in range(3):
                for topic in topics:
                    for partition in range(PARTITIONS):
                        await chain.let(chain.cluster.lead, topic, partition, chance.choice(chain.cluster.brokers))
                stage.recovery(await chain.recovered(RECOVERS_WITHIN_SECONDS))
            assert chain.how_many(503) == 0, "a leader that moves is no reason to refuse"
            for topic in topics:
                for partition in range(PARTITIONS):
                    await chain.let(chain.cluster.lead, topic, partition, NO_LEADER)
            await eventually(lambda: chain.how_many(503) > 0, within_seconds=DEADLINE_SECONDS * 2)
            await asyncio.sleep(DEADLINE_SECONDS + chance.random())
            for topic in topics:
                for partition in range(PARTITIONS):
                    await chain.let(chain.cluster.lead, topic, partition, chance.choice(chain.cluster.brokers))
            await back_to_normal(chain, stage, pid=pid)
        stage.note(f"slowest 503 {chain.slowest(503):.2f} s")
        await chain.settle(stage)


@scenario(row=30, title="services are told to stop while the log is away", seconds=30)
async def told_to_stop_without_a_log(stage: Stage, chance: random.Random) -> None:
    async with open_chain(stage) as chain:
        async with chain.traffic():
            await chain.recovered()
        await chain.let(chain.cluster.down)
        waiting = [asyncio.create_task(chain.post(chain.next_id())) for _ in range(20)]
        await asyncio.sleep(chance.uniform(0.2, 2.0))
        took = await asyncio.gather(*(chain.told_to_stop(service) for service in ("capture", "pipeline")))
        for service, (seconds, code) in zip(("capture", "pipeline"), took, strict=True):
            stage.note(f"{service} ended after {seconds:.1f} s with {code}")
        answers = await asyncio.gather(*waiting)
        assert {one.status for one in answers} == {503}, "whoever waited is told to come again"
        for seconds, code in took:
            assert seconds < STOPS_WITHIN_SECONDS, f"it took {seconds:.1f} s"
            assert code in ENDED_WELL, f"it ended with {code}"
        await chain.let(chain.cluster.up)
        for service in ("capture", "pipeline"):
            chain.services.start(service)
        await asyncio.to_thread(chain.services.wait_until_ready, "capture", "pipeline")
        stage.recovery(await chain.recovered(RECOVERS_WITHIN_SECONDS))
        await chain.settle(stage)
