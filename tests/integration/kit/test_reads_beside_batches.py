"""What is read by itself costs the batches beside it nothing: not what their connection has prepared, and not their transactions."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Row, text

from services.metrics.app import create_app
from shared.kit.database import Database

OFTEN = 6
"""More often than a statement has to come before the driver prepares it."""

BATCH = "SELECT count(*) AS n FROM metrics.consumer_offsets WHERE topic = :topic"
PREPARED = (
    "SELECT count(*) AS n FROM pg_prepared_statements WHERE statement LIKE 'SELECT count(*) AS n FROM metrics.con%'"
)


@pytest.fixture
async def database(migrated_database: Callable[..., str]) -> AsyncIterator[Database]:
    store = Database(migrated_database("metrics"), schema="metrics")
    yield store
    await store.close()


async def _batch(database: Database) -> int:
    """How many of the batch's statements its connection has prepared."""
    async with database.transaction() as transaction:
        await transaction.rows(BATCH, topic="leads")
        (row,) = await transaction.rows(PREPARED)
        return int(row.n)


async def test_statements_of_batches_stay_prepared_whatever_is_read_in_between(database: Database) -> None:
    for _ in range(OFTEN):
        await _batch(database)
        await database.rows("SELECT 1")
    assert await _batch(database) == 1


async def test_nothing_stays_prepared_where_the_setting_says_so(
    migrated_database: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADFLOW_DATABASE_URL", migrated_database("metrics"))
    monkeypatch.setenv("LEADFLOW_API_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("LEADFLOW_IDENTITY_SECRET", "0123456789abcdef")
    prepared = []
    for setting in ("3", "0"):
        monkeypatch.setenv("LEADFLOW_DATABASE_PREPARE_AFTER", setting)
        store: Database = create_app().state.database
        for _ in range(OFTEN):
            await _batch(store)
        prepared.append(await _batch(store))
        await store.close()
    assert prepared == [1, 0]


async def test_the_server_itself_is_asked_for_a_session_where_the_setting_names_it(
    migrated_database: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADFLOW_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setenv("LEADFLOW_DATABASE_DIRECT_URL", migrated_database("metrics"))
    monkeypatch.setenv("LEADFLOW_API_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("LEADFLOW_IDENTITY_SECRET", "0123456789abcdef")
    store: Database = create_app().state.database
    async with store.session() as session:
        assert (await session.execute(text("SELECT 1"))).scalar() == 1
    await store.close()


async def test_a_batch_uses_the_connection_that_was_used_last(database: Database) -> None:
    async with database.transaction() as one, database.transaction() as other:
        await one.rows("SELECT 1")
        await other.rows("SELECT 1")
    used = set()
    for _ in range(OFTEN):
        (row,) = await database.rows("SELECT pg_backend_pid() AS pid")
        used.add(row.pid)
    assert len(used) == 1


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such setting of a connection")
async def test_a_connection_that_idles_is_kept_in_mind_and_one_that_is_gone_found_out(database: Database) -> None:
    async with database.transaction() as transaction:
        driver = (await transaction.connection.get_raw_connection()).driver_connection
        assert driver is not None
        with socket.socket(fileno=os.dup(driver.fileno())) as line:
            asked = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
            assert [line.getsockopt(socket.IPPROTO_TCP, one) for one in asked] == [30, 10, 3, 20_000]


async def test_a_transaction_after_a_read_is_all_or_nothing(database: Database) -> None:
    await database.rows("SELECT 1")
    with suppress(RuntimeError):
        async with database.transaction() as transaction:
            await transaction.execute("CREATE TABLE metrics.half_done ()")
            raise RuntimeError
    (row,) = await database.rows("SELECT to_regclass('metrics.half_done') IS NULL AS nothing")
    assert row.nothing


async def test_a_column_that_a_migration_adds_is_read_by_those_who_had_prepared_their_statements(
    database: Database,
) -> None:
    everything = "SELECT * FROM metrics.widened"

    async def by_itself() -> list[Row[Any]]:
        return await database.rows(everything)

    async def by_a_transaction() -> list[Row[Any]]:
        return await database.run(lambda transaction: transaction.rows(everything))

    migrating = Database(str(database.engine.url.render_as_string(hide_password=False)), schema="metrics")
    async with migrating.transaction() as transaction:
        await transaction.execute("CREATE TABLE metrics.widened AS SELECT 1 AS old")
    for more, read in enumerate((by_itself, by_a_transaction)):
        for _ in range(OFTEN):
            await read()
        async with migrating.transaction() as transaction:
            await transaction.execute(f"ALTER TABLE metrics.widened ADD COLUMN new_{more} integer DEFAULT 2")
        for _ in range(OFTEN):
            (row,) = await read()
            assert getattr(row, f"new_{more}") == 2
    await migrating.close()
