"""The one way out: committed transactions' messages, moved to the log in order by one relay a service.

At most one process relays (an advisory lock held by its session, which the server ends where nothing is heard from it for
a while: a process that stands still does not keep the others from relaying). Rows are sent in order of id; two transactions that
touch one key hold that key's lock one after the other, so their ids are in the order of their commits. A row is deleted
only after every message of it was acknowledged; dying in between sends it again, which changes nothing downstream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.kit import failpoints
from shared.kit.database import Database
from shared.kit.errors import Retryable
from shared.kit.frames import by_topic
from shared.kit.instruments import OutboxInstruments
from shared.kit.logs import log
from shared.kit.producer import Producer
from shared.kit.transient import name_of

ROWS_AT_ONCE = 20

LEASE_SECONDS = 15.0
"""How long whoever relays may say nothing to the database; longer than the producer takes to give a message up."""

MESSAGES_AT_ONCE = 5_000
"""How much is handed to the producer at a time: below what it lets be in flight, so that any backlog can leave."""


class Relay:
    """Moves outbox rows to the log for as long as this process holds the lock."""

    def __init__(
        self,
        database: Database,
        producer: Producer,
        instruments: OutboxInstruments,
        *,
        poll_seconds: float = 0.2,
        lease_seconds: float = LEASE_SECONDS,
        then: str | None = None,
    ) -> None:
        """`then` is what else becomes of rows as they are deleted: the rest of a statement over `sent`, their ids and frames, in
        which it may leave them to somebody. One relay at a time runs it, in order, and what it leaves is on the log already."""
        self._database = database
        self._producer = producer
        self._instruments = instruments
        self._poll_seconds = poll_seconds
        self._lease_milliseconds = int(lease_seconds * 1000)
        self._then = then
        self.failing = False

    async def run(self) -> None:
        """Goes on until it is cancelled; what it has not sent then waits in the outbox."""
        while True:
            try:
                async with self._database.session() as connection:
                    if await self._leads(connection):
                        await self._relay(connection)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                if not self.failing:
                    log().warning("relay_postponed", error_type=name_of(error))
                self.failing = True
            finally:
                self._instruments.leading.set(0)
            await asyncio.sleep(1.0)

    async def _leads(self, connection: AsyncConnection) -> bool:
        await connection.execute(text(f"SET idle_session_timeout = {self._lease_milliseconds}"))
        found = await connection.execute(
            text("SELECT pg_try_advisory_lock(hashtext(:name))"), {"name": f"leadflow-relay-{self._database.schema}"}
        )
        return bool(found.scalar())

    async def _relay(self, connection: AsyncConnection) -> None:
        """Drains, then sleeps until a commit of this process wakes it or it is time to look for others'. While rows come that nobody
        here announced, it looks on."""
        self._instruments.leading.set(1)
        schema = self._database.schema
        take = text(
            f"""SELECT id, messages, frame, extract(epoch FROM clock_timestamp() - created_at) AS age
                FROM {schema}.outbox ORDER BY id LIMIT {ROWS_AT_ONCE}"""
        )
        gone = f"DELETE FROM {schema}.outbox WHERE id = ANY(:ids)"
        delete = text(gone if self._then is None else f"WITH sent AS ({gone} RETURNING id, frame) {self._then}")
        while True:
            is_told = self._database.committed.is_set()
            self._database.committed.clear()
            rows = (await connection.execute(take)).all()
            self._instruments.rows.set(len(rows))
            self._instruments.oldest_age.set(float(rows[0].age) if rows else 0.0)
            self.failing = False
            for portion in _portions(rows):
                sent = await self._send(by_topic(row.frame for row in portion))
                failpoints.reach("after-relay-publish")
                await connection.execute(delete, {"ids": [row.id for row in portion]})
                self._instruments.relayed.inc(sent)
            if len(rows) < ROWS_AT_ONCE and (is_told or not rows):
                # that was all; what this process committed meanwhile has said so, but others, whose rows these were, say nothing
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self._database.committed.wait()

    async def _send(self, messages: Mapping[str, Sequence[tuple[bytes, bytes]]]) -> int:
        """All messages of the rows taken, acknowledged; raises `Retryable` where one was not, and all are sent again."""
        for topic, pairs in messages.items():
            for start in range(0, len(pairs), MESSAGES_AT_ONCE):
                for error in await self._producer.send_many(topic, pairs[start : start + MESSAGES_AT_ONCE]):
                    if error is not None:
                        raise Retryable("The log did not take everything.") from error
        return sum(map(len, messages.values()))


def _portions(rows: Sequence[Any]) -> Iterator[list[Any]]:
    """The rows in order, as many together as may be in flight at a time, and at least one."""
    portion: list[Any] = []
    messages = 0
    for row in rows:
        if portion and messages + row.messages > MESSAGES_AT_ONCE:
            yield portion
            portion, messages = [], 0
        portion.append(row)
        messages += row.messages
    if portion:
        yield portion
