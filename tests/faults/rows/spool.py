"""The log is away and capture keeps what comes in on its disk; and what it says where it may not."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import psutil

from tests.faults.harness.matrix import scenario
from tests.faults.harness.stage import Stage
from tests.faults.harness.standing import some_leads
from tests.faults.harness.world import World, open_world
from tests.faults.mock.chain import open_chain
from tests.faults.rows.disks import fill, resize, small_disk
from tests.faults.rows.protocol import back_to_normal
from tests.support.patience import eventually

LEADS_PER_SECOND = 500.0
KILLS = 2
FIVE_MINUTES = 300.0
A_MOMENT = 10.0
REMEMBERS_BYTES = 8 * 1024 * 1024
"""Of what senders said under their own ids: little, so that it does not hide what grows and should not."""

MAY_GROW_BYTES = 48 * 1024 * 1024 + REMEMBERS_BYTES
"""Also for remembering who waits (16 MiB at most), one segment in hand, and what Python keeps."""

KEPT_AT_LEAST = {A_MOMENT: 0.2, FIVE_MINUTES: 0.7}
"""Of the leads that were due while capture was there: in a few seconds on a busy machine few may have been sent."""

AT_ONCE = 400
"""How many may wait for an answer: what the senders' own machine bears, and less than capture lets in."""

TOLD_AT_LEAST = {A_MOMENT: AT_ONCE, FIVE_MINUTES: 0.3 * LEADS_PER_SECOND * FIVE_MINUTES}
"""Without a spool. Each waits for its deadline at first, so in a moment hardly more than all who may wait are told; once
the log is known to be away, the others are told at once."""

SPOOL_MEBIBYTES = 2

COUNTED_PER_SECOND = 150
"""A fresh lead is counted behind those that waited: at least so many a second, also where everything is on two cores."""


@scenario(row=6, title="with a spool: no broker for 10 s at 500 leads/s, capture killed twice", seconds=75)
async def spool_over_a_moment(stage: Stage, chance: random.Random) -> None:
    await _away_with_a_spool(stage, chance, A_MOMENT)


@scenario(
    row=6, title="with a spool: no broker for 5 min at 500 leads/s, capture killed twice", seconds=1_200, long_only=True
)
async def spool_over_five_minutes(stage: Stage, chance: random.Random) -> None:
    await _away_with_a_spool(stage, chance, FIVE_MINUTES)


@scenario(row=6, title="without a spool: no broker for 10 s at 500 leads/s", seconds=30)
async def no_spool_for_a_moment(stage: Stage, chance: random.Random) -> None:
    await _away_without_a_spool(stage, A_MOMENT)


@scenario(row=6, title="without a spool: no broker for 5 min at 500 leads/s", seconds=325, long_only=True)
async def no_spool_for_five_minutes(stage: Stage, chance: random.Random) -> None:
    await _away_without_a_spool(stage, FIVE_MINUTES)


async def _away_with_a_spool(stage: Stage, chance: random.Random, seconds: float) -> None:
    async with _world(stage, stage.folder / "spool") as world:
        await some_leads(world)
        accepted, refused, began = world.ledger.count(), _refused(world), time.monotonic()
        world.kafka.kill(0)
        grown, gone = 0, 0.0
        for life in range(KILLS + 1):
            if life:
                killed = time.monotonic()
                world.services.kill("capture")
                world.services.start("capture")
                await world.all_ready("capture")  # with events in its spool, and nobody to send them to
                gone += time.monotonic() - killed
            before, until = _resident_bytes(world), time.monotonic() + seconds * chance.uniform(1.0, 1.2) / (KILLS + 1)
            while time.monotonic() < until:
                world.traffic.check()
                grown = max(grown, _resident_bytes(world) - before)
                await asyncio.sleep(0.2)
        kept = world.ledger.count() - accepted
        took = time.monotonic() - began
        waiting = await world.metric("capture", "leadflow_capture_spool_records")
        stage.note(
            f"{kept} accepted in {took:.0f} s without a broker, {gone:.0f} s of them without capture; {waiting:.0f} wait"
        )
        stage.note(f"capture grew by at most {grown // 1024} KiB in one life")
        assert kept >= KEPT_AT_LEAST[seconds] * LEADS_PER_SECOND * (took - gone), f"only {kept} were accepted"
        assert waiting >= kept - LEADS_PER_SECOND, f"{kept} were accepted, {waiting} wait for the log"
        assert _refused(world) == refused, "somebody was told to come back, with room in the spool"
        assert grown < MAY_GROW_BYTES, f"capture grew by {grown} bytes"
        world.kafka.start(0)
        world.healed()
        back = time.monotonic()
        await world.probe(60 + waiting / COUNTED_PER_SECOND)
        await some_leads(world)
        await world.traffic.pause()
        await _emptied(world, within_seconds=60 + 3 * seconds)
        stage.note(f"the spool was empty {time.monotonic() - back:.0f} s after the broker was started")
        await world.at_rest(within_seconds=120 + waiting / COUNTED_PER_SECOND)
        stage.note(f"everything was counted {time.monotonic() - back:.0f} s after it")


