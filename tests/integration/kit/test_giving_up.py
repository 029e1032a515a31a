"""Who gives up while a connection to the database is being made."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
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
