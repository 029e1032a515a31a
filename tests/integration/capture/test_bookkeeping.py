"""What the door notes is written beside it: once, late if it must, and never instead of an answer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from services.capture.bookkeeping import Book, Books, Sums
from services.capture.domain.reconciliation import DoorKey, Outcome
from services.capture.instruments import BookInstruments
from services.capture.storage import add_door_counts
from shared.kit.database import Database, Transaction
from tests.faults.harness.postgres import FaultyPostgres
from tests.support.patience import eventually

HOUR = datetime(2026, 3, 2, 9, tzinfo=UTC)


def key(sender: str = "site", outcome: Outcome = "taken") -> DoorKey:
    return DoorKey(HOUR, sender, "lead", outcome)


def counted(url: str) -> dict[tuple[str, str], int]:
    """What the database counts, by sender and outcome."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT sender, outcome, items FROM capture.door_counts").fetchall()
    return {(sender, outcome): items for sender, outcome, items in rows}


async def note(tx: Transaction, senders: Sequence[str]) -> None:
    """A writer of single entries: each is a sender that was seen once."""
    await tx.set_wise(
        """INSERT INTO capture.door_counts SELECT :hour, sender, 'lead', 'seen', 1
           FROM json_to_recordset(CAST(:rows AS json)) AS r(sender text)""",
        [{"sender": sender} for sender in senders],
        hour=HOUR,
    )


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    database = Database(migrated_url, schema="capture")
    yield database
    await database.close()


@pytest.fixture
def migrated_url(migrated_database: object) -> str:
    url: str = migrated_database("capture")  # type: ignore[operator]
    return url


def lost(registry: CollectorRegistry, book: str, reason: str) -> float:
    labels = {"book": book, "reason": reason}
    return registry.get_sample_value("leadflow_capture_books_lost_total", labels) or 0.0


async def test_what_is_noted_is_in_the_database_a_moment_later(
    database: Database, migrated_url: str, registry: CollectorRegistry
) -> None:
    books = Books(database, BookInstruments(registry))
    sums: Sums[DoorKey] = books.sums("counts", add_door_counts)
    seen: Book[str] = books.book("seen", note)
    async with books.kept(3):
        for _ in range(500):
            sums.add(key())
        sums.add(key(outcome="rejected"), 7)
        for number in range(2_500):
            assert seen.note(f"sender-{number}")
        await eventually(lambda: len(counted(migrated_url)) == 2_502, within_seconds=2)
        sums.add(key(), 11)
    assert counted(migrated_url)["site", "taken"] == 511
    assert counted(migrated_url)["site", "rejected"] == 7
    assert registry.get_sample_value("leadflow_capture_books_written_total", {"book": "seen"}) == 2_500


async def test_the_end_of_the_process_writes_what_was_noted_last(
    database: Database, migrated_url: str, registry: CollectorRegistry
) -> None:
    books = Books(database, BookInstruments(registry))
    sums: Sums[DoorKey] = books.sums("counts", add_door_counts)
    async with books.kept(3):
        sums.add(key(), 3)
    assert counted(migrated_url) == {("site", "taken"): 3}


async def test_while_the_database_is_away_entries_wait_and_are_then_written_once(
    postgres: FaultyPostgres, registry: CollectorRegistry
) -> None:
    database = Database(postgres.url, schema="capture")
    books = Books(database, BookInstruments(registry))
    sums: Sums[DoorKey] = books.sums("counts", add_door_counts)
    seen: Book[str] = books.book("seen", note)
    async with books.kept(3):
        sums.add(key(), 1)
        await eventually(lambda: counted(postgres.url) == {("site", "taken"): 1})
        for strike in (postgres.kill, postgres.stop_immediately):
            strike()
            sums.add(key(), 10)
            seen.note(strike.__name__)
            await eventually(lambda: len(sums) == 1 and len(seen) == 1)
            postgres.start()
            await eventually(lambda: len(sums) == 0 and len(seen) == 0, within_seconds=15)
    await database.close()
    assert counted(postgres.url) == {
        ("site", "taken"): 21,
        ("kill", "seen"): 1,
        ("stop_immediately", "seen"): 1,
    }


async def test_a_full_book_gives_up_what_comes_then_and_counts_it(
    database: Database, migrated_url: str, registry: CollectorRegistry
) -> None:
    books = Books(database, BookInstruments(registry))
    seen: Book[str] = books.book("seen", note, max_entries=3, max_bytes=100)
    sums: Sums[DoorKey] = books.sums("counts", add_door_counts, max_entries=1)
    assert [seen.note(name, size_bytes=size) for name, size in (("a", 60), ("b", 60), ("c", 40))] == [True, False, True]
    assert [sums.add(key("x"), 2), sums.add(key("y"), 5), sums.add(key("x"), 4)] == [True, False, True]
    assert await books.write_all()
    assert counted(migrated_url) == {("a", "seen"): 1, ("c", "seen"): 1, ("x", "taken"): 6}
    assert (lost(registry, "seen", "full"), lost(registry, "counts", "full")) == (1, 5)
    assert seen.note("d", size_bytes=90), "what is written no longer takes room"


async def test_an_entry_that_no_database_takes_is_given_up_alone(
    database: Database, migrated_url: str, registry: CollectorRegistry
) -> None:
    books = Books(database, BookInstruments(registry))
    seen: Book[str] = books.book("seen", note)
    for name in ("a", "nul\x00", "b", "half \ud800", "c", "a", "d"):
        seen.note(name)
    assert await books.write_all()
    assert sorted(sender for sender, _ in counted(migrated_url)) == ["a", "b", "c", "d"]
    assert lost(registry, "seen", "refused") == 3


async def test_a_table_that_is_not_there_yet_is_no_fault_of_an_entry(
    database_url: str, registry: CollectorRegistry
) -> None:
    database = Database(database_url, schema="capture")
    books = Books(database, BookInstruments(registry))
    seen: Book[str] = books.book("seen", note)
    seen.note("a")
    assert not await books.write_all()
    assert len(seen) == 1
    assert lost(registry, "seen", "refused") == 0
    await database.close()


async def test_a_process_ends_within_its_grace_while_the_database_hangs(
    postgres: FaultyPostgres, registry: CollectorRegistry
) -> None:
    database = Database(postgres.url, schema="capture")
    books = Books(database, BookInstruments(registry))
    seen: Book[str] = books.book("seen", note)
    async with books.kept(0.5):
        await database.ping()
        postgres.pause()
        seen.note("a")
        seen.note("b")
        started = time.monotonic()
    assert time.monotonic() - started < 3
    assert lost(registry, "seen", "shutdown") == 2
    postgres.resume()
    await database.close()


async def test_without_a_database_nothing_is_kept_and_nothing_complains(registry: CollectorRegistry) -> None:
    books = Books(None, BookInstruments(registry))
    seen: Book[str] = books.book("seen", note)
    sums: Sums[DoorKey] = books.sums("counts", add_door_counts)
    async with books.kept(1):
        assert not seen.note("a")
        assert not sums.add(key())
    assert lost(registry, "seen", "full") == 0
