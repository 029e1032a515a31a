"""Clocks that are wrong, events that come late or in the wrong order, and a process whose own time stands still."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.faults.harness.matrix import fault
from tests.faults.harness.world import CAPTURE_HEADERS, World
from tests.faults.rows.raw_records import Raw, a_lead, all_counted, an_id, captured, write
from tests.support.patience import eventually
from tests.support.services import API_TOKEN

PEOPLE = 12
TOLD_OF_EACH = 6
STALL_SECONDS = 11.0
LIVENESS_SECONDS = 20.0
"""How long nobody answers before an orchestrator gives a process up: its period times its threshold."""

OFTEN_SECONDS = 0.25


@fault(
    row=26, title="out of order, late, of the future, by wrong clocks: the numbers follow from the facts", seconds=12
)
async def wrong_clocks(world: World, chance: random.Random) -> None:
    records: list[Raw] = []
    event_ids: list[str] = []
    for _ in range(PEOPLE):
        lead_id = an_id(chance)
        for _ in range(TOLD_OF_EACH):
            event = told(chance, lead_id)
            event_ids.append(event["event_id"])
            records.append(captured(event, key=lead_id.encode(), timestamp=a_record_time(chance)))
        first = a_lead(chance, lead_id=lead_id, occurred_at=some_time(chance), recorded_at=some_time(chance))
        event_ids.append(first["event_id"])
        records.append(captured(first, key=lead_id.encode(), timestamp=a_record_time(chance)))
    chance.shuffle(records)
    await write(world, records)
    event_ids += await backdated(world, chance)
    await all_counted(world, event_ids)
    await eventually(lambda: rollups_agree(world), within_seconds=30, every_seconds=0.5)
    world.note(f"{len(event_ids)} events between 1900 and 8999")


def a_record_time(chance: random.Random) -> int | None:
    """What a producer's clock may write on a record; a broker refuses more than an hour ahead of its own."""
    return chance.choice((None, 0, 1, 1_000_000_000_000, int(time.time() * 1000) + 3_000_000))


def some_time(chance: random.Random) -> str:
    """Most often around now; sometimes as early or as late as a time can be."""
    now = datetime.now(UTC)
    return chance.choice(
        (
            now + timedelta(seconds=chance.uniform(-5, 5)),
            now - timedelta(days=chance.uniform(0, 400)),
            now + timedelta(days=chance.uniform(0, 400)),
            datetime(1900, 1, 1, tzinfo=UTC) + timedelta(days=chance.randrange(30_000)),
            datetime(8999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - timedelta(days=chance.randrange(1_000)),
        )
    ).isoformat()


def told(chance: random.Random, lead_id: str) -> dict[str, Any]:
    """The lead again, or something it did, at any time by any clock."""
    times = {"occurred_at": some_time(chance), "recorded_at": some_time(chance)}
    if chance.random() < 0.5:
        return a_lead(chance, lead_id=lead_id, **times)
    return a_lead(chance, lead_id=lead_id, event="InteractionRecorded", kind="visit", **times)


async def backdated(world: World, chance: random.Random) -> list[str]:
    """Over HTTP: what happened long ago, or a little ahead of our clock, is taken; what is clearly to come is not."""
    now = datetime.now(UTC)
    found = []
    for number, (at, status) in enumerate(
        (
            (now - timedelta(days=3_000), 202),
            (now + timedelta(minutes=8), 202),
            (now + timedelta(minutes=30), 422),
            (datetime(1899, 12, 31, tzinfo=UTC), 422),
        )
    ):
        record_id = f"clock-{an_id(chance)}-{number}"
        body = {"record_id": record_id, "occurred_at": at.isoformat(), "channel": "event"}
        answer = await world.http.post(f"{world.services.url('capture')}/v1/leads", json=body, headers=CAPTURE_HEADERS)
        assert answer.status_code == status, f"{at} was answered {answer.status_code}: {answer.text}"
        if status == 202:
            said = answer.json()
            world.ledger.accepted(record_id, said["event_id"], said["lead_id"])
            found.append(said["event_id"])
    return found


async def rollups_agree(world: World) -> bool:
    """Whether metrics, made again from all its facts, says the same."""
    answer = await world.http.post(
        f"{world.services.url('metrics')}/v1/audit/rollups",
        json={},
        headers={"Authorization": f"Bearer {API_TOKEN}"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert not said["different"], said["differences"][:3]
    return True


@fault(row=34, title="the event loop of a consumer stands still for longer than its session", seconds=40)
async def stalled_loop(world: World, chance: random.Random) -> None:
    kind = chance.choice(("scoring", "pipeline", "metrics"))
    deaths = world.keeper.ended(kind)
    place = chance.choice(("before-database-commit", "after-database-commit"))
    world.services.kill(kind)
    world.services.start(kind, LEADFLOW_FAILPOINT=f"{place}:{chance.randint(3, 8)}:{STALL_SECONDS}")
    process = world.services.pid(kind)
    await world.all_ready(kind)
    slowest = 0.0
    async with httpx.AsyncClient(timeout=LIVENESS_SECONDS, trust_env=False) as client:
        give_up_at = time.monotonic() + 2 * STALL_SECONDS
        while slowest < STALL_SECONDS / 2:
            assert time.monotonic() < give_up_at, f"{kind} never stood still"
            asked = time.monotonic()
            answer = await client.get(f"{world.services.url(kind)}/livez")
            slowest = max(slowest, time.monotonic() - asked)
            assert answer.status_code == 200
            await asyncio.sleep(OFTEN_SECONDS)
    await world.probe(40)
    assert (world.services.pid(kind), world.keeper.ended(kind)) == (process, deaths), f"{kind} was given up"
    world.note(f"{kind} stood still {place.replace('-', ' ')}; it answered again after {slowest:.1f} s")