@scenario(row=31, title="the spool's disk runs full while the log is away", seconds=70)
async def the_spools_disk_is_full(stage: Stage, chance: random.Random) -> None:
    place = stage.folder / "spool"
    with small_disk(place, SPOOL_MEBIBYTES):
        async with _world(stage, place) as world:
            await some_leads(world)
            world.kafka.kill(0)

            async def full() -> bool:
                world.traffic.check()
                alive = await world.http.get(f"{world.services.url('capture')}/livez")
                assert alive.status_code == 200
                return _told_507(world) > 20

            await eventually(full, within_seconds=60, every_seconds=0.2)
            fill(place, 0)
            world.services.kill("capture")
            world.services.start("capture")
            told = _told_507(world)
            await eventually(lambda: _told_507(world) > told, within_seconds=60, every_seconds=0.2)
            resize(place, 4 * SPOOL_MEBIBYTES)
            before = world.ledger.count()
            await some_leads(world, 100)
            stage.note(
                f"{world.traffic.answers['507']} were told 507; {before} had been accepted before there was room"
            )
            world.kafka.start(0)
            world.healed()
            await world.probe(60)
            await _emptied(world, within_seconds=60)


def _told_507(world: World) -> int:
    """How many requests were told so, and were not refused otherwise."""
    world.traffic.check()
    return world.traffic.answers["507"]


def _world(stage: Stage, spool: Path) -> AbstractAsyncContextManager[World]:
    environment = {"CAPTURE_SPOOL_DIR": str(spool), "CAPTURE_MEMORY_BYTES": str(REMEMBERS_BYTES)}
    return open_world(stage, rate=LEADS_PER_SECOND, environment=environment)


def _refused(world: World) -> int:
    return world.traffic.answers["503"] + world.traffic.answers["507"]


def _resident_bytes(world: World) -> int:
    return int(psutil.Process(world.services.pid("capture")).memory_info().rss)


async def _emptied(world: World, within_seconds: float) -> None:
    async def empty() -> bool:
        return await world.metric("capture", "leadflow_capture_spool_records") == 0

    await eventually(empty, within_seconds=within_seconds, every_seconds=0.2)
    assert await world.metric("capture", "leadflow_capture_spool_files_aside") == 0


async def _away_without_a_spool(stage: Stage, seconds: float) -> None:
    """Leads come at their rate, each once, however slow the answers are, as long as not too many wait."""
    async with open_chain(stage) as chain:
        pid = chain.services.pid("capture")
        await chain.recovered()
        before, grown = chain.resident_bytes("capture"), 0
        await chain.let(chain.cluster.down)
        away = time.monotonic()
        posts: set[asyncio.Task[object]] = set()
        while time.monotonic() < away + seconds:
            due = min(int((time.monotonic() - away) * LEADS_PER_SECOND) - len(chain.answers), AT_ONCE) - len(posts)
            posts.update(asyncio.create_task(chain.post(chain.next_id())) for _ in range(due))
            for post in [post for post in posts if post.done()]:
                post.result()
                posts.discard(post)
            grown = max(grown, chain.resident_bytes("capture") - before)
            await asyncio.sleep(0.02)
        await asyncio.gather(*posts)
        stage.note(
            f"{chain.how_many(503, away)} were told 503 in {seconds:.0f} s, the slowest after {chain.slowest(503):.2f} s"
        )
        stage.note(f"capture grew by at most {grown // 1024} KiB; {chain.most_waiting} waited at once")
        assert chain.how_many(503, away) >= TOLD_AT_LEAST[seconds], "few were told anything"
        assert chain.how_many(202, away) == 0, "accepted, with nowhere to keep it"
        assert grown < MAY_GROW_BYTES, f"capture grew by {grown} bytes"
        await chain.let(chain.cluster.up)
        await back_to_normal(chain, stage, pid=pid)
        await chain.settle(stage)
