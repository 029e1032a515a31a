"""Records that nobody can process, one at a time and in floods."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Collection

from shared.contracts.topics import TOPICS
from tests.faults.harness.matrix import fault, scenario
from tests.faults.harness.stage import Stage
from tests.faults.harness.world import Letter, World, open_world
from tests.faults.rows.poison_corpus import READERS, Poison, corpus, made_up
from tests.faults.rows.raw_records import Raw, a_lead, all_counted, captured, write
from tests.support.patience import eventually
from tests.support.services import API_TOKEN

MADE_UP = 10
BUDGET = 40
FLOOD = 3 * BUDGET
OPERATOR = {"Authorization": f"Bearer {API_TOKEN}"}


@fault(row=20, title="poison of every kind into every topic: set aside alone, bit for bit", seconds=8, always=True)
async def poison(world: World, chance: random.Random) -> None:
    records = await asyncio.to_thread(mixed, chance)
    await set_aside(world, records)
    world.note(f"{len(records)} records nobody can process, {sum(len(one.dead_in) for one in records)} dead letters")


def mixed(chance: random.Random) -> list[Poison]:
    """The corpus, and what Hypothesis adds to it, in any order."""
    records = [*corpus(chance), *(one for topic in TOPICS for one in made_up(chance, topic, MADE_UP))]
    chance.shuffle(records)
    return records


async def set_aside(world: World, records: Collection[Poison], within_seconds: float = 60.0) -> None:
    """Writes poison, and waits until every reader that must has set it aside as it was."""
    places = await write(world, [Raw(one.topic, one.value, one.key, one.headers) for one in records])
    wanted: dict[Letter, Poison] = {
        (service, one.topic, place.partition, place.offset): one
        for one, place in zip(records, places, strict=True)
        for service in one.dead_in
    }
    world.expect_dead_letters(wanted)

    async def there() -> bool:
        left = wanted.keys() - (await letters(world)).keys()
        assert not left, f"not set aside: {Counter((place[0], wanted[place].name) for place in left)}"
        return True

    await eventually(there, within_seconds=within_seconds, every_seconds=0.2)
    found = await letters(world)
    for place, one in wanted.items():
        assert found[place] == (one.key, one.value), f"{place[0]} did not keep {one.name!r} as it was"


async def letters(world: World) -> dict[Letter, tuple[bytes | None, bytes | None]]:
    """Every dead letter: key and value."""
    return {
        (service, topic, partition, offset): (key, value)
        for service in ("scoring", "pipeline", "metrics")
        for topic, partition, offset, key, value in await world.rows(
            f"SELECT topic, partition, record_offset, key, value FROM {service}.dead_letters"
        )
    }


@fault(row=21, title="records with headers of every kind, without key, with a key that is no text: counted", seconds=4)
async def odd_labels(world: World, chance: random.Random) -> None:
    leads = [a_lead(chance) for _ in range(6)]
    many = [(f"h{n}", b"x") for n in range(10_000)]
    await write(
        world,
        [
            captured(leads[0], key=None),
            captured(leads[1], key=b"\xff\xfe"),
            captured(leads[2], headers=[("trace", b"\xff\xfe"), ("nothing", None), ("", b""), ("a\x00b", b"\x00")]),
            captured(leads[3], headers=many),
            captured(leads[4], timestamp=0),
            captured(leads[5], timestamp=int(time.time() * 1000) + 3_000_000),
        ],
    )
    await all_counted(world, [lead["event_id"] for lead in leads])


@scenario(
    row=24,
    title="nothing but poison: the budget trips, the consumer stops, and goes on when it was settled",
    seconds=70,
)
async def poison_flood(stage: Stage, chance: random.Random) -> None:
    topic = chance.choice(list(TOPICS))
    readers = READERS[topic]
    budgets = {f"{service.upper()}_DEAD_LETTER_BUDGET": str(BUDGET) for service in ("scoring", "pipeline", "metrics")}
    async with open_world(stage, rate=40.0, environment=budgets) as world:
        await world.probe()
        pids = {service: world.services.pid(service) for service in readers}
        leads = [a_lead(chance) for _ in range(5)]
        flood = [Raw(topic, json.dumps({"flood": number}).encode()) for number in range(FLOOD)]
        places = await write(world, flood)
        wanted = {(service, topic, *place) for service in readers for place in places}
        world.expect_dead_letters(wanted)
        await write(world, [captured(lead) for lead in leads])
        for service in readers:
            await eventually(lambda service=service: stopped(world, service), within_seconds=30)  # type: ignore[misc]
            assert not await world.ready(service), f"{service} stands still and calls itself ready"
            assert (await world.http.get(f"{world.services.url(service)}/livez")).status_code == 200
            kept = await world.rows(f"SELECT count(*) FROM {service}.dead_letters")
            assert kept[0][0] == BUDGET, f"{service} set {kept[0][0]} aside with a budget of {BUDGET}"
        stage.note(f"{FLOOD} records of poison into {topic}: {', '.join(readers)} stopped at {BUDGET}")
        settled = 0

        async def settled_and_on() -> bool:
            nonlocal settled
            for service in readers:
                if await stopped(world, service):
                    settled += await drop_every_letter(world, service)
            return wanted <= (await letters(world)).keys()

        await eventually(settled_and_on, within_seconds=60, every_seconds=0.5)
        for service in readers:
            await eventually(lambda service=service: world.ready(service), within_seconds=20)  # type: ignore[misc]
        assert pids == {service: world.services.pid(service) for service in readers}, "a restart was needed"
        await all_counted(world, [lead["event_id"] for lead in leads])
        stage.note(f"went on without a restart after {settled} were settled")


async def stopped(world: World, service: str) -> bool:
    """Whether the alert on consumers that stand still would fire."""
    return await world.metric(service, "leadflow_consumer_stopped") == 1


async def drop_every_letter(world: World, service: str) -> int:
    """What an operator does with poison: gives it up. Returns how many."""
    url = f"{world.services.url(service)}/v1/dead-letters"
    page = (await world.http.get(url, params={"limit": 1000}, headers=OPERATOR)).json()
    for letter in page["items"]:
        answer = await world.http.post(f"{url}/{letter['id']}:drop", headers=OPERATOR)
        assert answer.status_code == 200, answer.text
    return len(page["items"])
