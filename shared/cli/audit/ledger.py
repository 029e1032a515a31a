"""The ids that the log holds, on disk, so that an audit of any size needs constant memory."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

Entry = tuple[UUID, UUID]
"""A lead's id and an event's id."""

Place = tuple[int, int]
"""A partition and an offset."""

PLACES_SHOWN = 1_000


@dataclass(frozen=True, slots=True)
class LogCount:
    """What one topic held up to the fixed end: records, those whose event id was there before, those nobody can read."""

    records: int
    distinct: int
    unreadable: int
    places: tuple[Place, ...] = ()

    @property
    def duplicates(self) -> int:
        """Deliveries of an event that the log already held."""
        return self.records - self.distinct - self.unreadable


class Ledger:
    """The distinct entries of one topic, and what is not settled yet in each step of the audit."""

    def __init__(self, connection: sqlite3.Connection, *, by_lead: bool) -> None:
        self._connection = connection
        self._by_lead = by_lead
        self._records = 0
        self._unreadable = 0
        self._places: list[Place] = []
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("CREATE TABLE entry (first BLOB, second BLOB, PRIMARY KEY (first, second)) WITHOUT ROWID")
        connection.execute(
            "CREATE TABLE unsettled (step TEXT, first BLOB, second BLOB, PRIMARY KEY (step, first, second)) WITHOUT ROWID"
        )

    def add(self, entries: Sequence[Entry]) -> None:
        """Counts records. Entries of capture's topic are the same by event id alone, those of a lead's story by both."""
        self._records += len(entries)
        self._connection.executemany("INSERT OR IGNORE INTO entry VALUES (?, ?)", map(self._stored, entries))

    def add_unreadable(self, place: Place) -> None:
        """Counts a record without a readable event id."""
        self._records += 1
        self._unreadable += 1
        if len(self._places) < PLACES_SHOWN:
            self._places.append(place)

    def count(self) -> LogCount:
        """What has been added so far."""
        (distinct,) = self._connection.execute("SELECT count(*) FROM entry").fetchone()
        return LogCount(self._records, distinct, self._unreadable, tuple(self._places))

    def chunks(self, size: int) -> Iterator[list[Entry]]:
        """All distinct entries."""
        return self._chunks("SELECT first, second FROM entry WHERE (first, second) > (?, ?)", (), size)

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

    def _chunks(self, query: str, parameters: tuple[str, ...], size: int) -> Iterator[list[Entry]]:
        after = (b"", b"")
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
def open_ledgers() -> Iterator[tuple[Ledger, Ledger]]:
    """A ledger for capture's topic and one for the lifecycle topic, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="leadflow-audit-") as folder:
        captured = sqlite3.connect(Path(folder) / "captured", isolation_level=None)
        lifecycle = sqlite3.connect(Path(folder) / "lifecycle", isolation_level=None)
        try:
            yield Ledger(captured, by_lead=False), Ledger(lifecycle, by_lead=True)
        finally:
            captured.close()
            lifecycle.close()
