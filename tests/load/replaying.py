"""What pipeline's statements take by themselves: the very ones that it issues for its batches, with the same rows and messages, one
after the other by the same client over a database of its own. Nothing is read from the log, parsed, decided or told on."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import uvloop
from confluent_kafka import Consumer, TopicPartition
from sqlalchemy import CursorResult, Executable, Row

from services.pipeline.app import CONSUMES
from services.pipeline.handlers import Handlers
from services.pipeline.instruments import PipelineInstruments
from shared.contracts.policy import Policy
from shared.contracts.topics import CAPTURE_LEADS, SCORING_SCORES
from shared.kit.copying import OPTIONS, as_csv
from shared.kit.database import Database, Transaction, as_json
from shared.kit.dead_letters import Budget
from shared.kit.documents import read_yaml
from shared.kit.frames import compressed, pack
from shared.kit.instruments import new_registry
from shared.kit.processing import BatchProcessor
from tests.load.stage import PARTITIONS, Stage

AT_ONCE = 1000
WARM_UP = 0.2
SECRET = b"only-for-tests-only-for-tests"


class Raw(NamedTuple):
    """A record as the Kafka client hands it out."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int


class Told(NamedTuple):
    """One call of a transaction: by which method, with which statement or table, rows and parameters."""

    how: str
    what: Any
    rows: Any
    parameters: Any


