"""Bookkeeping: what the door notes about its work is written a little later, and beside it.

`Book.note` and `Sums.add` put an entry into memory and return at once, so that no sender ever waits for the database. About
every half second a task writes what came together, many entries a statement. While the database is away entries wait, up to
a bound; beyond it they are given up, and counted. At shutdown the last of them are written within a grace.

A `kill -9` loses what is still in memory: the entries of the last half second, and while the database is away those since it
went. It never loses anything that was accepted, since an answer of 202 means that the log (or the spool) has the event. So a
book is for what is told *about* intake, and never for the only copy of what was taken in.

    seen = books.book("quarantine", storage.add_quarantined, max_entries=5_000)
    seen.note(entry, size_bytes=len(payload))

    outcomes = books.sums("door_counts", storage.add_door_counts)
    outcomes.add((hour, sender, kind, "accepted"), 3)
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic, TypeVar

import orjson
import psycopg
from sqlalchemy.exc import DBAPIError

from services.capture.instruments import BookInstruments
from shared.kit.database import Database, Transaction
from shared.kit.errors import Rejected
from shared.kit.logs import log
from shared.kit.transient import is_transient, name_of

E = TypeVar("E")
K = TypeVar("K", bound=Hashable)

EVERY_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0
MAX_AT_ONCE = 1_000
MAX_BYTES_AT_ONCE = 1024 * 1024
"""What one statement carries is put into words in one go, while which nobody is answered."""

WRITE_DEADLINE_SECONDS = 2.0

Write = Callable[[Transaction, Sequence[E]], Awaitable[None]]
"""Adds entries, set-wise, in the one transaction it is given. It is called again with the same entries where that did not
commit, and with parts of them where one of them cannot be written."""


class Pending(ABC, Generic[E]):
    """What was noted and is not written yet, oldest first, each entry with its weight: a size or a count."""

    def __init__(self, name: str, instruments: BookInstruments) -> None:
        self.name = name
        self.in_hand = 0
        self._instruments = instruments
        instruments.pending.labels(name).set_function(self.__len__)

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def take(self, limit: int) -> list[tuple[E, int]]:
        """The oldest entries. They are no longer pending."""

    @abstractmethod
    def put_back(self, entries: Sequence[tuple[E, int]]) -> None:
        """What was taken and could not be written now."""

    @abstractmethod
    async def write(self, transaction: Transaction, entries: Sequence[tuple[E, int]]) -> None:
        """Writes what was taken."""

    def wrote(self, count: int) -> None:
        """Counts entries that are in the database."""
        self._instruments.written.labels(self.name).inc(count)

    def lose(self, count: int, reason: str) -> None:
        """Counts entries that will never be."""
        self._instruments.lost.labels(self.name, reason).inc(count)


class Book(Pending[E]):
    """Entries that are written one row each."""

    def __init__(
        self,
        name: str,
        write: Write[E],
        instruments: BookInstruments,
        *,
        max_entries: int,
        max_bytes: int,
        hurry: Callable[[], None],
    ) -> None:
        super().__init__(name, instruments)
        self._write = write
        self._entries: deque[tuple[E, int]] = deque()
        self._bytes = 0
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._hurry = hurry
        self._noted = self._settled = 0
        self._asked: list[tuple[int, asyncio.Future[bool]]] = []

    def note(self, entry: E, *, size_bytes: int = 0) -> bool:
        """False where the book is full: then the entry is lost, and counted so."""
        if not self._max_entries:
            return False
        if len(self._entries) >= self._max_entries or self._bytes + size_bytes > self._max_bytes:
            self.lose(1, "full")
            return False
        self._entries.append((entry, size_bytes))
        self._bytes += size_bytes
        self._noted += 1
        return True

    async def written(self, within_seconds: float) -> bool:
        """Whether all that was noted until now is in the database by then: for the few who have to know. It is written at
        once."""
        if self._settled == self._noted:
            return True
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked.append((self._noted, answer))
        self._hurry()
        try:
            return await asyncio.wait_for(answer, within_seconds)
        except TimeoutError:
            return False

    def wrote(self, count: int) -> None:
        super().wrote(count)
        self._settle(count, there=True)

    def lose(self, count: int, reason: str) -> None:
        super().lose(count, reason)
        if reason == "refused":
            self._settle(count, there=False)

    def _settle(self, count: int, *, there: bool) -> None:
        """Entries end in the order in which they were noted. Who asked while one could not be written is not told that all
        are."""
        self._settled += count
        due = [one for one in self._asked if not there or one[0] <= self._settled]
        self._asked = [one for one in self._asked if one not in due]
        for _, answer in due:
            if not answer.done():
                answer.set_result(there)

    def __len__(self) -> int:
        return len(self._entries)

    def take(self, limit: int) -> list[tuple[E, int]]:
        taken: list[tuple[E, int]] = []
        size = 0
        while self._entries and len(taken) < limit and (not taken or size + self._entries[0][1] <= MAX_BYTES_AT_ONCE):
            taken.append(self._entries.popleft())
            size += taken[-1][1]
        self._bytes -= size
        return taken

    def put_back(self, entries: Sequence[tuple[E, int]]) -> None:
        self._entries.extendleft(reversed(entries))
        self._bytes += sum(size for _, size in entries)

    async def write(self, transaction: Transaction, entries: Sequence[tuple[E, int]]) -> None:
        await self._write(transaction, [entry for entry, _ in entries])


class Sums(Pending[K]):
    """Counts by key: what is noted often under few keys is one row each time it is written."""

    def __init__(
        self, name: str, write: Write[tuple[K, int]], instruments: BookInstruments, *, max_entries: int
    ) -> None:
        super().__init__(name, instruments)
        self._write = write
        self._sums: dict[K, int] = {}
        self._max_entries = max_entries

    def add(self, key: K, count: int = 1) -> bool:
        """False where there are too many keys for one more: then what it counts is lost, and counted so."""
        if not self._max_entries:
            return False
        known = self._sums.get(key)
        if known is None and len(self._sums) >= self._max_entries:
            self.lose(count, "full")
            return False
        self._sums[key] = (known or 0) + count
        return True

    def __len__(self) -> int:
        return len(self._sums)

    def take(self, limit: int) -> list[tuple[K, int]]:
        keys = [key for key, _ in zip(self._sums, range(limit), strict=False)]
        return [(key, self._sums.pop(key)) for key in keys]

    def put_back(self, entries: Sequence[tuple[K, int]]) -> None:
        for key, count in entries:
            self._sums[key] = self._sums.get(key, 0) + count

    async def write(self, transaction: Transaction, entries: Sequence[tuple[K, int]]) -> None:
        await self._write(transaction, entries)


class Books:
    """All books of a process and the task that writes them. Without a database nothing is kept, and nothing complains."""

    def __init__(self, database: Database | None, instruments: BookInstruments) -> None:
        self._database = database
        self._instruments = instruments
        self._open: list[Pending[Any]] = []
        self._ending = asyncio.Event()
        self._wanted = asyncio.Event()
        self._told = False

    def book(
        self, name: str, write: Write[E], *, max_entries: int = 10_000, max_bytes: int = 16 * 1024 * 1024
    ) -> Book[E]:
        """Opens a book of entries. `name` labels its metrics."""
        if self._database is None:
            max_entries = 0
        book = Book(
            name, write, self._instruments, max_entries=max_entries, max_bytes=max_bytes, hurry=self._wanted.set
        )
        self._open.append(book)
        return book

    def sums(self, name: str, write: Write[tuple[K, int]], *, max_entries: int = 10_000) -> Sums[K]:
        """Opens a book of counts; `max_entries` bounds its keys, and so its memory."""
        if self._database is None:
            max_entries = 0
        sums: Sums[K] = Sums(name, write, self._instruments, max_entries=max_entries)
        self._open.append(sums)
        return sums

    @asynccontextmanager
    async def kept(self, grace_seconds: float) -> AsyncIterator[None]:
        """Writes while the block runs, and what is left at its end within the grace."""
        self._ending.clear()
        task = asyncio.create_task(self._run(), name="capture-books")
        try:
            yield
        finally:
            self._ending.set()
            self._wanted.set()
            await asyncio.wait([task], timeout=grace_seconds)
            # The driver takes ten seconds to give a query up that a server does not answer. Nobody waits for that.
            task.cancel()
            await asyncio.wait([task], timeout=0.1)
            for book in self._open:
                if left := len(book) + book.in_hand:
                    book.lose(left, "shutdown")
                    log().warning("books_not_written", place=book.name, count=left)

    async def _run(self) -> None:
        pause = EVERY_SECONDS
        while not self._ending.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wanted.wait()
            self._wanted.clear()
            written = await self.write_all()
            pause = EVERY_SECONDS if written else min(2 * pause, LONGEST_PAUSE_SECONDS)
        await self.write_all()

    async def write_all(self) -> bool:
        """Writes every book as far as it goes; False where one of them has to wait."""
        return all([await self._write_one(book) for book in self._open if len(book)])

    async def _write_one(self, book: Pending[E]) -> bool:
        while entries := book.take(MAX_AT_ONCE):
            left: Sequence[tuple[E, int]] = entries
            book.in_hand = len(entries)
            try:
                left = await self._commit(book, entries)
            finally:
                book.in_hand = 0
                book.put_back(left)
            if left:
                return False
        return True

    async def _commit(self, book: Pending[E], entries: Sequence[tuple[E, int]]) -> Sequence[tuple[E, int]]:
        """Writes entries, all of them but those that never can be; answers with those that have to wait."""
        assert self._database is not None, "without a database nothing is pending"

        async def work(transaction: Transaction) -> None:
            await book.write(transaction, entries)

        try:
            await self._database.run(work, deadline_seconds=WRITE_DEADLINE_SECONDS)
        except Exception as error:
            if not _is_about_entries(error):
                self._tell(book, error)
                return entries
            if len(entries) == 1:
                book.lose(1, "refused")
                log().error("book_entry_refused", place=book.name, error_type=type(error).__name__)
                return ()
        else:
            self._told = False
            book.wrote(len(entries))
            return ()
        middle = len(entries) // 2
        left = await self._commit(book, entries[:middle])
        if left:
            return [*left, *entries[middle:]]
        return await self._commit(book, entries[middle:])

    def _tell(self, book: Pending[E], error: Exception) -> None:
        """Once for each time that writing has to wait. What is no outage is a fault of ours, and waits for its mending."""
        if not self._told:
            self._told = True
            say = log().warning if is_transient(error) else log().error
            say("books_wait", place=book.name, error_type=name_of(error))


def _is_about_entries(error: Exception) -> bool:
    """Whether other entries could be written where these cannot. A table that is missing is no fault of an entry."""
    if isinstance(error, Rejected | UnicodeError | orjson.JSONEncodeError):
        return True
    orig = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(orig, psycopg.DataError | psycopg.IntegrityError)
