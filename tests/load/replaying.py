"""What a service's statements take by themselves: the very ones that it issues for its batches, with the same rows and messages, one
after the other by the same client over a database of its own. Nothing is read from the log, parsed, decided or told on."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import psycopg
import uvloop
from confluent_kafka import Consumer, TopicPartition
from sqlalchemy import CursorResult, Executable, Row

from services.metrics import app as metrics_app
from services.metrics import handlers as metrics_handlers
from services.pipeline import app as pipeline_app
from services.pipeline import handlers as pipeline_handlers
from services.pipeline.instruments import PipelineInstruments
from shared.contracts.envelope import Event
from shared.contracts.policy import Policy
from shared.contracts.topics import CAPTURE_LEADS, PIPELINE_LIFECYCLE, SCORING_SCORES, Topic
from shared.kit.app import settled_memory
from shared.kit.copying import OPTIONS, as_csv
from shared.kit.database import Database, Transaction, as_json
from shared.kit.dead_letters import Budget
from shared.kit.frames import compressed, pack
from shared.kit.instruments import new_registry
from shared.kit.processing import BatchProcessor, Handle
from tests.load.passing import passing
from tests.load.stage import PARTITIONS, Stage

AT_ONCE = 1000
WARM_UP = 0.2
SECRET = b"only-for-tests-only-for-tests"


@dataclass(frozen=True, slots=True)
class Service:
    """One whose handler is held against its statements: what it reads, and what it does with a batch, anew for each database."""

    name: str
    consumes: Mapping[Topic, Mapping[type[Event], Any]]
    reads: tuple[Topic, ...]
    handle: Callable[[], Handle]

    def processor(self, database: Database) -> BatchProcessor:
        """Batches of its log into transactions on this database."""

        async def beginnings(places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
            return dict.fromkeys(places, 0)

        parse = {topic.name: topic.parse for topic in self.consumes}
        return BatchProcessor(database, parse, self.handle(), Budget(1000, timedelta(hours=1)), beginnings)

    def database(self, url: str) -> Database:
        """Where it works."""
        return Database(url, schema=self.name)


def pipeline(policy: Policy) -> Service:
    """Pipeline by a policy."""
    routes = {event: handle for topic in pipeline_app.CONSUMES.values() for event, handle in topic.items()}

    def handle() -> Handle:
        instruments = PipelineInstruments(new_registry("pipeline"))
        return pipeline_handlers.Handlers(policy, SECRET, instruments, routes).handle

    return Service("pipeline", pipeline_app.CONSUMES, (CAPTURE_LEADS, SCORING_SCORES), handle)


def metrics(policy: Policy) -> Service:
    """Metrics by a policy."""
    routes = {event: handle for topic in metrics_app.CONSUMES.values() for event, handle in topic.items()}

    def handle() -> Handle:
        return metrics_handlers.Handlers(policy.unit, routes).handle

    return Service("metrics", metrics_app.CONSUMES, (PIPELINE_LIFECYCLE,), handle)


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

    def __init__(self, url: str, schema: str) -> None:
        super().__init__(url, schema=schema)
        self.batches: list[list[Told]] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self.engine.connect() as connection, connection.begin():
            transaction = Recording(connection, self.schema, self.clock.now())
            yield transaction
            self.batches.append([*transaction.told, Told("announce", None, transaction.announced, None)])
            await transaction.append_outbox()
        for do in transaction.afterwards:
            do()


@dataclass(frozen=True, slots=True)
class Alone:
    """Microseconds of processor for each event, this process and the database together: of the handler, of its statements by the
    same client, of these by the driver alone, encoded already; and of the statements between the log and the relay, where that was
    asked for."""

    handled: float
    stated: float
    encoded: float
    statements: float
    passed: float | None


def alone(stage: Stage, service: Service, *, with_the_log: bool = False) -> Alone:
    """The handler over the records that lie in the log, and its statements without it."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_alone(stage, service, batches_of(stage, service.reads), with_the_log=with_the_log))


