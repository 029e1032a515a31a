"""People are erased while what they said is read again: it does not come back, and nothing is counted otherwise."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from shared.kit.database import Database
from tests.faults.harness.matrix import scenario
from tests.faults.harness.stage import Stage
from tests.faults.harness.standing import has_done_everything, set_back, some_leads, stopped
from tests.faults.harness.world import CAPTURE_HEADERS, World, open_world
from tests.faults.rows.raw_records import all_counted
from tests.support.patience import eventually
from tests.support.services import API_TOKEN
from tests.support.tables import tables_saying

PEOPLE = 8
OPERATOR = {"Authorization": f"Bearer {API_TOKEN}", "Leadflow-Actor": "chaos"}
READERS = ("scoring", "pipeline")
SECRET = "Secretname"


@scenario(row=38, title="people are erased while the log is read again from its beginning", seconds=110)
async def erasure_during_replay(stage: Stage, chance: random.Random) -> None:
    """Some before the replay, some while it runs, some in a database that is then restored to what it was before."""
    async with open_world(stage, rate=40.0) as world:
        early = await _people(world, "early", chance)
        during = await _people(world, "during", chance)
        restored = await _people(world, "restored", chance)
        await some_leads(world, 100)
        await world.quiet()
        await _erase(world, early, chance)
        backup = stage.folder / "backup"
        await asyncio.to_thread(world.postgres.back_up, backup)
        await world.all_ready()
        await _erase(world, restored, chance)
        await world.quiet()
        counted = await _numbers(world)
        async with stopped(world, *READERS, "metrics"):
            await asyncio.to_thread(world.postgres.restore, backup)
            again = [await set_back(world, service, 10**9) for service in READERS]
        await _erase(world, during, chance)
        for service in (*READERS, "metrics"):
            await has_done_everything(world, service)
        await eventually(lambda: _forgotten(world), within_seconds=90, every_seconds=1.0)
        await world.at_rest()
        assert await _numbers(world) == counted, "erasing people changed what is counted"
        stage.note(f"{3 * PEOPLE} people erased, {sum(again)} records read again: nothing came back")
        await _back(world, early[0])


async def _people(world: World, name: str, chance: random.Random) -> list[str]:
    """People with a name, a number and a message, half of them with two ids; their addresses."""
    addresses = [f"{name}.{number}@erased.example.com" for number in range(PEOPLE)]
    events = []
    for number, address in enumerate(addresses):
        who: dict[str, Any] = {"name": f"{SECRET} {number}", "message": f"call {SECRET}", "job_title": SECRET}
        phone = f"+3161{chance.randrange(10**7):07d}"
        if number % 2:
            events.append(await _post(world, f"{address}-p", {**who, "phone": phone}))
        events.append(await _post(world, address, {**who, "email": address, "phone": phone}))
    await all_counted(world, events)
    return addresses


async def _post(world: World, record_id: str, body: dict[str, Any]) -> str:
    world.ledger.sent(record_id)
    answer = await world.http.post(
        f"{world.services.url('capture')}/v1/leads",
        json={"record_id": record_id, "channel": "api", **body},
        headers=CAPTURE_HEADERS,
    )
    assert answer.status_code == 202, answer.text
    said = answer.json()
    world.ledger.accepted(record_id, said["event_id"], said["lead_id"])
    return str(said["event_id"])


async def _erase(world: World, addresses: list[str], chance: random.Random) -> None:
    for address in chance.sample(addresses, len(addresses)):
        asked = {"email": address, "reason": "a fault"}
        headers = {**OPERATOR, "Idempotency-Key": address}

        async def done(asked: dict[str, str] = asked, headers: dict[str, str] = headers) -> bool:
            url = f"{world.services.url('pipeline')}/v1/people:erase"
            answer = await world.http.post(url, json=asked, headers=headers, timeout=30)
            assert answer.status_code in (200, 503), answer.text
            return answer.status_code == 200

        await eventually(done, within_seconds=60)


async def _forgotten(world: World) -> bool:
    found: dict[str, Any] = {}
    for schema in ("capture", "scoring", "pipeline", "metrics"):
        database = Database(world.postgres.url, schema=schema)
        said = await tables_saying(database, schema, (SECRET, "@erased.example.com"))
        found |= {f"{schema}.{table}": words for table, words in said.items()}
        await database.close()
    assert not found, f"something is still said of people who were erased: {found}"
    return True


async def _numbers(world: World) -> list[tuple[object, ...]]:
    """What is counted, without what is only known since the erasure."""
    return await world.rows(
        """SELECT count(*), sum(hashtextextended(r::text, 0)) FROM metrics.rollups r
           UNION ALL SELECT count(*), count(DISTINCT lead_id) FROM metrics.facts
               WHERE event IN ('LeadCreated', 'LeadTouched', 'LeadMerged')"""
    )


async def _back(world: World, address: str) -> None:
    """Whoever returns is the same lead, with what they say now and nothing else."""
    event = await _post(world, f"{address}-back", {"email": address, "company": "Back Ltd"})
    await all_counted(world, [event])
    found = await world.rows("SELECT personal FROM pipeline.leads WHERE personal::text LIKE %s", f"%{address}%")
    assert len(found) == 1
    assert found[0][0].keys() <= {"email", "company"}, f"more than was said came back: {sorted(found[0][0])}"
