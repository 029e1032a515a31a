"""Disks run full: of the database, then of the log. Each is a small file system in memory, which only root may make."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.harness.matrix import scenario
from tests.faults.harness.stage import NotPossible, Stage
from tests.faults.harness.standing import some_leads
from tests.faults.harness.world import World, open_world
from tests.support.patience import eventually

MEBIBYTE = 1 << 20
DATABASE_MEBIBYTES = 600
LOG_MEBIBYTES = 200
LEFT_MEBIBYTES = {"database": 40, "log": 2}
FULL_WITHIN_SECONDS = 90.0
RECOVERS_WITHIN_SECONDS = 10.0
LEADS_WHILE_FULL = 100


@scenario(row=31, title="the database's disk runs full, and gets space again", seconds=110, long_only=True)
async def the_database_disk_is_full(stage: Stage, chance: random.Random) -> None:
    place = stage.folder / "postgres"
    with small_disk(place, DATABASE_MEBIBYTES):
        async with open_world(stage, rate=300.0) as world:
            await some_leads(world)
            fill(place, LEFT_MEBIBYTES["database"])

            async def refused() -> bool:
                world.traffic.check()
                return "No space left on device" in world.postgres.log.read_text(errors="replace")

            await eventually(refused, within_seconds=FULL_WITHIN_SECONDS, every_seconds=0.2)
            before = world.ledger.count()
            await some_leads(world, LEADS_WHILE_FULL)
            world.note(f"{world.ledger.count() - before} leads were accepted while the database had no space")
            resize(place, 2 * DATABASE_MEBIBYTES)
            if not world.postgres.accepts():  # it ends itself where it cannot write its log: then somebody starts it
                world.note("PostgreSQL had ended itself")
                await asyncio.to_thread(world.postgres.kill)
                await asyncio.to_thread(world.postgres.start)
            seconds = await world.probe(within_seconds=60)
            assert seconds < RECOVERS_WITHIN_SECONDS, f"it took {seconds:.1f} s until a new lead was counted again"
            looked_at = await _indexes_are_sound(world)
    if not looked_at:
        raise NotPossible("everything else held, but this PostgreSQL comes without amcheck, which looks at its indexes")


@scenario(row=31, title="the log's disk runs full, and gets space again", seconds=90)
async def the_log_disk_is_full(stage: Stage, chance: random.Random) -> None:
    with small_disk(stage.folder / "tried", 1):
        pass
    async with open_world(stage) as world:
        await some_leads(world)
        place = world.kafka.nodes[0].directory / "data"
        aside = place.with_name("data-aside")
        await world.traffic.pause()
        await asyncio.to_thread(world.kafka.stop, 0)
        place.rename(aside)
        with small_disk(place, LOG_MEBIBYTES):
            shutil.copytree(aside, place, dirs_exist_ok=True)
            world.kafka.start(0)
            await world.kafka.in_sync(60)
            await some_leads(world)
            fill(place, LEFT_MEBIBYTES["log"])
            await _capture_refuses(world)
            refused = world.traffic.answers["503"]
            resize(place, 2 * LOG_MEBIBYTES)
            if not world.kafka.alive(0):  # it ends itself where it cannot write: then somebody starts it
                world.note("Apache Kafka had ended itself")
                world.kafka.start(0)
            await world.kafka.in_sync(60)
            seconds = await world.probe(within_seconds=60)
            assert seconds < 3 * RECOVERS_WITHIN_SECONDS, f"it took {seconds:.1f} s until a new lead was counted again"
            world.note(f"{refused} requests were refused with 503 while the log had no space")
            await world.quiet()
            await world.traffic.pause()
            await _back_to_a_large_disk(world, place)


async def _capture_refuses(world: World) -> None:
    """503, promptly and with a time to come back, and no other answer; it is alive, and not ready."""
    before = world.traffic.answers["503"]

    async def refuses() -> bool:
        world.traffic.check()
        alive = await world.http.get(f"{world.services.url('capture')}/livez")
        assert alive.status_code == 200
        return world.traffic.answers["503"] > before + 10 and not await world.ready("capture")

    await eventually(refuses, within_seconds=FULL_WITHIN_SECONDS, every_seconds=0.2)


async def _back_to_a_large_disk(world: World, place: Path) -> None:
    """The node's files outlive the small disk, so that what it acknowledged can be looked at afterwards."""
    await asyncio.to_thread(world.kafka.stop, 0)
    kept = place.with_name("data-kept")
    shutil.copytree(place, kept, ignore=shutil.ignore_patterns("ballast"))
    _unmount(place)
    shutil.copytree(kept, place, dirs_exist_ok=True)
    world.kafka.start(0)
    await world.kafka.in_sync(60)


async def _indexes_are_sound(world: World) -> bool:
    """PostgreSQL's own check of every index against its table; False where it has none."""
    if not await world.rows("SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck'"):
        return False
    await world.rows("CREATE EXTENSION IF NOT EXISTS amcheck")
    checked = await world.rows(
        """SELECT bt_index_check(c.oid, heapallindexed => true) FROM pg_class c JOIN pg_am a ON a.oid = c.relam
           JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE a.amname = 'btree' AND c.relkind = 'i' AND n.nspname IN ('scoring', 'pipeline', 'metrics')"""
    )
    world.note(f"{len(checked)} indexes are sound")
    return True


@contextmanager
def small_disk(place: Path, mebibytes: int) -> Iterator[None]:
    """A file system of this size at `place`, gone at the end. Raises `NotPossible` where this account may not make one."""
    place.mkdir(parents=True, exist_ok=True)
    said = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if said.returncode != 0:
        raise NotPossible(f"a small file system needs the right to mount: {said.stderr.strip()}")
    try:
        yield
    finally:
        _unmount(place)


def resize(place: Path, mebibytes: int) -> None:
    """Gives it another size, with everything that it holds."""
    subprocess.run(["mount", "-o", f"remount,size={mebibytes}m", str(place)], check=True)


def _unmount(place: Path) -> None:
    if place.is_mount():
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path, left_mebibytes: int) -> None:
    """Takes the space, but for so much, with one file."""
    block = b"\0" * MEBIBYTE
    with (place / "ballast").open("wb") as ballast:
        while shutil.disk_usage(place).free > left_mebibytes * MEBIBYTE:
            ballast.write(block)
            ballast.flush()
