"""PostgreSQL, one way: transactions that carry their outgoing messages with them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol, TypeVar
from uuid import UUID

import orjson
import psycopg
from sqlalchemy import CursorResult, Executable, Row, TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.kit import ids_read
from shared.kit.clock import Clock, SystemClock
from shared.kit.copying import OPTIONS, as_csv
from shared.kit.engines import engines, is_outdated
from shared.kit.errors import Rejected, Retryable, TookTooLong
from shared.kit.frames import MAX_MESSAGE_BYTES, Outgoing, compressed, pack
from shared.kit.records import Record
from shared.kit.settings import ServiceSettings
from shared.kit.transient import is_transient

T = TypeVar("T")

ids_read.install()


def as_json(rows: object) -> str:
    """Rows as the JSON parameter of a set-wise statement. UUIDs and datetimes are written as PostgreSQL reads them."""
    return orjson.dumps(rows, option=orjson.OPT_NON_STR_KEYS).decode()


def as_array(ids: Iterable[UUID | str]) -> str:
    """UUIDs, or their texts, as the text of a `uuid[]`: the JSON encoder writes them, at a hundredth of what the driver needs for as
    many parameters."""
    return "{" + orjson.dumps(list(ids))[1:-1].decode() + "}"


@lru_cache(maxsize=2048)
def _statement(sql: str) -> TextClause:
    """A statement, its parameters looked for once."""
    return text(sql)


class RacedWrite(Retryable):
    """Another process wrote the same row first. The transaction starts again and sees what that one did."""

    def __init__(self) -> None:
        super().__init__("Another process wrote the same at the same moment.", retry_after_seconds=0.05)


class Reader(Protocol):
    """What can be read from: a database, or one moment of it."""

    async def rows(self, sql: str, **parameters: Any) -> list[Row[Any]]:
        """The rows of one query; each column is an attribute."""


class Snapshot:
    """A database as it was at one moment, whatever is committed meanwhile."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def rows(self, sql: str, **parameters: Any) -> list[Row[Any]]:
        """The rows of one query; each column is an attribute."""
        return list((await self._connection.execute(_statement(sql), parameters)).all())


