"""What is to be done once a transaction is committed, and ids as they are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from uuid import UUID, uuid4

import pytest

from shared.kit.database import Database


@pytest.fixture
async def database(migrated_database: Callable[..., str]) -> AsyncIterator[Database]:
    store = Database(migrated_database("metrics"), schema="metrics")
    yield store
    await store.close()


async def test_it_is_done_after_the_commit_and_not_before(database: Database) -> None:
    done: list[str] = []
    async with database.transaction() as transaction:
        transaction.once_committed(lambda: done.append("this"))
        assert not done
    assert done == ["this"]


async def test_it_is_not_done_where_the_transaction_or_its_part_is_rolled_back(database: Database) -> None:
    done: list[str] = []
    with suppress(RuntimeError):
        async with database.transaction() as transaction:
            transaction.once_committed(lambda: done.append("all of it"))
            raise RuntimeError
    async with database.transaction() as transaction:
        transaction.once_committed(lambda: done.append("before"))
        with suppress(RuntimeError):
            async with transaction.savepoint():
                transaction.once_committed(lambda: done.append("the part"))
                raise RuntimeError
    assert done == ["before"]


async def test_an_id_is_read_as_it_was_written(database: Database) -> None:
    for wanted in (uuid4(), UUID(int=0), UUID(int=2**128 - 1)):
        (row,) = await database.rows("SELECT CAST(:id AS uuid) AS id", id=wanted)
        assert (row.id, hash(row.id), str(row.id), row.id.is_safe) == (
            wanted,
            hash(wanted),
            str(wanted),
            wanted.is_safe,
        )
