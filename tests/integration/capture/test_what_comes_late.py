"""What is erased may still be under way: in a spool, in files set aside there, on the log later than it was received. The proof
is told of all three."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from services.capture.receipts import IN_TIME, read
from shared.cli.people.log import at_door
from shared.contracts.topics import CAPTURE_LEADS
from shared.kit.database import Database
from shared.kit.records import Record
from tests.integration.capture.quarantine_door import OPERATOR, Door
from tests.integration.capture.test_erasure import ADA, take
from tests.support.clock import FakeClock
from tests.support.patience import eventually
from tests.unit.capture.fakes import NOW, FakeLog, a_client, the_app

ADAS = {"email": "ada@example.com", "name": "Ada Lovelace"}
LATER = timedelta(hours=5)


@pytest.fixture
async def door(migrated_database: Callable[..., str], log: FakeLog, tmp_path: Path) -> AsyncIterator[Door]:
    url, clock = migrated_database("capture"), FakeClock(NOW)
    app = the_app(log, clock, database_url=SecretStr(url), spool_dir=tmp_path / "spool")
    async with app.router.lifespan_context(app), a_client(app) as client:
        yield Door(url, client, log, clock)


@pytest.fixture
async def database(door: Door) -> AsyncIterator[Database]:
    database = Database(door.url, schema="capture", clock=door.clock)
    yield database
    await database.close()


async def held(client: httpx.AsyncClient, until: datetime) -> dict[str, Any]:
    asked = {"lead_ids": [], "tokens": ADA, "until": until.isoformat()}
    answer = await client.post("/v1/people:held", json=asked, headers=OPERATOR)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def come(door: Door, place: int, at: datetime) -> Record:
    """An event that the log has, and when it got it."""
    _, key, value = door.log.records[place]
    return Record(CAPTURE_LEADS.name, 3, 100 + place, key, value, (), at, read(value))


async def test_what_waits_in_a_spool_is_told_and_where_it_came_late_is_remembered(
    door: Door, database: Database
) -> None:
    assert (await door.client.post("/v1/leads", json=ADAS)).status_code == 202
    until = NOW + timedelta(minutes=1)
    door.clock.advance(timedelta(minutes=2))
    told = await held(door.client, until)
    assert told["spools"] == []
    assert not at_door(told, until).waits
    door.clock.advance(timedelta(minutes=-2))
    door.log.away = True
    assert (await door.client.post("/v1/leads", json=ADAS)).json()["spooled"]
    door.clock.advance(LATER)
    told = await held(door.client, until)
    assert [one["records"] for one in told["spools"]] == [1]
    assert at_door(told, until).waits
    door.log.away = False
    await eventually(lambda: len(door.log.records) == 2, within_seconds=20)

    async def empty() -> bool:
        found: list[Any] = (await held(door.client, until))["spools"]
        return not found

    await eventually(empty)
    await take(database, come(door, 0, NOW), come(door, 1, NOW + LATER))
    late = at_door(await held(door.client, until), until)
    assert late.late == {3: (101, NOW + LATER)}
    assert late.in_time_until == NOW + IN_TIME
    assert at_door(await held(door.client, NOW - timedelta(days=1)), NOW).late == {}, "that was received after it"


async def test_a_spool_of_a_process_that_is_gone_is_told_until_it_was_heard_of_again(
    migrated_database: Callable[..., str], log: FakeLog, tmp_path: Path
) -> None:
    url, clock = migrated_database("capture"), FakeClock(NOW)

    def process(folder: str) -> Any:
        return the_app(log, clock, database_url=SecretStr(url), spool_dir=tmp_path / folder)

    log.away = True
    ended, other = process("a"), process("b")
    async with ended.router.lifespan_context(ended), a_client(ended) as client:
        assert (await client.post("/v1/leads", json=ADAS)).json()["spooled"]
    clock.advance(timedelta(days=2))
    async with other.router.lifespan_context(other), a_client(other) as client:
        (left,) = (await held(client, NOW + timedelta(days=1)))["spools"]
    assert (left["records"], left["home"].endswith("/a")) == (1, True)
    again = process("a")
    log.away = False
    async with again.router.lifespan_context(again), a_client(again) as client:
        await eventually(lambda: len(log.records) == 1, within_seconds=20)
    other = process("b")
    async with other.router.lifespan_context(other), a_client(other) as client:
        assert (await held(client, clock.now()))["spools"] == [], "it ended empty"


@pytest.mark.logs_errors
async def test_files_set_aside_have_a_time_and_are_told_until_then(door: Door, tmp_path: Path) -> None:
    door.log.away, door.log.max_message_bytes = True, 10
    assert (await door.client.post("/v1/leads", json=ADAS)).json()["spooled"]
    door.log.away = False
    aside = tmp_path / "spool" / f"refused-{NOW.date()}.aside"
    await eventually(aside.exists, within_seconds=20)
    real = datetime.fromtimestamp(aside.stat().st_ctime, NOW.tzinfo)

    async def drained() -> bool:
        return [one["records"] for one in (await held(door.client, NOW))["spools"]] == [0]

    await eventually(drained)
    (told,) = (await held(door.client, NOW))["spools"]
    assert (told["aside"], datetime.fromisoformat(told["aside_until"])) == (1, real + timedelta(days=30))
    door.clock.advance(real + timedelta(days=31) - NOW)
    assert (await held(door.client, NOW))["spools"] == []
    assert not aside.exists()
