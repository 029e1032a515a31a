"""What the database gives up because it takes too long is told from a database that does not answer."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from shared.kit.database import Database
from shared.kit.errors import Retryable, TookTooLong

SLOW = "SELECT pg_sleep(30)"


async def test_a_read_that_takes_too_long_says_after_how_many_seconds_it_was_given_up(database_url: str) -> None:
    database = Database(database_url, schema="public", statement_timeout_seconds=0.3)
    with pytest.raises(TookTooLong, match=r"longer than 0\.3 s"):
        await database.rows(SLOW)
    with pytest.raises(TookTooLong):
        async with database.snapshot() as one_moment:
            await one_moment.rows(SLOW)
    with pytest.raises(TookTooLong):
        async with database.snapshot():
            await database.rows(SLOW)
    assert [one.n for one in await database.rows("SELECT 1 AS n")] == [1]
    await database.close()


async def test_a_database_that_is_away_is_not_said_to_take_long(database_url: str) -> None:
    parts = urlsplit(database_url)
    nobody = parts._replace(netloc=f"{parts.username}@127.0.0.1:1").geturl()
    database = Database(nobody, schema="public", statement_timeout_seconds=0.3)
    with pytest.raises(Retryable, match="does not answer") as told:
        await database.rows("SELECT 1")
    assert not isinstance(told.value, TookTooLong)
    await database.close()
