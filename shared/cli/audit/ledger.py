"""What an audit knows so far, on disk: the ids that the log holds, where each lies, and how far every comparison has come. So an
audit of any size needs constant memory, and one that was stopped goes on."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

Entry = tuple[UUID, UUID]
"""A lead's id and an event's id."""

Place = tuple[int, int]
"""A partition and an offset."""

Cell = tuple[int, int]
"""A partition and a day, as its ordinal."""

TOGETHER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LogCount:
    """What one topic held up to the fixed end: records, those whose event id was there before, those nobody can read."""

    records: int
    distinct: int
    unreadable: int

    @property
    def duplicates(self) -> int:
        """Deliveries of an event that the log already held."""
        return self.records - self.distinct - self.unreadable


@dataclass(frozen=True, slots=True)
class Day:
    """What one day has in one partition of a topic: distinct events, records that nobody can read, and of how many of both each
    step knows nothing, by its name."""

    topic: str
    partition: int
    day: str
    events: int
    unreadable: int
    missing: Mapping[str, int]


SCHEMA: tuple[str, ...] = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = -32768",
    """CREATE TABLE IF NOT EXISTS entry (
        first BLOB, second BLOB, lead BLOB, partition INTEGER, day INTEGER, PRIMARY KEY (first, second)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS unsettled (
        step TEXT, first BLOB, second BLOB, PRIMARY KEY (step, first, second)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS unreadable (
        partition INTEGER, place INTEGER, day INTEGER, PRIMARY KEY (partition, place)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS undead (
        step TEXT, partition INTEGER, place INTEGER, PRIMARY KEY (step, partition, place)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value TEXT)",
)


class Ledger:
    """The distinct entries of one topic, and what is not settled yet in each step of the audit."""

    def __init__(self, connection: sqlite3.Connection, *, by_lead: bool) -> None:
        self._connection = connection
        self._by_lead = by_lead
        self._begun_at = 0.0
        for statement in SCHEMA:
            connection.execute(statement)
        self._records, self._unreadable = self.kept("counted", [0, 0])

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written here is there as a whole or not at all, whatever ends the process. Some seconds of it go together,
        since ids come in no order and every page of them is written again each time."""
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN")
            self._begun_at = time.monotonic()
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        if time.monotonic() - self._begun_at > TOGETHER_SECONDS:
            self.write()

    def write(self) -> None:
        """Writes what has not been written yet."""
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")

    def keep(self, name: str, value: Any) -> None:
        """Remembers something small for the next run."""
        self._connection.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, json.dumps(value)))

    def kept(self, name: str, otherwise: Any = None) -> Any:
        """What was remembered."""
        found = self._connection.execute("SELECT value FROM kept WHERE name = ?", (name,)).fetchone()
        return otherwise if found is None else json.loads(found[0])

    def add(self, entries: Sequence[Entry], cells: Sequence[Cell] | None = None) -> None:
        """Counts records, with the partition and day of each where they are known. Entries of capture's topic are the same by
        event id alone, those of a lead's story by both."""
        self._records += len(entries)
        rows = (
            (*self._stored(entry), entry[0].bytes, *cell)
            for entry, cell in zip(entries, cells or [(0, 0)] * len(entries), strict=True)
        )
        self._connection.executemany("INSERT OR IGNORE INTO entry VALUES (?, ?, ?, ?, ?)", rows)
        self.keep("counted", [self._records, self._unreadable])

    def add_unreadable(self, place: Place, day: int = 0) -> None:
        """Counts a record without a readable event id."""
        self._records += 1
        self._unreadable += 1
        self._connection.execute("INSERT OR IGNORE INTO unreadable VALUES (?, ?, ?)", (*place, day))
        self.keep("counted", [self._records, self._unreadable])

    def expect_dead(self, step: str) -> None:
        """Every unreadable record has to be a dead letter in a step."""
        self._connection.execute("DELETE FROM undead WHERE step = ?", (step,))
        self._connection.execute("INSERT INTO undead SELECT ?, partition, place FROM unreadable", (step,))

    def is_dead(self, step: str, place: Place) -> None:
        """A step has a dead letter of this place."""
        self._connection.execute("DELETE FROM undead WHERE step = ? AND partition = ? AND place = ?", (step, *place))

    def undead(self, step: str, shown: int) -> tuple[int, list[Place]]:
        """How many unreadable records a step has no dead letter of, and the first of them."""
        query = "SELECT partition, place FROM undead WHERE step = ? ORDER BY partition, place LIMIT ?"
        first = self._connection.execute(query, (step, shown)).fetchall()
        (number,) = self._connection.execute("SELECT count(*) FROM undead WHERE step = ?", (step,)).fetchone()
        return number, first

    def count(self) -> LogCount:
        """What has been added so far."""
        (distinct,) = self._connection.execute("SELECT count(*) FROM entry").fetchone()
        return LogCount(self._records, distinct, self._unreadable)

    def chunks(self, size: int, after: Sequence[str] | None = None) -> Iterator[list[Entry]]:
        """All distinct entries, or those after one that `place_of` told."""
        query = "SELECT first, second FROM entry WHERE (first, second) > (?, ?)"
        return self._chunks(query, (), size, tuple(bytes.fromhex(one) for one in after) if after else (b"", b""))

    def place_of(self, entry: Entry) -> list[str]:
        """Where in the order of all an entry stands."""
        return [one.hex() for one in self._stored(entry)]

    def lacking(self, entries: Sequence[Entry]) -> list[Entry]:
        """Which of these the log does not hold."""
        found = self._connection.execute
        query = "SELECT 1 FROM entry WHERE first = ? AND second = ?"
        return [entry for entry in entries if found(query, self._stored(entry)).fetchone() is None]

    def told(self, entry: Entry) -> str:
        """An entry for people: whose it is, and where it lies."""
        row = self._connection.execute(
            "SELECT lead, partition, day FROM entry WHERE first = ? AND second = ?", self._stored(entry)
        ).fetchone()
        if row is None:
            return f"lead {entry[0]}: event {entry[1]}"
        lead, partition, day = row
        where = f", of {date.fromordinal(day)} in partition {partition}," if day else ""
        return f"lead {UUID(bytes=lead)}: event {entry[1]}{where}"

    def by_day(self, topic: str) -> list[Day]:
        """Every partition and day of what is called `topic`."""
        cells: dict[Cell, list[int]] = defaultdict(lambda: [0, 0])
        missing: dict[Cell, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for place, table in enumerate(("entry", "unreadable")):
            for *cell, number in self._connection.execute(
                f"SELECT partition, day, count(*) FROM {table} GROUP BY partition, day"
            ):
                cells[cell[0], cell[1]][place] += number
        for of_step, table, key in (
            ("unsettled", "entry", "first, second"),
            ("undead", "unreadable", "partition, place"),
        ):
            for *cell, step, number in self._connection.execute(
                f"SELECT partition, day, step, count(*) FROM {of_step} JOIN {table} USING ({key}) GROUP BY 1, 2, 3"
            ):
                missing[cell[0], cell[1]][step] += number
        return [
            Day(
                topic, partition, str(date.fromordinal(day)) if day else "", events, unreadable, dict(missing[partition, day])
            )
            for (partition, day), (events, unreadable) in sorted(cells.items())
        ]  # fmt: skip

    def unsettled(self, step: str, size: int) -> Iterator[list[Entry]]:
        """The entries that a step has put aside."""
        query = "SELECT first, second FROM unsettled WHERE step = ? AND (first, second) > (?, ?)"
        return self._chunks(query, (step,), size)

    def put_aside(self, step: str, entries: Iterable[Entry]) -> None:
        """Keeps entries for another try."""
        rows = ((step, *self._stored(entry)) for entry in entries)
        self._connection.executemany("INSERT OR IGNORE INTO unsettled VALUES (?, ?, ?)", rows)

    def settle(self, step: str, entries: Iterable[Entry]) -> None:
        """Forgets entries that a step had put aside."""
        rows = ((step, *self._stored(entry)) for entry in entries)
        self._connection.executemany("DELETE FROM unsettled WHERE step = ? AND first = ? AND second = ?", rows)

    def _chunks(
        self, query: str, parameters: tuple[str, ...], size: int, after: tuple[bytes, ...] = (b"", b"")
    ) -> Iterator[list[Entry]]:
        while True:
            rows = self._connection.execute(
                f"{query} ORDER BY first, second LIMIT ?", (*parameters, *after, size)
            ).fetchall()
            if not rows:
                return
            yield [self._read(row) for row in rows]
            after = rows[-1]

    def _stored(self, entry: Entry) -> tuple[bytes, bytes]:
        lead_id, event_id = entry
        return (lead_id.bytes, event_id.bytes) if self._by_lead else (event_id.bytes, b"")

    def _read(self, row: tuple[bytes, bytes]) -> Entry:
        first = UUID(bytes=row[0])
        return (first, UUID(bytes=row[1])) if self._by_lead else (UUID(int=0), first)


@contextmanager
def open_ledgers(folder: Path | None = None) -> Iterator[tuple[Ledger, Ledger]]:
    """A ledger for capture's topic and one for the lifecycle topic: those in a folder, to go on with, or without one new ones
    that are gone at the end."""
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leadflow-audit-")))
        place.mkdir(parents=True, exist_ok=True)
        captured, lifecycle = (
            stack.enter_context(closing(sqlite3.connect(place / name, isolation_level=None)))
            for name in ("captured", "lifecycle")
        )
        ledgers = Ledger(captured, by_lead=False), Ledger(lifecycle, by_lead=True)
        try:
            yield ledgers
        finally:
            for ledger in ledgers:
                ledger.write()


@contextmanager
def open_beside(folder: Path, name: str) -> Iterator[Ledger]:
    """A ledger for what is told beside leads, by a name of its own among the others in a folder."""
    with closing(sqlite3.connect(folder / name, isolation_level=None)) as told:
        ledger = Ledger(told, by_lead=True)
        try:
            yield ledger
        finally:
            ledger.write()
