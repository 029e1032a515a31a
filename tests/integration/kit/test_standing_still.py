"""A process that stands still holds up whoever takes over from it for a bounded time only."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence

import pytest
import sqlalchemy.exc
from prometheus_client import CollectorRegistry

from shared.kit.background import running
from shared.kit.database import Database
from shared.kit.instruments import OutboxInstruments
from shared.kit.relay import Relay
from shared.kit.transient import is_transient
from tests.integration.kit.conftest import Toy
from tests.support.patience import eventually

PATIENCE_SECONDS = 0.5


async def test_the_locks_of_a_transaction_that_stands_still_are_let_go(toy: Toy) -> None:
    still = Database(toy.url, schema="toy", idle_in_transaction_timeout_seconds=PATIENCE_SECONDS)
    other = Database(toy.url, schema="toy")
    locked, go_on = asyncio.Event(), asyncio.Event()

    async def stand_still() -> None:
        async with still.transaction() as transaction:
            await transaction.execute("INSERT INTO toy.facts VALUES ('e1', 'k', 1, 'by whoever stood still')")
            locked.set()
            await go_on.wait()

    standing = asyncio.create_task(stand_still())
    await locked.wait()
    began = time.monotonic()
    async with other.transaction() as transaction:
        await transaction.execute("INSERT INTO toy.facts VALUES ('e1', 'k', 1, 'by who took over')")
    waited = time.monotonic() - began
    go_on.set()
    with pytest.raises(sqlalchemy.exc.DBAPIError) as raised:
        await standing
    kept = await other.rows("SELECT text FROM toy.facts")
    await still.close()
    await other.close()

    assert PATIENCE_SECONDS * 0.8 < waited < PATIENCE_SECONDS + 5
    assert is_transient(raised.value), "what was cut off is tried again"
    assert [row.text for row in kept] == ["by who took over"]


KILLED_IN_A_STATEMENT = """
import asyncio, sys
from shared.kit.database import Database

async def main():
    async with Database(sys.argv[1], schema="toy").transaction() as transaction:
        await transaction.execute("INSERT INTO toy.facts VALUES ('e1', 'k', 1, 'by whoever was killed')")
        print("locked", flush=True)
        await transaction.execute("SELECT count(*) FROM generate_series(1, 1000000000) a")

asyncio.run(main())
"""


async def test_a_killed_process_leaves_no_statement_behind_that_goes_on_holding_its_locks(toy: Toy) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED_IN_A_STATEMENT, toy.url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"locked\n"
    other = toy.database()

    async def counts() -> bool:
        rows = await other.rows("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 1000000000) a'")
        return len(rows) == 1

    await eventually(counts)
    process.kill()
    await process.wait()
    began = time.monotonic()
    async with other.transaction() as transaction:
        await transaction.execute("INSERT INTO toy.facts VALUES ('e1', 'k', 1, 'by who took over')")
    await other.close()
    assert time.monotonic() - began < 5


class Log:
    """A producer that notes what it was given, and answers only where it is let."""

    def __init__(self, *, answers: bool) -> None:
        self.given: list[bytes] = []
        self._answers = answers

    async def send_many(self, _: str, messages: Sequence[tuple[bytes, bytes]]) -> list[Exception | None]:
        self.given += [value for _, value in messages]
        if not self._answers:
            await asyncio.Event().wait()
        return [None] * len(messages)


async def test_a_relay_that_stands_still_is_taken_over_from(toy: Toy) -> None:
    database, others = toy.database(), toy.database()
    still, other = Log(answers=False), Log(answers=True)

    def relay(database: Database, log: Log) -> Relay:
        instruments = OutboxInstruments(CollectorRegistry())
        return Relay(database, log, instruments, lease_seconds=PATIENCE_SECONDS)  # type: ignore[arg-type]

    async with database.transaction() as transaction:
        transaction.announce("toys", "k", b"said once")
    async with running(relay(database, still).run(), "still"):
        await eventually(lambda: still.given)
        async with running(relay(others, other).run(), "other"):
            await eventually(lambda: other.given, within_seconds=10)

            async def empty() -> bool:
                return not await others.rows("SELECT 1 FROM toy.outbox")

            await eventually(empty)
    await database.close()
    await others.close()
    assert other.given == [b"said once"]


async def test_what_others_commit_while_a_relay_sends_what_they_committed_is_sent_at_once(toy: Toy) -> None:
    database, others = toy.database(), toy.database()

    class Committing(Log):
        async def send_many(self, _: str, messages: Sequence[tuple[bytes, bytes]]) -> list[Exception | None]:
            if not self.given:
                async with others.transaction() as transaction:
                    transaction.announce("toys", "k", b"said meanwhile")
            return await super().send_many(_, messages)

    log = Committing(answers=True)
    async with others.transaction() as transaction:
        transaction.announce("toys", "k", b"said first")
    relay = Relay(database, log, OutboxInstruments(CollectorRegistry()), poll_seconds=60.0)  # type: ignore[arg-type]
    async with running(relay.run(), "relay"):
        await eventually(lambda: len(log.given) == 2, within_seconds=10)
    await database.close()
    await others.close()
    assert log.given == [b"said first", b"said meanwhile"]


async def test_whoever_relays_goes_past_a_pooler_to_the_server_that_holds_its_lock(toy: Toy) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    database, log = toy.database(), Log(answers=True)
    behind = Database(nowhere, schema="toy", direct_url=toy.url)
    relay = Relay(behind, log, OutboxInstruments(CollectorRegistry()))  # type: ignore[arg-type]
    async with database.transaction() as transaction:
        transaction.announce("toys", "k", b"said once")
    async with running(relay.run(), "relay"):
        await eventually(lambda: log.given)
    await behind.close()

    async def let_go() -> bool:
        return not await database.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'")

    await eventually(let_go)
    await database.close()
