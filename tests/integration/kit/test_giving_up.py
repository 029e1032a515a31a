"""Who gives up while a connection to the database is being made."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import psutil
import pytest

from shared.kit.database import Database


def connections_to(url: str) -> int:
    """How many this process has to the server, half made or whole."""
    port = urlsplit(url).port
    return sum(bool(one.raddr) and one.raddr.port == port for one in psutil.Process().net_connections("tcp"))


@contextmanager
def without_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def test_no_connection_stays_half_made_when_who_wanted_it_gives_up(database_url: str) -> None:
    """The server would wait for the rest of it for a minute, and whoever drops the database for the server."""
    database = Database(database_url, schema="public")
    before = connections_to(database_url)
    with without_collector():  # which would close what nobody holds any more, whenever it comes by
        for _ in range(5):
            wanting = asyncio.create_task(database.ping())
            while connections_to(database_url) == before and not wanting.done():  # noqa: ASYNC110 (nobody tells)
                await asyncio.sleep(0)
            wanting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await wanting
        assert connections_to(database_url) == before
    await database.close()


async def reads(database: Database) -> None:
    await database.ping()


async def writes(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.rows("SELECT 1")


async def looks(database: Database) -> None:
    async with database.snapshot() as snapshot:
        await snapshot.rows("SELECT 1")


@pytest.mark.parametrize("work", [reads, writes, looks])
async def test_every_connection_is_given_back_whenever_its_user_gives_up(
    database_url: str, work: Callable[[Database], Coroutine[None, None, None]]
) -> None:
    """One that is not is found by the collector, which can only drop it, and says so as an error."""
    database = Database(database_url, schema="public", pool_size=1)
    await database.ping()
    for step in range(40):
        working = asyncio.create_task(work(database))
        for _ in range(step):
            await asyncio.sleep(0)
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        gc.collect()
        await database.ping()
    await database.close()
