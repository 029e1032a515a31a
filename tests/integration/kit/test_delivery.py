"""The delivery pattern on a real broker and a real PostgreSQL: once, in order, whatever comes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaConsumer
from prometheus_client import CollectorRegistry

from shared.kit.background import running
from shared.kit.errors import Retryable
from shared.kit.instruments import OutboxInstruments, ProducerInstruments
from shared.kit.producer import Producer
from shared.kit.records import Record
from shared.kit.relay import Relay
from shared.kit.watchdog import Watchdog
from tests.integration.kit.conftest import Toy, ping
from tests.support.patience import eventually


def done(toy: Toy, records: int):  # type: ignore[no-untyped-def]
    """A check that so many records are behind this toy; its answer is the ledger."""

    async def check() -> dict[str, int] | None:
        ledger = await toy.ledger()
        return ledger if ledger["records"] >= records else None

    return check


async def test_every_record_becomes_one_fact_and_the_ledger_says_so(toy: Toy) -> None:
    await toy.send(*(ping(n) for n in range(50)))
    async with toy.consuming():
        ledger = await eventually(done(toy, 50))
    assert ledger == {"records": 50, "facts": 50, "duplicates": 0, "dead": 0, "stored": 50, "letters": 0}


async def test_a_redelivered_record_changes_nothing(toy: Toy) -> None:
    await toy.send(*(ping(n) for n in range(10)))
    async with toy.consuming():
        await eventually(done(toy, 10))
    toy.group += "-again"  # a group without committed offsets reads everything once more
    await toy.send(ping(10))
    async with toy.consuming():
        ledger = await eventually(done(toy, 11))
    assert ledger == {"records": 11, "facts": 11, "duplicates": 0, "dead": 0, "stored": 11, "letters": 0}


async def test_the_same_event_sent_twice_is_one_fact_and_one_duplicate(toy: Toy) -> None:
    await toy.send(ping(1), ping(1), ping(2))
    async with toy.consuming():
        ledger = await eventually(done(toy, 3))
    assert (ledger["facts"], ledger["duplicates"], ledger["stored"]) == (2, 1, 2)


POISON = {
    "not json": b"{",
    "not an object": b"[]",
    "wrong type": b'{"event_id": "x", "key": "k", "number": "many"}',
    "invalid utf-8": b'{"event_id": "\xff", "key": "k", "number": 1}',
    "a lone surrogate": b'{"event_id": "\\ud800", "key": "k", "number": 1}',
    "a NUL, which only the database refuses": ping(99, text="a\x00b"),
    "a number beyond the column, which only the database refuses": ping(2**40),
    "empty": b"",
    "deep nesting": b"[" * 20_000,
}


@pytest.mark.parametrize("bad", POISON.values(), ids=POISON.keys())
async def test_a_poison_record_is_dead_lettered_alone_with_its_original_bytes(toy: Toy, bad: bytes) -> None:
    await toy.send(ping(1), ping(2), bad, ping(3))
    async with toy.consuming():
        ledger = await eventually(done(toy, 4))
    assert ledger == {"records": 4, "facts": 3, "duplicates": 0, "dead": 1, "stored": 3, "letters": 1}
    database = toy.database()
    (row,) = await database.rows("SELECT value, record_offset, detail FROM toy.dead_letters")
    await database.close()
    assert (bytes(row.value or b""), row.record_offset) == (bad, 2)
    assert "\x00" not in row.detail


async def test_a_dead_letter_keeps_the_bytes_of_the_record_that_is_at_its_place_now(toy: Toy) -> None:
    await toy.send(b"not json")
    async with toy.consuming():
        await eventually(done(toy, 1))
    database = toy.database()
    async with database.transaction() as transaction:  # as after a topic was created anew, and its positions forgotten
        await transaction.execute("UPDATE toy.dead_letters SET value = 'what another log had here'")
        await transaction.execute("DELETE FROM toy.consumer_offsets")
    async with toy.consuming():
        await eventually(done(toy, 1))
    rows = await database.rows("SELECT value FROM toy.dead_letters")
    await database.close()
    assert [bytes(row.value) for row in rows] == [b"not json"]


async def test_headers_that_are_not_text_do_no_harm(toy: Toy) -> None:
    await toy.send(ping(1), headers=[("trace", b"\xff\xfe"), *((f"h{n}", b"x") for n in range(200))])
    async with toy.consuming():
        ledger = await eventually(done(toy, 1))
    assert ledger["facts"] == 1


@pytest.mark.parametrize("bad", [b"{", ping(2**40)], ids=["unreadable", "refused by the database"])
async def test_more_dead_letters_than_the_budget_stop_the_consumer_before_the_first_that_is_over(
    toy: Toy, bad: bytes
) -> None:
    await toy.send(ping(1), *([bad] * 4), ping(2), bad, ping(3), bad, ping(4))
    async with toy.consuming() as consumer:
        await eventually(lambda: consumer.stopped)
        ledger = await toy.ledger()
    assert "budget" in str(consumer.stopped)
    assert ledger == {"records": 8, "facts": 3, "duplicates": 0, "dead": 5, "stored": 3, "letters": 5}


async def test_a_consumer_that_its_budget_stopped_goes_on_when_half_of_it_is_settled(toy: Toy) -> None:
    await toy.send(*([b"{"] * 6), ping(1))
    database = toy.database()
    async with toy.consuming() as consumer:
        await eventually(lambda: consumer.stopped)
        async with database.transaction() as transaction:
            await transaction.execute("UPDATE toy.dead_letters SET status = 'dropped' WHERE record_offset < 3")
        ledger = await eventually(done(toy, 7))
        assert consumer.stopped is None
    await database.close()
    assert ledger == {"records": 7, "facts": 1, "duplicates": 0, "dead": 6, "stored": 1, "letters": 3}


async def test_a_consumer_that_its_budget_stopped_goes_on_when_the_window_has_passed(toy: Toy) -> None:
    await toy.send(*([b"{"] * 6), ping(1))
    database = toy.database()
    async with toy.consuming() as consumer:
        await eventually(lambda: consumer.stopped)
        async with database.transaction() as transaction:
            await transaction.execute("UPDATE toy.dead_letters SET recorded_at = recorded_at - interval '11 minutes'")
        await eventually(done(toy, 7))
        assert consumer.stopped is None
    await database.close()


async def test_a_consumer_that_something_else_stopped_does_not_go_on_by_itself(toy: Toy) -> None:
    await toy.send(*([b"{"] * 6), ping(1))
    database = toy.database()
    async with toy.consuming() as consumer:
        await eventually(lambda: consumer.stopped)
        consumer.halt("a contradiction")
        async with database.transaction() as transaction:
            await transaction.execute("UPDATE toy.dead_letters SET status = 'dropped'")
        with pytest.raises(TimeoutError):
            await eventually(done(toy, 7), within_seconds=2.5)
        assert consumer.stopped == "a contradiction"
    await database.close()


async def test_an_error_that_passes_is_waited_out_and_never_becomes_a_dead_letter(toy: Toy) -> None:
    outages = iter([Retryable("away"), ConnectionRefusedError(), TimeoutError()])

    def before(_: Sequence[Record]) -> None:
        for error in outages:
            raise error

    toy.before = before
    await toy.send(*(ping(n) for n in range(5)))
    async with toy.consuming() as consumer:
        ledger = await eventually(done(toy, 5))
        assert consumer.waiting_since is None
    assert ledger == {"records": 5, "facts": 5, "duplicates": 0, "dead": 0, "stored": 5, "letters": 0}


async def test_a_database_restored_to_an_earlier_moment_reads_the_log_again(toy: Toy) -> None:
    await toy.send(*(ping(n) for n in range(10)))
    async with toy.consuming():
        await eventually(done(toy, 10))
    database = toy.database()
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE toy.consumer_offsets SET next_offset = 4, facts = 4")
        await transaction.execute("DELETE FROM toy.facts WHERE number >= 4")
    await database.close()
    await toy.send(ping(10))
    async with toy.consuming() as consumer:
        ledger = await eventually(done(toy, 11))
        assert consumer.stopped is None
    assert (ledger["facts"], ledger["stored"]) == (11, 11)


async def test_a_log_that_ends_before_the_stored_offset_stops_the_consumer(toy: Toy) -> None:
    await toy.send(*(ping(n) for n in range(3)))
    async with toy.consuming():
        await eventually(done(toy, 3))
    database = toy.database()
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE toy.consumer_offsets SET next_offset = 400")
    async with toy.consuming() as consumer:
        watchdog = Watchdog(consumer, database, toy.bootstrap, stall_timeout_seconds=30)
        async with running(watchdog.run(), "watchdog"):
            await eventually(lambda: consumer.stopped)
    await database.close()
    assert "the log ends at 3" in str(consumer.stopped)


async def test_what_a_transaction_announces_reaches_the_log_in_order_and_leaves_the_outbox_empty(toy: Toy) -> None:
    await toy.send(*(ping(n) for n in range(30)))
    database = toy.database()
    producer = Producer(toy.bootstrap, instruments=ProducerInstruments(CollectorRegistry()))
    relay = Relay(database, producer, OutboxInstruments(CollectorRegistry()))
    await producer.start()
    reader = AIOKafkaConsumer(f"{toy.topic}-out", bootstrap_servers=toy.bootstrap, auto_offset_reset="earliest")
    await reader.start()
    try:
        async with running(relay.run(), "relay"), toy.consuming():
            values = [(await reader.getone()).value for _ in range(30)]
            assert values == [ping(n) for n in range(30)]

            async def drained() -> bool:
                return bool((await database.rows("SELECT count(*) AS n FROM toy.outbox"))[0].n == 0)

            await eventually(drained)
    finally:
        await reader.stop()
        await producer.stop()
        await database.close()
