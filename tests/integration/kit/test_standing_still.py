"""A process that stands still in the middle of a transaction holds up whoever takes over from it for a bounded time only."""

from __future__ import annotations

import asyncio
import time

import pytest
import sqlalchemy.exc

from shared.kit.database import Database
from shared.kit.transient import is_transient
from tests.integration.kit.conftest import Toy

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