async def _alone(stage: Stage, service: Service, batches: Sequence[Sequence[Raw]], *, with_the_log: bool) -> Alone:
    meter = Meter(stage, [len(batch) for batch in batches])
    handling = service.database(stage.databases.migrated())
    handled = await meter.of(
        batches, service.processor(handling).process
    )  # first: no service has all it said in memory
    await handling.close()
    recording = RecordingDatabase(stage.databases.migrated(), service.name)
    await each(batches, service.processor(recording).process)
    await recording.close()
    told = recording.batches
    stating = service.database(stage.databases.migrated())
    stated = await meter.of(told, lambda batch: _state(stating, batch))
    await stating.close()
    passed = await _passed(stage, service, meter, told) if with_the_log else None
    with psycopg.connect(stage.databases.migrated(), prepare_threshold=3, options=SETTINGS) as connection:
        ready = [[_encoded(one, service.name) for one in batch if one.rows != []] for batch in told]

        async def run(batch: Sequence[tuple[str, Any]]) -> None:
            _run(connection, batch)

        encoded = await meter.of(ready, run)
    return Alone(handled, stated, encoded, sum(map(len, ready)) / len(ready), passed)


async def _passed(stage: Stage, service: Service, meter: Meter, told: Sequence[Sequence[Told]]) -> float:
    """What the statements take between the log, of which as many records are read before each batch, and the relay."""
    database = service.database(stage.databases.migrated())
    async with passing(stage, database, service.reads) as (read, all_told):

        async def do(batch: tuple[int, Sequence[Told]]) -> None:
            await read(batch[0])
            await _state(database, batch[1])

        spent = await meter.of(list(zip(meter.sizes, told, strict=True)), do, all_told)
    await database.close()
    return spent


SETTINGS = "-c jit=off -c plan_cache_mode=force_custom_plan -c timezone=UTC"


class Meter:
    """Processor time of this process and of the database for each event, of what comes after the warm-up."""

    def __init__(self, stage: Stage, sizes: Sequence[int]) -> None:
        self._stage = stage
        self.sizes = sizes

    async def of(
        self, batches: Sequence[Any], do: Callable[[Any], Any], then: Callable[[], Awaitable[None]] | None = None
    ) -> float:
        """What doing each batch takes, and what comes after the last."""
        warm = int(len(batches) * WARM_UP)
        await each(batches[:warm], do)
        with settled_memory():
            before = self._spent()
            await each(batches[warm:], do)
            if then is not None:
                await then()
            return (self._spent() - before) / sum(self.sizes[warm:]) * 1e6

    def _spent(self) -> float:
        return self._stage.processor_seconds()["postgres"] + time.process_time()


async def each(batches: Iterable[Any], do: Callable[[Any], Any]) -> None:
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


def _encoded(told: Told, schema: str) -> tuple[str, Any]:
    """As the driver takes it."""
    if told.how == "announce":
        frame = compressed(pack(told.rows))
        statement = f"INSERT INTO {schema}.outbox (messages, frame) VALUES (%(messages)s, %(frame)s)"
        return statement, {"messages": len(told.rows), "frame": frame}
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


def batches_of(stage: Stage, topics: Iterable[Topic]) -> list[list[Raw]]:
    """The log of these topics in batches as a service takes them: of the partitions of one number, each one's share, and numbers
    in turn; no score before its lead."""
    of_numbers = [[_records(stage, topic.name, number) for topic in topics] for number in range(PARTITIONS)]
    turns = itertools.zip_longest(*map(_shares, of_numbers), fillvalue=[])
    return [batch for turn in turns for batch in turn if batch]


def _shares(logs: Sequence[Sequence[Raw]]) -> list[list[Raw]]:
    batches = -(-sum(map(len, logs)) // AT_ONCE)
    return [
        [one for log in logs for one in log[len(log) * at // batches : len(log) * (at + 1) // batches]]
        for at in range(batches)
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
