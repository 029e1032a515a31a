"""What a cluster can answer to a member of a group: on librdkafka's mock cluster, with capture and pipeline as
processes."""

from __future__ import annotations

import random
import time
from functools import partial
from typing import Any

from shared.contracts.topics import CAPTURE_LEADS
from tests.faults.harness.matrix import scenario
from tests.faults.harness.stage import Stage
from tests.faults.mock.chain import Chain, open_chain
from tests.faults.mock.cluster import Request
from tests.faults.mock.spoiled import SPOILED, send_batch
from tests.support.patience import eventually
from tests.support.services import API_TOKEN

BACK_WITHIN_SECONDS = 30.0
RECOVERS_WITHIN_SECONDS = 10.0

HEARTBEAT_ERRORS = {14: "loading", 82: "fenced", -1: "unknown"}
OPERATOR = {"Authorization": f"Bearer {API_TOKEN}"}
PASSING_COMMIT_ERRORS = (14, 15, 16)
EXPELLING_COMMIT_ERRORS = (22, 25, 27)
JOINS_WITHIN_SECONDS = 20.0
"""A member that was told that it is none joins anew, and the others wait for its former self until its session ends."""


class Keeper:
    """Starts pipeline again when it has ended, as whoever runs it does."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.restarts = 0

    def look(self) -> None:
        """Starts it again if it has ended."""
        if not self._chain.services.alive("pipeline"):
            self.restarts += 1
            self._chain.services.start("pipeline")


@scenario(row=9, title="a heartbeat is answered with an error nobody expects", seconds=30)
async def heartbeat_errors(stage: Stage, chance: random.Random) -> None:
    async with open_chain(stage, PIPELINE_SESSION_TIMEOUT_SECONDS="3") as chain:
        keeper = Keeper(chain)
        async with chain.traffic(rate=20.0):
            await chain.recovered()
            for code, meaning in chance.sample(list(HEARTBEAT_ERRORS.items()), len(HEARTBEAT_ERRORS)):
                chain.cluster.requests()
                await chain.let(chain.cluster.refuse, Request.HEARTBEAT, [code])
                began = time.monotonic()

                def is_member_again() -> bool:
                    keeper.look()
                    return chain.cluster.requests()[Request.JOIN_GROUP] > 0

                await eventually(is_member_again, within_seconds=BACK_WITHIN_SECONDS + 5, every_seconds=0.2)
                seconds = time.monotonic() - began
                assert seconds < BACK_WITHIN_SECONDS, f"{meaning}: back in the group only after {seconds:.1f} s"
                stage.note(f"{meaning}: a member again after {seconds:.1f} s")
                stage.recovery(await chain.recovered(RECOVERS_WITHIN_SECONDS))
        stage.note(f"{keeper.restarts} restarts")
        await chain.settle(stage)


@scenario(row=10, title="offset commits are refused, in ways drawn from the seed, or not answered", seconds=50)
async def offset_commit_errors(stage: Stage, chance: random.Random) -> None:
    async with open_chain(stage, PIPELINE_SESSION_TIMEOUT_SECONDS="3") as chain:
        async with chain.traffic(rate=20.0):
            await chain.recovered()
            codes = [*chance.sample(PASSING_COMMIT_ERRORS, 1), *chance.sample(EXPELLING_COMMIT_ERRORS, 2)]
            for code in codes:
                chain.cluster.requests()
                await chain.let(chain.cluster.refuse, Request.OFFSET_COMMIT, [code])
                await eventually(lambda: chain.cluster.requests()[Request.OFFSET_COMMIT], every_seconds=0.2)
                stage.recovery(await chain.recovered(JOINS_WITHIN_SECONDS))
            stage.note(f"codes {codes}")
            failures = await chain.metric("pipeline", "leadflow_commit_failures_total")
            assert failures > 0, "no failed commit was counted"
            await chain.let(chain.cluster.refuse_at, 1, Request.OFFSET_COMMIT, [0], after_seconds=7.0)
            await eventually(partial(failed_more_often, chain, failures), within_seconds=15)
            stage.recovery(await chain.recovered(RECOVERS_WITHIN_SECONDS))
        stage.note(
            f"{await chain.metric('pipeline', 'leadflow_commit_failures_total'):.0f} failed commits were counted"
        )
        redelivered = await chain.metric("pipeline", "leadflow_consumer_redelivered_records_total")
        stage.note(f"{redelivered:.0f} records came again")
        await chain.settle(stage)


async def failed_more_often(chain: Chain, times: float) -> bool:
    """Whether more commits of pipeline have failed than these."""
    return await chain.metric("pipeline", "leadflow_commit_failures_total") > times


@scenario(row=22, title="a partition holds a batch that nobody can read", seconds=35)
async def unreadable_batches(stage: Stage, chance: random.Random) -> None:
    what, spoil = chance.choice(list(SPOILED.items()))
    topic, partition = CAPTURE_LEADS.name, chance.randrange(4)
    async with open_chain(stage) as chain:
        async with chain.traffic(rate=20.0):
            await chain.recovered()
            await send_batch(chain.cluster.bootstrap, topic, partition, [b"{}"] * 3, spoil)
            began = time.monotonic()
            await eventually(partial(unreadable_partitions, chain), within_seconds=15)
            stage.note(f"{what}: told after {time.monotonic() - began:.1f} s")
            facts = await chain.facts()
            await eventually(partial(more_facts, chain, facts + 30), within_seconds=15)
            lag = await chain.metric("pipeline", "leadflow_consumer_lag_records", topic=topic, partition=str(partition))
            assert lag > 0, "the stall is not to be seen"
            (stands_at,) = [one["next_offset"] for one in (await unreadable(chain))["items"]]
            accepted = list(chain.accepted.values())
            await skip(chain, topic, partition, stands_at + 3)
            healed = time.monotonic()
            await eventually(partial(all_counted, chain, accepted), within_seconds=40)
            stage.recovery(time.monotonic() - healed)
            assert chain.services.alive("pipeline")
        dropped = await chain.rows("SELECT record_offset FROM pipeline.dead_letters WHERE status = 'dropped'")
        assert sorted(dropped) == [(stands_at + n,) for n in range(3)], "what was skipped is not on the books"
        await chain.settle(stage)


async def unreadable_partitions(chain: Chain) -> float:
    """How many partitions pipeline cannot read on."""
    return await chain.metric("pipeline", "leadflow_consumer_unreadable_partitions")


async def more_facts(chain: Chain, count: int) -> bool:
    """Whether pipeline has more leads than these."""
    return await chain.facts() > count


async def all_counted(chain: Chain, accepted: list[str]) -> bool:
    """Whether all of these events are facts."""
    return len(await chain.counted(accepted)) == len(accepted)


async def unreadable(chain: Chain) -> Any:
    """What pipeline says about partitions that it cannot read on."""
    answer = await chain.client.get(f"{chain.services.url('pipeline')}/v1/unreadable", headers=OPERATOR)
    return answer.raise_for_status().json()


async def skip(chain: Chain, topic: str, partition: int, before_offset: int) -> None:
    """Gives up what cannot be read."""
    url = f"{chain.services.url('pipeline')}/v1/unreadable:skip"
    body = {"topic": topic, "partition": partition, "before_offset": before_offset}
    (await chain.client.post(url, json=body, headers=OPERATOR)).raise_for_status()
