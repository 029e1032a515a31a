"""What is in quarantine is kept for its time, within its bound, and until somebody is erased."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.capture.bookkeeping import Books
from services.capture.instruments import BookInstruments, QuarantineInstruments
from services.capture.keeping import REMEMBERED, Keeping
from services.capture.quarantine import Quarantine
from services.capture.storage.quarantine import erase_quarantined, quarantined_of
from shared.kit.database import Database
from shared.kit.ids import new_id
from tests.faults.harness.postgres import FaultyPostgres
from tests.integration.capture.quarantine_door import BROKEN, KEEP, OPERATOR, Door
from tests.support.patience import eventually
from tests.unit.capture.fakes import FakeLog, a_client, lead, the_app


async def test_what_was_kept_long_enough_is_emptied_and_later_forgotten(door: Door) -> None:
    old = await door.refused(BROKEN)
    dropped = await door.refused({**BROKEN, "name": [1]})
    await door.do(dropped, "drop", {"note": "Lovelace called"})
    door.clock.advance(timedelta(days=20))
    young = await door.refused(BROKEN)
    keeping, registry = a_keeping(door)
    await keeping.once()
    assert registry.get_sample_value("leadflow_capture_quarantine_open_entries", {"reason": "invalid"}) == 2
    door.clock.advance(timedelta(days=11))
    await keeping.once()
    shown = {one: await door.ask(f"/{one}") for one in (old, dropped, young)}
    assert {one: entry["status"] for one, entry in shown.items()} == {old: "expired", dropped: "dropped", young: "open"}
    assert [shown[one]["payload"] for one in (old, dropped)] == [None, None]
    assert shown[young]["payload"] is not None
    assert [(one["action"], one["note"]) for one in shown[dropped]["actions"]] == [("dropped", None)]
    assert door.rows("SELECT count(*) FROM capture.quarantine WHERE identities <> '{}'") == [(1,)]
    assert registry.get_sample_value("leadflow_capture_quarantine_open_entries", {"reason": "invalid"}) == 1
    door.clock.advance(REMEMBERED)
    await keeping.once()
    assert [entry["status"] for entry in (await door.ask(status="expired"))["items"]] == ["expired"]
    assert (await door.client.get(f"/v1/quarantine/{old}", headers=OPERATOR)).status_code == 404
    assert door.rows("SELECT count(*) FROM capture.quarantine_actions") == [(0,)]


async def test_what_was_dropped_and_comes_again_begins_anew(door: Door) -> None:
    named = {"Idempotency-Key": "k"}
    entry = await door.refused(BROKEN, named)
    await door.do(entry, "fix", {"patch": {"name": "Somebody else", "channel": "fair"}})
    await door.do(entry, "drop")
    door.clock.advance(KEEP + timedelta(days=1))
    keeping, _ = a_keeping(door)
    await keeping.once()
    assert (await door.ask(f"/{entry}"))["payload"] is None
    assert await door.refused(BROKEN, named) == entry

    async def begun_anew() -> bool:
        return bool((await door.ask(f"/{entry}"))["status"] == "open")

    await eventually(begun_anew)
    shown = await door.ask(f"/{entry}")
    assert (shown["payload"] is not None, shown["mended"], shown["settled_at"]) == (True, None, None)
    await door.do(entry, "fix", {"patch": {"name": "Ada"}})
    await door.do(entry, "release")
    assert [event.channel for event in door.log.events()] == ["web_form"]


async def test_an_entry_that_is_dropped_while_it_is_released_is_released(door: Door) -> None:
    entry = await door.refused({**BROKEN, "name": []})
    await door.do(entry, "fix", {"patch": {"name": "Ada"}})
    door.log.gate = asyncio.Event()
    calls = door.log.calls
    releasing = asyncio.create_task(door.do(entry, "release"))

    async def is_under_way() -> bool:
        return door.log.calls > calls

    await eventually(is_under_way)
    await door.do(entry, "drop", {"note": "Lovelace called"})
    door.log.gate.set()
    released = await releasing
    shown = await door.ask(f"/{entry}")
    assert (released["status"], shown["status"], shown["event_id"]) == ("released", "released", released["event_id"])
    assert len(door.log.records) == 1
    assert [one["action"] for one in shown["actions"]] == ["mended", "dropped", "released"]
    assert [one["note"] for one in shown["actions"]] == [None] * 3, "nobody finds them once the identities are gone"


async def test_whoever_is_erased_is_emptied_wherever_an_entry_stands_and_nobody_else(door: Door) -> None:
    ada = await door.refused(BROKEN, {"Idempotency-Key": "k"})
    dropped = await door.refused({"name": [2], "phone": "+31201234567", "email": "ada@example.com"})
    await door.do(dropped, "drop")
    mended = await door.refused({"name": [3]})
    await door.do(mended, "fix", {"patch": {"email": "Ada@Example.com"}})
    bob = await door.refused({**BROKEN, "email": "bob@example.com"})
    tokens = [one.token for one in lead({"email": "ada@example.com"}).identities]
    database = Database(door.url, schema="capture")
    assert {str(row.id) for row in await quarantined_of(database, tokens)} == {ada, dropped, mended}
    assert await database.run(lambda tx: erase_quarantined(tx, tokens)) == 3
    assert await quarantined_of(database, tokens) == []
    await database.close()
    statuses = {one: (await door.ask(f"/{one}"))["status"] for one in (ada, dropped, mended, bob)}
    assert statuses == {ada: "erased", dropped: "dropped", mended: "erased", bob: "open"}
    assert door.rows("SELECT count(*) FROM capture.quarantine WHERE payload IS NOT NULL") == [(1,)]
    # Who was erased and returns is somebody new.
    assert await door.refused(BROKEN, {"Idempotency-Key": "k"}) == ada

    async def begun_anew() -> bool:
        return bool((await door.ask(f"/{ada}"))["status"] == "open")

    await eventually(begun_anew)


async def test_a_full_quarantine_keeps_nothing_more_and_says_so(
    migrated_database: Callable[..., str], log: FakeLog
) -> None:
    url = migrated_database("capture")
    app = the_app(log, database_url=SecretStr(url), quarantine_bytes=250)
    async with app.router.lifespan_context(app), a_client(app) as client:
        answers = [await client.post("/v1/leads", json=BROKEN) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [422] * 5
        assert ["quarantine_id" in answer.json() for answer in answers] == [True, True, True, False, False]
        text = (await client.get("/metrics")).text
    assert 'leadflow_capture_quarantine_not_kept_total{reason="invalid"} 2.0' in text


async def test_while_the_database_is_away_entries_wait_in_memory(postgres: FaultyPostgres, log: FakeLog) -> None:
    app = the_app(log, database_url=SecretStr(postgres.url))
    async with app.router.lifespan_context(app), a_client(app) as client:
        postgres.kill()
        answers = [await client.post("/v1/leads", json=BROKEN) for _ in range(50)]
        ids = {answer.json()["quarantine_id"] for answer in answers}
        assert len(ids) == 50
        assert (await client.get("/v1/quarantine", headers=OPERATOR)).status_code == 503
        assert (await client.post("/v1/leads", json={"name": "Ada"})).status_code == 202
        postgres.start()

        async def written() -> bool:
            answer = await client.get("/v1/quarantine", headers=OPERATOR)
            return answer.status_code == 200 and {one["id"] for one in answer.json()["items"]} == ids

        await eventually(written, within_seconds=30)


def a_keeping(door: Door) -> tuple[Keeping, CollectorRegistry]:
    """The keeping of another process, under the clock of the door."""
    registry = CollectorRegistry()
    database = Database(door.url, schema="capture", clock=door.clock)
    books = Books(None, BookInstruments(registry))
    instruments = QuarantineInstruments(registry)
    quarantine = Quarantine(books, instruments, new_id, max_bytes=10**9)
    return Keeping(database, quarantine, instruments, KEEP), registry