class Recording(Transaction):
    """Notes what it is told."""

    def __init__(self, *circumstances: Any) -> None:
        super().__init__(*circumstances)
        self.told: list[Told] = []

    async def execute(
        self, statement: Executable | str, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        self.told.append(Told("execute", statement, None, parameters))
        return await super().execute(statement, parameters)

    async def rows(self, sql: str, **parameters: Any) -> list[Row[Any]]:
        self.told.append(Told("rows", sql, None, parameters))
        return await super().rows(sql, **parameters)

    async def set_wise(self, sql: str, rows: Sequence[Mapping[str, Any]], **parameters: Any) -> list[Row[Any]]:
        self.told.append(Told("set_wise", sql, list(rows), parameters))
        return await super().set_wise(sql, rows, **parameters)

    async def copy(self, table: str, columns: Iterable[str], rows: Sequence[Sequence[Any]]) -> None:
        self.told.append(Told("copy", table, list(rows), tuple(columns)))
        await super().copy(table, columns, rows)


class RecordingDatabase(Database):
    """Keeps what each of its transactions was told."""

    def __init__(self, url: str) -> None:
        super().__init__(url, schema="pipeline")
        self.batches: list[list[Told]] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self.engine.connect() as connection, connection.begin():
            transaction = Recording(connection, self.schema, self.clock.now())
            yield transaction
            self.batches.append([*transaction.told, Told("announce", None, transaction.announced, None)])
            await transaction.append_outbox()


@dataclass(frozen=True, slots=True)
class Alone:
    """Microseconds of processor for each event, this process and the database together: of the handler, of its statements by the
    same client, and of these by the driver alone, encoded already."""

    handled: float
    stated: float
    encoded: float
    statements: float


def alone(stage: Stage, policy_file: Path) -> Alone:
    """The handler over the records that lie in the log, and its statements without it."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_alone(stage, read_yaml(policy_file, Policy), batches_of(stage)))


async def _alone(stage: Stage, policy: Policy, batches: Sequence[Sequence[Raw]]) -> Alone:
    recording = RecordingDatabase(stage.databases.migrated())
    await _each(batches, _handler(recording, policy).process)
    await recording.close()
    told = recording.batches
    meter = Meter(stage, [len(batch) for batch in batches])
    handling = Database(stage.databases.migrated(), schema="pipeline")
    handled = await meter.of(batches, _handler(handling, policy).process)
    await handling.close()
    stating = Database(stage.databases.migrated(), schema="pipeline")
    stated = await meter.of(told, lambda batch: _state(stating, batch))
    await stating.close()
    with psycopg.connect(stage.databases.migrated(), prepare_threshold=3, options=SETTINGS) as connection:
        ready = [[_encoded(one) for one in batch if one.rows != []] for batch in told]

        async def run(batch: Sequence[tuple[str, Any]]) -> None:
            _run(connection, batch)

        encoded = await meter.of(ready, run)
    return Alone(handled, stated, encoded, sum(map(len, ready)) / len(ready))


OUTBOX = "INSERT INTO pipeline.outbox (messages, frame) VALUES (%(messages)s, %(frame)s)"
SETTINGS = "-c jit=off -c plan_cache_mode=force_custom_plan -c timezone=UTC"


class Meter:
    """Processor time of this process and of the database for each event, of what comes after the warm-up."""

    def __init__(self, stage: Stage, sizes: Sequence[int]) -> None:
        self._stage = stage
        self._sizes = sizes

    async def of(self, batches: Sequence[Any], do: Callable[[Any], Any]) -> float:
        """What doing each batch takes."""
        warm = int(len(batches) * WARM_UP)
        await _each(batches[:warm], do)
        thresholds = gc.get_threshold()
        gc.collect()
        gc.freeze()  # as a service does after its start
        gc.set_threshold(50_000, 10, 10)
        before = self._spent()
        await _each(batches[warm:], do)
        gc.set_threshold(*thresholds)
        return (self._spent() - before) / sum(self._sizes[warm:]) * 1e6

    def _spent(self) -> float:
        return self._stage.processor_seconds()["postgres"] + time.process_time()


async def _each(batches: Iterable[Any], do: Callable[[Any], Any]) -> None:
    for batch in batches:
        await do(batch)


async def _state(database: Database, batch: Iterable[Told]) -> None:
    async with database.transaction() as transaction:
        for how, what, rows, parameters in batch:
            match how:
                case "announce":
                    transaction.announced += rows
                case "copy":
                    await transaction.copy(what, parameters, rows)
                case "set_wise":
                    await transaction.set_wise(what, rows, **parameters)
                case "rows":
                    await transaction.rows(what, **parameters)
                case _:
                    await transaction.execute(what, parameters)


def _encoded(told: Told) -> tuple[str, Any]:
    """As the driver takes it."""
    if told.how == "announce":
        frame = compressed(pack(told.rows))
        return OUTBOX, {"messages": len(told.rows), "frame": frame}
    if told.how == "copy":
        return f"COPY {told.what} ({', '.join(told.parameters)}) FROM STDIN ({OPTIONS})", as_csv(told.rows)
    parameters = dict(told.parameters or {})
    if told.rows is not None:
        parameters["rows"] = as_json(told.rows)
    statement = str(told.what)
    for name in sorted(parameters, key=len, reverse=True):
        statement = statement.replace(f":{name}", f"%({name})s")
    return statement, parameters


def _run(connection: psycopg.Connection, batch: Iterable[tuple[str, Any]]) -> None:
    with connection.cursor() as cursor:
        for statement, given in batch:
            if isinstance(given, bytes):
                with cursor.copy(statement.encode()) as copy:
                    copy.write(given)
                continue
            cursor.execute(statement.encode(), given)
            if cursor.description:
                cursor.fetchall()
    connection.commit()


def _handler(database: Database, policy: Policy) -> BatchProcessor:
    routes = {event: handle for topic in CONSUMES.values() for event, handle in topic.items()}
    handlers = Handlers(policy, SECRET, PipelineInstruments(new_registry("pipeline")), routes)

    async def beginnings(places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return dict.fromkeys(places, 0)

    parse = {topic.name: topic.parse for topic in CONSUMES}
    return BatchProcessor(database, parse, handlers.handle, Budget(1000, timedelta(hours=1)), beginnings)


def batches_of(stage: Stage) -> list[list[Raw]]:
    """The log of captured leads and scores in batches as large as the service takes, each partition's share of each in turn: no score
    before its lead."""
    logs = [
        _records(stage, topic, one) for one in range(PARTITIONS) for topic in (CAPTURE_LEADS.name, SCORING_SCORES.name)
    ]
    number = max(1, sum(map(len, logs)) // AT_ONCE)
    return [
        [one for log in logs for one in log[len(log) * at // number : len(log) * (at + 1) // number]]
        for at in range(number)
    ]


def _records(stage: Stage, topic: str, partition: int) -> list[Raw]:
    consumer = Consumer({"bootstrap.servers": stage.bootstrap, "group.id": "bench", "enable.auto.commit": False})
    place = TopicPartition(topic, partition)
    low, high = consumer.get_watermark_offsets(place, timeout=10)
    consumer.assign([TopicPartition(topic, partition, low)])
    found: list[Raw] = []
    while len(found) < high - low:
        found += [
            Raw(topic, partition, one.offset() or 0, one.key(), one.value() or b"", (), one.timestamp()[1])
            for one in consumer.consume(AT_ONCE, timeout=5)
        ]
    consumer.close()
    return found
