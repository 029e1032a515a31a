"""What the delivery pattern does where the log, the database or a record is not what it should be."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import httpx
import orjson
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy import event
from sqlalchemy.engine import Connection

from shared.kit import problems
from shared.kit.background import running
from shared.kit.database import Database, Transaction
from shared.kit.dead_letters import Budget, DeadLetter, keep
from shared.kit.dead_letters_api import router
from shared.kit.instruments import OutboxInstruments, ProducerInstruments
from shared.kit.processing import BatchProcessor
from shared.kit.producer import Producer
from shared.kit.relay import Relay
from tests.integration.kit.conftest import Ping, Toy, ping
from tests.support.patience import eventually

BUDGET = Budget(100, timedelta(minutes=10))


@dataclass(frozen=True)
class Raw:
    """A record as the Kafka client hands it out."""

    offset: int
    value: bytes | None
    timestamp: int | None = 1_700_000_000_000
    topic: str = "toys"
    partition: int = 0
    key: bytes | None = b"k"
    headers: tuple[tuple[str, bytes | None], ...] = field(default=())


def processor(toy: Toy, database: Database) -> BatchProcessor:
    return BatchProcessor(database, {"toys": Ping.model_validate_json}, toy.handle, BUDGET)


@pytest.mark.parametrize("timestamp", [None, -1, -(2**63), 2**63 - 1, 253_402_300_800_000])
async def test_a_timestamp_that_is_no_time_stops_nothing(toy: Toy, timestamp: int | None) -> None:
    database = toy.database()
    batch = [Raw(0, ping(0)), Raw(1, ping(1), timestamp), Raw(2, b"{", timestamp)]
    _, tallies = await processor(toy, database).process(batch)
    await database.close()
    assert (tallies["toys", 0].facts, tallies["toys", 0].dead_lettered) == (2, 1)


async def test_a_nul_in_the_name_of_a_field_at_fault_is_kept_from_the_dead_letter(toy: Toy) -> None:
    database = toy.database()
    letter = DeadLetter("toys", 0, 0, 0, None, b"{", (), None, "parse", "invalid", "as_sent.a\x00b: string_type")
    async with database.transaction() as transaction:
        await keep(transaction, [letter], BUDGET)
    (row,) = await database.rows("SELECT detail FROM toy.dead_letters")
    await database.close()
    assert row.detail == "as_sent.a\ufffdb: string_type"


async def forget_positions(toy: Toy) -> None:
    database = toy.database()
    async with database.transaction() as transaction:
        await transaction.execute("DELETE FROM toy.consumer_offsets")
        await transaction.execute("DELETE FROM toy.facts")
    await database.close()


async def facts(toy: Toy) -> int:
    return (await toy.ledger())["facts"]


@pytest.mark.parametrize("more", [0, 1])
async def test_a_database_that_never_saw_a_partition_begins_where_the_log_does(toy: Toy, more: int) -> None:
    await toy.send(*(ping(n) for n in range(10)))

    async def all_of(wanted: int) -> bool:
        return await facts(toy) == wanted

    async with toy.consuming():  # it leaves its place in Kafka when it ends
        await eventually(lambda: all_of(10))
    await forget_positions(toy)
    await toy.send(*(ping(10 + n) for n in range(more)))
    async with toy.consuming() as consumer:
        await eventually(lambda: all_of(10 + more))
        assert consumer.stopped is None


async def test_a_record_first_seen_in_the_middle_of_the_log_is_not_where_it_begins(toy: Toy) -> None:
    async def beginnings(places: object) -> dict[tuple[str, int], int]:
        return {("toys", 0): 3}

    database = toy.database()
    fenced = BatchProcessor(database, {"toys": Ping.model_validate_json}, toy.handle, BUDGET, beginnings)
    claim, _ = await fenced.process([Raw(7, ping(7))])
    assert (claim.take, claim.seek_back) == ([], {("toys", 0): 3})
    claim, _ = await fenced.process([Raw(n, ping(n)) for n in range(3, 8)])
    await database.close()
    assert len(claim.take) == 5


async def test_a_restored_database_reads_the_log_again_though_nothing_new_arrives(toy: Toy) -> None:
    await toy.send(*(ping(n) for n in range(10)))

    async def all_ten() -> bool:
        return await facts(toy) == 10

    async with toy.consuming():
        await eventually(all_ten)
    database = toy.database()
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE toy.consumer_offsets SET next_offset = 4, facts = 4")
        await transaction.execute("DELETE FROM toy.facts WHERE number >= 4")
    await database.close()
    async with toy.consuming():
        await eventually(all_ten)


async def test_a_commit_that_broke_after_it_was_done_is_not_done_again(toy: Toy) -> None:
    database = toy.database()
    breaks = iter([True])

    def commit_and_break(connection: Connection) -> None:
        if next(breaks, False):
            connection.connection.commit()
            raise psycopg.OperationalError("the connection broke")

    event.listen(database.engine.sync_engine, "commit", commit_and_break)

    async def work(transaction: Transaction) -> int:
        await transaction.execute("INSERT INTO toy.facts SELECT 'e' || count(*), 'k', 1, '' FROM toy.facts")
        return 7

    assert await database.run(work) == 7
    (row,) = await database.rows("SELECT count(*) AS n FROM toy.facts")
    await database.close()
    assert row.n == 1


async def test_a_commit_that_broke_before_it_was_done_is_done_again(toy: Toy) -> None:
    database = toy.database()
    breaks = iter([True])

    def roll_back_and_break(connection: Connection) -> None:
        if next(breaks, False):
            connection.connection.rollback()
            raise psycopg.OperationalError("the connection broke")

    event.listen(database.engine.sync_engine, "commit", roll_back_and_break)

    async def work(transaction: Transaction) -> None:
        await transaction.execute("INSERT INTO toy.facts SELECT 'e' || count(*), 'k', 1, '' FROM toy.facts")

    await database.run(work)
    (row,) = await database.rows("SELECT count(*) AS n FROM toy.facts")
    await database.close()
    assert row.n == 1


async def test_a_backlog_larger_than_may_be_in_flight_leaves_in_order(toy: Toy) -> None:
    database = toy.database()
    for row in range(23):
        async with database.transaction() as transaction:
            for place in range(1_000):
                transaction.announce(f"{toy.topic}-out", "k", b"%d" % (1_000 * row + place))
    producer = Producer(toy.bootstrap, instruments=ProducerInstruments(CollectorRegistry()))
    relay = Relay(database, producer, OutboxInstruments(CollectorRegistry()))
    await producer.start()

    async def drained() -> bool:
        return bool((await database.rows("SELECT count(*) AS n FROM toy.outbox"))[0].n == 0)

    async with running(relay.run(), "relay"):
        await eventually(drained, within_seconds=20)
    await producer.stop()
    await database.close()
    reader = AIOKafkaConsumer(f"{toy.topic}-out", bootstrap_servers=toy.bootstrap, auto_offset_reset="earliest")
    await reader.start()
    found: list[int] = []
    while len(found) < 23_000:
        for records in (await reader.getmany(timeout_ms=5_000)).values():
            found += [int(record.value) for record in records]
    await reader.stop()
    assert found == list(range(23_000))


async def test_a_redrive_waits_for_the_consumer_before_it_holds_anything_else(toy: Toy) -> None:
    database = toy.database()
    bad = orjson.dumps({"event_id": "e1", "key": "k", "number": 2**40})
    consumer = replace(toy, topic="toys").consumer(database)
    await processor(toy, database).process([Raw(0, ping(0)), Raw(1, bad)])
    app = FastAPI()
    app.state.database, app.state.consumer = database, consumer
    problems.install(app)
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://toy") as http:
        (letter,) = (await http.get("/v1/dead-letters")).json()["items"]
        path = f"/v1/dead-letters/{letter['id']}:redrive"
        assert (await http.post(path)).status_code == 409
        async with database.transaction() as transaction:
            await transaction.execute("SELECT 1 FROM toy.consumer_offsets FOR UPDATE")
            redriving = asyncio.create_task(http.post(path, json={"value": ping(1).decode()}))
            await eventually(lambda: somebody_waits(database))
            await transaction.execute("SELECT 1 FROM toy.dead_letters FOR UPDATE NOWAIT")
        answers = [await redriving, await http.post(path)]
    ledger = await toy.ledger()
    await database.close()
    assert [answer.status_code for answer in answers] == [200, 409]
    assert ledger == {"records": 2, "facts": 2, "duplicates": 0, "dead": 0, "stored": 2, "letters": 0}


async def somebody_waits(database: Database) -> bool:
    rows = await database.rows("SELECT count(*) AS n FROM pg_locks WHERE NOT granted")
    return bool(rows[0].n)
