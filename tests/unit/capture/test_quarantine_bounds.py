"""What is kept of what cannot be taken has bounds: for everybody, for what anybody can send, and for one statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.capture.bookkeeping import MAX_AT_ONCE, MAX_BYTES_AT_ONCE, Book, Books
from services.capture.domain import Submission
from services.capture.instruments import BookInstruments, QuarantineInstruments
from services.capture.quarantine import MAX_ANYBODYS_BYTES, Quarantine, Sent
from shared.kit.database import Database, Transaction
from shared.kit.errors import Rejected
from shared.kit.ids import new_id
from tests.unit.capture.fakes import NOW

ROOM = 100_000
Keeps = Callable[..., bool]


@pytest.fixture
def keeps() -> Keeps:
    """Whether a quarantine with little room keeps a payload; its database is away."""
    registry = CollectorRegistry()
    database = Database("postgresql://nobody@127.0.0.1:9/none", schema="capture")
    books = Books(database, BookInstruments(registry))
    quarantine = Quarantine(books, QuarantineInstruments(registry), new_id, max_bytes=ROOM)

    def keep(size: int, *, anybody: bool) -> bool:
        sent = Sent("lead", b"x" * size, Submission("site", False, NOW), None, anybody)
        return "quarantine_id" in quarantine.keep(sent, Rejected("name is a list."), "invalid").extra

    return keep


def test_what_anybody_sends_takes_a_tenth_of_the_room_and_leaves_the_rest_to_senders(keeps: Keeps) -> None:
    kept = [keeps(1_000, anybody=True) for _ in range(50)]
    assert kept == [True] * 10 + [False] * 40
    assert [keeps(10_000, anybody=False) for _ in range(10)] == [True] * 9 + [False]


def test_once_senders_have_filled_a_tenth_nobody_else_is_kept(keeps: Keeps) -> None:
    assert keeps(ROOM // 10, anybody=False)
    assert not keeps(1, anybody=True)


def test_what_anybody_sends_is_kept_up_to_a_size(keeps: Keeps) -> None:
    assert keeps(MAX_ANYBODYS_BYTES, anybody=True)
    assert not keeps(MAX_ANYBODYS_BYTES + 1, anybody=True)


@pytest.mark.parametrize(
    ("sizes", "taken"),
    [
        ([10] * 2_000, [MAX_AT_ONCE, 1_000]),
        ([MAX_BYTES_AT_ONCE // 4] * 9, [4, 4, 1]),
        ([3 * MAX_BYTES_AT_ONCE, 10, 10], [1, 2]),
        ([10, 3 * MAX_BYTES_AT_ONCE, 10], [1, 1, 1]),
        ([0] * 3, [3]),
    ],
)
def test_a_book_is_written_so_much_at_a_time_as_holds_nobody_up(sizes: list[int], taken: list[int]) -> None:
    async def write(_: Transaction, entries: Sequence[Any]) -> None:
        raise AssertionError(entries)

    book = Book(
        "some", write, BookInstruments(CollectorRegistry()), max_entries=10_000, max_bytes=1 << 30, hurry=lambda: None
    )
    for place, size in enumerate(sizes):
        assert book.note(place, size_bytes=size)
    every: list[int] = []
    for count in taken:
        some = book.take(MAX_AT_ONCE)
        every += [entry for entry, _ in some]
        assert len(some) == count
    assert every == list(range(len(sizes)))
    assert book.take(MAX_AT_ONCE) == []