class Transaction:
    """One transaction of one service, and what leaves with it."""

    def __init__(self, connection: AsyncConnection, schema: str, now: datetime) -> None:
        self.connection = connection
        self.schema = schema
        self.now = now
        self.announced: list[Outgoing] = []
        self.duplicates: list[Record] = []
        self.waiting: list[Record] = []
        self.afterwards: list[Callable[[], None]] = []
        self.in_parts = False
        self._waited: set[str] = set()
        self.began_at = self.moved_at = time.monotonic()

    async def execute(
        self, statement: Executable | str, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Runs a statement; a string is SQL with `:name` parameters."""
        executable = _statement(statement) if isinstance(statement, str) else statement
        return await self._run(executable, parameters)

    async def rows(self, sql: str, **parameters: Any) -> list[Row[Any]]:
        """The rows of one query; each column is an attribute."""
        return list((await self._run(_statement(sql), parameters)).all())

    def may_wait_for(self, what: str) -> bool:
        """Whether rows that others hold may be waited for: once, for all that are needed, in one order. Whoever needs more of them
        after that takes what nobody has, and starts again where somebody has it: two that wait while they hold may wait for
        each other. One that goes on in parts waits in each; a deadlock of it is tried again."""
        is_first = what not in self._waited
        self._waited.add(what)
        return is_first or self.in_parts

    async def set_wise(self, sql: str, rows: Sequence[Mapping[str, Any]], **parameters: Any) -> list[Row[Any]]:
        """One statement for many rows, bound as the single JSON parameter `:rows`; nothing runs for no rows."""
        if not rows:
            return []
        result = await self._run(_statement(sql), {"rows": as_json(rows), **parameters})
        return list(result.all()) if result.returns_rows else []

    async def _run(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
    ) -> CursorResult[Any]:
        self.moved_at = time.monotonic()
        result = await self.connection.execute(statement, parameters)
        self.moved_at = time.monotonic()
        return result

    async def copy(self, table: str, columns: Iterable[str], rows: Sequence[Sequence[Any]]) -> None:
        """Adds rows of which none should be there yet, given in the order of the columns. Raises `RacedWrite` where one is."""
        if not rows:
            return
        statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN ({OPTIONS})"
        driver = (await self.connection.get_raw_connection()).driver_connection
        assert driver is not None
        self.moved_at = time.monotonic()
        try:
            async with driver.cursor() as cursor, cursor.copy(statement) as copy:
                await copy.write(as_csv(rows))
        except psycopg.errors.UniqueViolation:
            raise RacedWrite from None
        except psycopg.Error as error:
            raise DBAPIError.instance(statement, None, error, psycopg.Error, hide_parameters=True) from error

    def announce(self, topic: str, key: str, value: bytes) -> None:
        """Sends a message when, and only when, this transaction commits. Order is kept per key. Raises `Rejected` for a
        message that the log would refuse: found now it is one bad record, found by the relay it would block every other."""
        if len(value) > MAX_MESSAGE_BYTES:
            raise Rejected(
                f"A message of {len(value)} bytes is over the limit of {MAX_MESSAGE_BYTES}.", code="too-large"
            )
        self.announced.append(tuple.__new__(Outgoing, (topic, key.encode(), value)))

    def mark_duplicate(self, record: Record) -> None:
        """Counts a record as one whose event was already known."""
        self.duplicates.append(record)

    def mark_waiting(self, record: Record) -> None:
        """Counts a record as kept until what it belongs to is known."""
        self.waiting.append(record)

    def once_committed(self, do: Callable[[], None]) -> None:
        """Does something when, and only when, this is committed."""
        self.afterwards.append(do)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part that can fail alone: on an error the database and everything collected go back to its beginning."""
        before = len(self.announced), len(self.duplicates), len(self.waiting), len(self.afterwards)
        try:
            async with self.connection.begin_nested():
                yield
        except BaseException:
            del self.announced[before[0] :], self.duplicates[before[1] :], self.waiting[before[2] :]
            del self.afterwards[before[3] :]
            raise

    async def number(self) -> str | None:
        """PostgreSQL's number of this transaction, None for one that has written nothing."""
        (row,) = await self.rows("SELECT CAST(pg_current_xact_id_if_assigned() AS text) AS number")
        number: str | None = row.number
        return number

    async def append_outbox(self) -> None:
        """Writes everything announced as one row; the relay sends it in this order."""
        if self.announced:
            await self.execute(
                f"INSERT INTO {self.schema}.outbox (messages, frame) VALUES (:messages, :frame)",
                {"messages": len(self.announced), "frame": compressed(pack(self.announced))},
            )


class Database:
    """A service's PostgreSQL: its schema, its pool, its transactions. A statement is prepared when it has come `prepare_after`
    times on a connection; none ever is where that is 0, as behind a pooler that gives each transaction another connection.
    What is the server's session's own, as a lock that outlives a transaction, is asked for by `session`."""

    def __init__(
        self,
        url: str,
        *,
        schema: str,
        pool_size: int = 8,
        statement_timeout_seconds: float = 25.0,
        idle_in_transaction_timeout_seconds: float = 10.0,
        prepare_after: int = 3,
        direct_url: str = "",
        clock: Clock | None = None,
    ) -> None:
        self.schema = schema
        self.clock = clock or SystemClock()
        self.committed = asyncio.Event()
        self.statement_timeout_seconds = statement_timeout_seconds
        self.engine: AsyncEngine
        self.engine, self._direct = engines(
            url,
            direct_url,
            name=f"leadflow-{schema}",
            pool_size=pool_size,
            statement_timeout_seconds=statement_timeout_seconds,
            idle_in_transaction_timeout_seconds=idle_in_transaction_timeout_seconds,
            prepare_after=prepare_after,
        )
        # A read by itself needs no transaction around it: that would be two statements more, and at a ROLLBACK the driver forgets
        # all that this connection has prepared, of the batches too.
        self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @classmethod
    def of(
        cls, settings: ServiceSettings, *, schema: str, pool_size: int | None = None, clock: Clock | None = None
    ) -> Database:
        """The database of a service, as its settings have it; `pool_size` is for a process of its own that needs fewer connections."""
        return cls(
            settings.database_url.get_secret_value(),
            schema=schema,
            pool_size=pool_size or settings.database_pool_size,
            statement_timeout_seconds=settings.statement_timeout_seconds,
            idle_in_transaction_timeout_seconds=settings.idle_in_transaction_timeout_seconds,
            prepare_after=settings.database_prepare_after,
            direct_url=settings.database_direct_url.get_secret_value(),
            clock=clock,
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncConnection]:
        """One session of the server, past any pooler, in which each statement commits by itself; it ends with this."""
        async with self._direct.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            try:
                yield connection
            finally:
                # What belongs to the server's session is given back for sure only as it ends.
                await connection.invalidate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that commits at the end, its announcements with it, and rolls back on any error."""
        async with self.engine.connect() as connection, connection.begin():
            transaction = Transaction(connection, self.schema, self.clock.now())
            yield transaction
            await transaction.append_outbox()
        for do in transaction.afterwards:
            do()
        if transaction.announced:
            self.committed.set()

    async def run(self, work: Callable[[Transaction], Awaitable[T]], *, deadline_seconds: float = 5.0) -> T:
        """`work` in a transaction, tried again on errors that pass by themselves. Raises `Retryable` after the deadline.

        A connection that breaks while it commits leaves open whether it did; then PostgreSQL is asked, and what was
        committed is not done again.
        """
        give_up_at = asyncio.get_running_loop().time() + deadline_seconds
        attempt = 0
        while True:
            attempt += 1
            number: str | None = None
            try:
                async with self.transaction() as transaction:
                    done = await work(transaction)
                    number = await transaction.number()
                return done
            except Exception as error:
                if not is_transient(error):
                    raise
                if number is not None and await self._is_committed(number, give_up_at):
                    return done
                pause = min(0.02 * 2**attempt, 0.5) * random.uniform(0.5, 1.5)
                if asyncio.get_running_loop().time() + pause > give_up_at:
                    raise Retryable(
                        "The database does not answer; nothing was changed.", retry_after_seconds=2
                    ) from error
                await asyncio.sleep(pause)

    async def _is_committed(self, number: str, give_up_at: float) -> bool:
        """How a transaction ended whose connection broke. Raises `Retryable` while that cannot be known."""
        while True:
            with suppress(Retryable):
                (row,) = await self.rows("SELECT pg_xact_status(CAST(:number AS xid8)) AS ended", number=number)
                if row.ended in ("committed", "aborted"):
                    return bool(row.ended == "committed")
            if asyncio.get_running_loop().time() > give_up_at:
                raise Retryable(
                    "The database does not answer; look whether it was done before sending it again.",
                    retry_after_seconds=2,
                )
            await asyncio.sleep(0.1)

    async def rows(self, sql: str, **parameters: Any) -> list[Row[Any]]:
        """One read outside of any transaction of ours. Raises `Retryable` while the database is away, `TookTooLong` where it gives up."""
        try:
            try:
                return await self._read(sql, parameters)
            except DBAPIError as error:
                if not is_outdated(error.orig):
                    raise
                return await self._read(sql, parameters)
        except Exception as error:
            if is_transient(error):
                raise self._unanswered(error) from error
            raise

    async def _read(self, sql: str, parameters: Mapping[str, Any]) -> list[Row[Any]]:
        async with self._reading.connect() as connection:
            return list((await connection.execute(_statement(sql), parameters)).all())

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """Reads that all see one moment. Raises `Retryable` while the database is away, `TookTooLong` where it gives up."""
        try:
            async with self.engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                async with connection.begin():
                    yield Snapshot(connection)
        except Exception as error:
            if is_transient(error):
                raise self._unanswered(error) from error
            raise

    def _unanswered(self, error: Exception) -> Retryable:
        """Why a read had no answer."""
        if isinstance(error, Retryable):
            return error
        if isinstance(getattr(error, "orig", None), psycopg.errors.QueryCanceled):
            return TookTooLong(self.statement_timeout_seconds)
        return Retryable("The database does not answer.", retry_after_seconds=2)

    async def ping(self) -> None:
        """Raises `Retryable` while the database is away."""
        await self.rows("SELECT 1")

    async def close(self) -> None:
        """Gives every connection back."""
        await self.engine.dispose()
