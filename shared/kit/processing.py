"""Batches into committed transactions: the whole of a batch, or, where it is refused, all of it but the records at fault."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from shared.kit import failpoints, positions
from shared.kit.database import Database, Transaction
from shared.kit.dead_letters import Budget, DeadLetter, describe, event_id_of, keep
from shared.kit.errors import Stopped
from shared.kit.logs import log
from shared.kit.positions import Beginnings, Place
from shared.kit.records import Record, moment
from shared.kit.transient import is_transient

Parse = Callable[[bytes], Any]
"""Bytes to an event; any exception means that these bytes are none."""

Handle = Callable[[Transaction, Sequence[Record]], Awaitable[None]]
"""What a service does with a batch, within the transaction it is given and nowhere else."""


class BatchProcessor:
    """Turns raw batches into committed transactions. Knows nothing of groups, fetching or seeking."""

    def __init__(
        self,
        database: Database,
        parse: Mapping[str, Parse],
        handle: Handle,
        budget: Budget,
        beginnings: Beginnings | None = None,
    ) -> None:
        """`beginnings` says where the log of a partition begins; without it, one begins at its first record seen."""
        self._beginnings = beginnings
        self._database = database
        self._parse = parse
        self._handle = handle
        self._budget = budget
        self.in_hand: Transaction | None = None

    async def process(self, batch: Sequence[Any]) -> tuple[positions.Claim[Any], dict[Place, positions.Tally]]:
        """Commits what of the batch is to do, all of it or nothing. Raises what `is_transient` knows, or `Stopped`."""
        try:
            with _nothing_collected():
                return await self._attempt(batch, self._handle)
        except Exception as error:
            if is_transient(error) or isinstance(error, Stopped):
                raise
            log().warning("batch_refused", error_type=type(error).__name__, records=len(batch))
            return await self._attempt(batch, None)
        finally:
            self.in_hand = None

    async def _attempt(
        self, batch: Sequence[Any], handle: Handle | None
    ) -> tuple[positions.Claim[Any], dict[Place, positions.Tally]]:
        """One transaction over the batch: through `handle` as a whole, or narrowing down where there is none."""
        async with self._database.transaction() as transaction:
            self.in_hand = transaction
            claim = positions.enforce(batch, await positions.lock(transaction, batch, self._beginnings))
            records, letters = self._parsed(claim.take)
            if records and handle is not None:
                await handle(transaction, records)
            elif records:
                transaction.in_parts = True
                await self._narrow(
                    transaction, records, {(r.topic, r.partition, r.offset): r for r in claim.take}, letters
                )
            await keep(transaction, letters, self._budget)
            tallies = positions.tally(claim.take, transaction.duplicates, transaction.waiting, letters)
            if claim.take:
                await positions.advance(transaction, claim.take, tallies)
            failpoints.reach("before-database-commit")
        failpoints.reach("after-database-commit")
        return claim, tallies

    async def redrive(self, transaction: Transaction, record: Record) -> None:
        """Processes one record outside of the log's order, in a transaction that is the caller's."""
        await self._handle(transaction, [record])

    def _parsed(self, taken: Sequence[Any]) -> tuple[list[Record], list[DeadLetter]]:
        records: list[Record] = []
        letters: list[DeadLetter] = []
        for raw in taken:
            value = raw.value or b""
            try:
                event = self._parse[raw.topic](value)
            except Exception as error:
                letters.append(_letter(raw, "parse", error))
                continue
            at = moment(raw.timestamp)
            told = (raw.topic, raw.partition, raw.offset, raw.key, value, raw.headers, at, event)
            records.append(tuple.__new__(Record, told))  # half of what calling it takes, for every record
        return records, letters

    async def _narrow(
        self,
        transaction: Transaction,
        records: Sequence[Record],
        raw: Mapping[tuple[str, int, int], Any],
        letters: list[DeadLetter],
    ) -> None:
        """Halves what is refused, in order, until each record that cannot be processed stands alone."""
        try:
            async with transaction.savepoint():
                await self._handle(transaction, records)
        except Exception as error:
            if is_transient(error) or isinstance(error, Stopped):
                raise
            if len(records) == 1:
                one = records[0]
                letters.append(_letter(raw[one.topic, one.partition, one.offset], "handle", error))
                if len(letters) > self._budget.records:
                    await keep(transaction, letters, self._budget)  # which refuses, now instead of after all the others
                return
            middle = len(records) // 2
            await self._narrow(transaction, records[:middle], raw, letters)
            await self._narrow(transaction, records[middle:], raw, letters)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Nothing that a batch makes is garbage before its end, and there is much of it: to look for garbage meanwhile is in vain."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _letter(raw: Any, stage: str, error: Exception) -> DeadLetter:
    reason, detail = describe(error)
    return DeadLetter(
        raw.topic,
        raw.partition,
        raw.offset,
        raw.timestamp,
        raw.key,
        raw.value,
        raw.headers,
        event_id_of(raw.value),
        stage,
        reason,
        detail,
    )
