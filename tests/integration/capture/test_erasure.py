"""An erasure that pipeline ordered reaches what the door keeps, also what is written after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.capture.instruments import ReceiptInstruments
from services.capture.memory import Memory
from services.capture.receipts import Receipts
from shared.contracts.erasure_events import ErasureOrdered
from shared.contracts.topics import PIPELINE_ERASURES
from shared.kit.database import Database, Transaction
from shared.kit.records import Record
from tests.integration.capture.quarantine_door import BROKEN, OPERATOR, Door
from tests.support.tables import tables_saying
from tests.unit.capture.fakes import lead

ADA = [one.token for one in lead({"email": "ada@example.com"}).identities]
SECRETS = ("ada@example.com", "Lovelace")


def order(until: datetime) -> Record:
    event = ErasureOrdered(
        event_id=UUID(int=1),
        lead_id=UUID(int=2),
        business_unit="all",
        occurred_at=until,
        recorded_at=until,
        correlation_id=UUID(int=1),
        erasure_id=UUID(int=1),
        until=until,
        tokens=tuple(ADA),
        actor="kim",
        reason="request 17",
    )
    return Record(PIPELINE_ERASURES.name, 0, 0, b"", event.to_json(), (), until, event)


@pytest.fixture
async def database(door: Door) -> AsyncIterator[Database]:
    database = Database(door.url, schema="capture")
    yield database
    await database.close()


async def take(database: Database, *records: Record) -> int:
    receipts = Receipts(ReceiptInstruments(CollectorRegistry()))

    async def work(tx: Transaction) -> Transaction:
        await receipts.handle(tx, records)
        return tx

    return len((await database.run(work)).duplicates)


async def held(door: Door, *, whole: bool = False) -> dict[str, object]:
    asked = {"lead_ids": [], "tokens": ADA, "whole": whole}
    answer = await door.client.post("/v1/people:held", json=asked, headers=OPERATOR)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


async def test_quarantine_keeps_nothing_of_whoever_is_erased_and_all_of_what_comes_later(
    door: Door, database: Database
) -> None:
    entry = await door.refused(BROKEN)
    await door.do(entry, "drop", {"note": "Lovelace called"})
    shown = await held(door, whole=True)
    assert shown["held"] == {"quarantine": 1, "dead_letters": 0}
    assert "Lovelace" in str(shown["quarantine"])
    asked = order(door.clock.now() + timedelta(minutes=1))
    assert await take(database, asked) == 0
    assert await tables_saying(database, "capture", SECRETS) == {}
    assert (await held(door))["held"] == {"quarantine": 0, "dead_letters": 0}
    door.clock.advance(timedelta(minutes=2))
    await door.refused(BROKEN)
    assert await take(database, asked) == 1, "the same order was new twice"
    assert (await held(door))["held"] == {"quarantine": 1, "dead_letters": 0}


async def test_an_entry_that_is_written_after_the_erasure_it_came_before_is_empty(
    door: Door, database: Database
) -> None:
    await take(database, order(door.clock.now() + timedelta(minutes=1)))
    entry = await door.refused(BROKEN)
    assert (await door.ask(f"/{entry}"))["status"] == "erased"
    assert await tables_saying(database, "capture", SECRETS) == {}


async def test_only_operators_ask_what_is_kept_of_whom(door: Door) -> None:
    answer = await door.client.post("/v1/people:held", json={"lead_ids": [], "tokens": ADA})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "asked",
    [{"tokens": ["\x00"]}, {"tokens": [""]}, {"until": "9999-12-31T23:59:59Z"}, {"until": "0001-01-01T00:00:00Z"}],
)
async def test_a_question_about_nobody_is_refused(door: Door, asked: dict[str, object]) -> None:
    answer = await door.client.post("/v1/people:held", json={"lead_ids": [], "tokens": [], **asked}, headers=OPERATOR)
    assert answer.status_code == 422, answer.text


def test_what_senders_said_is_remembered_for_two_turns_at_most() -> None:
    memory = Memory(1 << 20)
    memory.keep("a", b"ada@example.com")
    memory.turn()
    assert memory.said("a") == b"ada@example.com"
    memory.keep("b", b"bob@example.com")
    memory.turn()
    assert (memory.said("a"), memory.said("b")) == (None, b"bob@example.com")
    memory.turn()
    assert (len(memory), memory.held_bytes) == (0, 0)
    for place in range(20):
        memory.keep(str(place), b"x" * 100_000)
    assert memory.said("19") == b"x" * 100_000
