"""One consumer, one pattern: a batch of records, one transaction, positions enforced in it.

FastStream hands over raw batches; everything that decides about delivery happens here. No exception leaves the handler:
an error that passes by itself seeks back and waits, one that a record causes is narrowed down to that record, and one
that endangers the promise stops the consumer where it stands.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from faststream.kafka import KafkaBroker

from shared.kit.commits import Commits
from shared.kit.courtesy import rest_seconds
from shared.kit.database import Database
from shared.kit.dead_letters import Budget, OverBudget, describe
from shared.kit.errors import Retryable, Stopped
from shared.kit.instruments import ConsumerInstruments
from shared.kit.logs import log
from shared.kit.pacing import Pacer
from shared.kit.positions import Place, last_of
from shared.kit.processing import BatchProcessor, Handle, Parse
from shared.kit.reading import Reader
from shared.kit.settings import ServiceSettings
from shared.kit.subscription import Rebalances, subscribe
from shared.kit.transient import is_transient, name_of

GATHER_BELOW_RECORDS = 500
GATHER_SECONDS = 0.02
"""After a small batch the consumer lets more gather: a transaction costs the same for one record as for a hundred."""

GUEST_GATHERS_SECONDS = 0.5
"""The same for a consumer that is a guest in its process: nobody waits for what it does."""

LOOK_UP_SECONDS = 5.0

LOOK_FOR_ROOM_SECONDS = 1.0
"""How often a consumer that its dead-letter budget stopped looks whether it may go on."""

IDLE_AFTER_SECONDS = 0.03
"""How long after the last batch a consumer counts as idle."""


class Consumer:
    """A service's one subscriber: all its topics, its group, its place in the log."""

    def __init__(
        self,
        settings: ServiceSettings,
        database: Database,
        *,
        group: str,
        topics: Mapping[str, Parse],
        handle: Handle,
        instruments: ConsumerInstruments,
        first: Collection[str] = (),
        guest: bool = False,
    ) -> None:
        """`topics` are in the order in which they follow from each other; those of `first` follow from none, and are read before
        all else. A `guest` does its work beside other work of its process that is waited for, and gives way to it."""
        self.group = group
        self.topics = dict(topics)
        self.instruments = instruments
        self.stopped: str | None = None
        self.last_progress = time.monotonic()
        self.waiting_since: float | None = None
        self.tried_at = time.monotonic()
        self.unreadable: frozenset[Place] = frozenset()
        self.unread_since: dict[str, datetime | None] = {}
        self._over_budget = False
        self._first = first
        self._guest = guest
        self._settings = settings
        self._database = database
        self.budget = Budget(settings.dead_letter_budget, timedelta(seconds=settings.dead_letter_window_seconds))
        self.processor = BatchProcessor(database, self.topics, handle, self.budget, self.beginnings)
        self._attempt = 0
        self._jumped: set[Place] = set()
        self._busy = asyncio.Lock()
        self._commits = Commits(self._client, instruments, settle_seconds=settings.session_timeout_seconds)
        self._broker: KafkaBroker | None = None
        self._subscriber: Any = None
        self._reader: Reader | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._pacer = Pacer(
            self._client,
            idle=self._is_idle,
            halted=lambda: self.stopped is not None,
            pause_seconds=settings.idle_fetch_pause_seconds,
        )

    def _client(self) -> AIOKafkaConsumer | None:
        return self._subscriber.consumer if self._subscriber is not None else None

    def _is_idle(self) -> bool:
        """Nothing in hand, nothing lately, and not standing still on purpose."""
        quiet = time.monotonic() - self.last_progress > IDLE_AFTER_SECONDS
        return quiet and not self._busy.locked() and self.stopped is None

    @property
    def assignment(self) -> frozenset[Place]:
        """The partitions this process has now."""
        client = self._client()
        return (
            frozenset((one.topic, one.partition) for one in client.assignment()) if client is not None else frozenset()
        )

    async def start(self) -> None:
        """Joins the group and begins. Waits for nothing: readiness tells when partitions are assigned."""
        rebalances = Rebalances(
            self._busy, self._settings.rebalance_timeout_seconds / 2, self._commits.leaves, self._begin
        )
        self._broker, self._subscriber = subscribe(self._settings, self.group, self.topics, rebalances)
        self._subscriber(self._on_batch)
        await self._broker.start()
        client = self._subscriber.consumer
        self._reader = Reader(client, self._go_to_stored, self._tell_unreadable, list(self.topics), self._first)
        client.getmany = self._reader.getmany  # FastStream asks the client directly
        self._tasks = [asyncio.create_task(self._commits.run(), name=f"{self.group}-committer")]
        self._tasks.append(asyncio.create_task(self._pacer.run(), name=f"{self.group}-pacer"))
        self._tasks.append(asyncio.create_task(self._look_for_room(), name=f"{self.group}-room"))

    async def lost(self) -> None:
        """Returns when this client has lost its place in the group for good: then stop, and start again."""
        if self._reader is not None:
            await self._reader.lost.wait()
            self.instruments.rebuilds.inc()

    def give_up(self) -> None:
        """Calls this client lost: whoever runs it builds another one."""
        if self._reader is not None:
            self._reader.lost.set()

    def try_unreadable_again(self) -> None:
        """Looks at once whether partitions that could not be read can be now."""
        if self._reader is not None:
            self._reader.try_again()

    def _tell_unreadable(self, places: frozenset[Place]) -> None:
        self.unreadable = places
        self.instruments.unreadable.set(len(places))

    async def stop(self) -> None:
        """Finishes the batch in flight, tells the group good-bye, within the shutdown time-out."""
        for task in self._tasks:
            task.cancel()
        self._tell_unreadable(frozenset())
        try:
            async with asyncio.timeout(self._settings.shutdown_timeout_seconds):
                await self._commits.tell()
                if self._broker is not None:
                    await self._broker.stop()
        except (TimeoutError, Exception) as error:
            log().warning("consumer_stop_incomplete", error_type=type(error).__name__)

    async def _on_batch(self, batch: tuple[ConsumerRecord, ...]) -> None:
        async with self._busy:
            if self.stopped is not None:
                self._pause_all()
                return
            try:
                await self._process(batch)
                if (seconds := await self._rest_after(len(batch))) > 0:
                    await self._pacer.rest(seconds)
            except Stopped as error:
                self._stop_loudly(str(error), batch)
                self._over_budget = isinstance(error, OverBudget)
            except Exception as error:
                await self._back_off(batch, error)

    async def _rest_after(self, records: int) -> float:
        if not self._guest:
            return GATHER_SECONDS if records < GATHER_BELOW_RECORDS else 0.0
        few = records < min(GATHER_BELOW_RECORDS, self._settings.batch_max_records)
        return max(GUEST_GATHERS_SECONDS if few else 0.0, await rest_seconds(records))

    async def _process(self, batch: tuple[ConsumerRecord, ...]) -> None:
        started = time.perf_counter()
        try:
            claim, tallies = await self.processor.process(batch)
        except OverBudget as error:
            if fitting := error.fitting(batch):
                await self._process(tuple(fitting))
            raise
        self._attempt = 0
        self.waiting_since = None
        self.last_progress = time.monotonic()
        self.instruments.observe(tallies, claim.dropped, time.perf_counter() - started)
        for place, record in last_of(claim.take).items():
            self._commits.done(place, record.offset + 1)
            self._jumped.discard(place)
        for place, offset in claim.seek_back.items():
            if place in self._jumped:
                raise Stopped(
                    f"{place[0]} partition {place[1]} goes on beyond offset {offset}, where this service stands. Records are "
                    "missing: the log was truncated, or this database was restored from an older backup than the log keeps."
                )
            self._jumped.add(place)
            log().warning("seek_back", topic=place[0], partition=place[1], stored_offset=offset)
            self._seek(place, offset)

    async def _back_off(self, batch: tuple[ConsumerRecord, ...], error: Exception) -> None:
        """Puts the batch back and waits a little: briefly enough to stay in the group, longer each time."""
        self._attempt += 1
        self.tried_at = time.monotonic()
        self.waiting_since = self.waiting_since or time.monotonic()
        pause = min(0.1 * 2 ** min(self._attempt, 6), 5.0) * random.uniform(0.7, 1.3)
        kind = name_of(error)
        self.instruments.retries.labels(reason=kind if is_transient(error) else "unexpected").inc()
        if self._attempt <= 3 or self._attempt % 20 == 0:
            reason, detail = describe(error)
            log().warning(
                "batch_postponed", attempt=self._attempt, retry_in_seconds=round(pause, 2), reason=reason, error=detail
            )
        first: dict[Place, int] = {}
        for record in batch:
            first.setdefault((record.topic, record.partition), record.offset)
        for place, offset in first.items():
            self._seek(place, offset)
        await asyncio.sleep(pause)

    def _stop_loudly(self, why: str, batch: tuple[ConsumerRecord, ...]) -> None:
        self.stopped = why
        self._over_budget = False
        self.instruments.stopped.set(1)
        log().error("consumer_stopped", reason=why)
        for record in batch[:1]:
            self._seek((record.topic, record.partition), record.offset)
        self._pause_all()

    def halt(self, why: str) -> None:
        """Stops taking records, as when the database and the log contradict each other."""
        if self.stopped is None or self._over_budget:
            self._stop_loudly(why, ())

    async def _look_for_room(self) -> None:
        """A consumer that its budget stopped goes on by itself when half of it is free again; at every single dead letter
        that is settled it would only stop once more."""
        while True:
            await asyncio.sleep(LOOK_FOR_ROOM_SECONDS)
            if not self._over_budget:
                continue
            try:
                room = await self.budget.room(self._database, self._database.clock.now())
                if 2 * room >= self.budget.records:
                    await self._go_on()
            except Exception as error:
                log().info("budget_not_known", error_type=type(error).__name__)

    async def _go_on(self) -> None:
        async with self._busy:
            await self._go_to_stored(self.assignment)
            client = self._client()
            if not self._over_budget or client is None:
                return
            self.stopped, self._over_budget = None, False
            self.instruments.stopped.set(0)
            log().warning("consumer_goes_on")
            client.resume(*client.assignment())

    def _pause_all(self) -> None:
        client = self._client()
        if client is not None:
            client.pause(*client.assignment())

    def _seek(self, place: Place, offset: int) -> None:
        client = self._client()
        partition = TopicPartition(*place)
        if client is not None and partition in client.assignment():
            client.seek(partition, offset)

    async def beginnings(self, places: Collection[Place]) -> dict[Place, int]:
        """Where the log of these partitions begins now."""
        client = self._client()
        if client is None:
            raise Retryable("The consumer is not connected.")
        async with asyncio.timeout(LOOK_UP_SECONDS):
            found = await client.beginning_offsets([TopicPartition(*place) for place in places])
        return {(one.topic, one.partition): offset for one, offset in found.items()}

    async def ends(self, places: Collection[Place]) -> dict[Place, int]:
        """Where the log of these partitions ends now."""
        client = self._client()
        if client is None:
            raise Retryable("The consumer is not connected.")
        async with asyncio.timeout(LOOK_UP_SECONDS):
            found = await client.end_offsets([TopicPartition(*place) for place in places])
        return {(one.topic, one.partition): offset for one, offset in found.items()}

    async def log_ends(self) -> dict[Place, int]:
        """Where the log ends now, all partitions of all topics, whoever has them."""
        client = self._client()
        if client is None:
            raise Retryable("The consumer is not connected.")
        known = [(topic, one) for topic in self.topics for one in client.partitions_for_topic(topic) or ()]
        return await self.ends(known)

    def ask_to_share_out(self) -> None:
        """Asks the group to share out its partitions once more, as when there seem to be some that nobody has."""
        client = self._client()
        if client is not None:
            client._coordinator.request_rejoin()

    async def _go_to_stored(self, places: Collection[Place]) -> None:
        """Reads on from where this service stands, whatever Kafka remembers: after a restored database there may be
        nothing new that would show the difference. Only a beginning: the fence holds where this comes too late."""
        stored = await self.stored()
        strange = [place for place in places if place not in stored]
        begins = await self.beginnings(strange) if strange else {}
        for place in places:
            self._seek(place, stored[place] if place in stored else begins[place])

    async def _begin(self, places: Collection[Place]) -> None:
        """New partitions are read on from the last record that was done, where the log still has it: the fence drops it,
        and knows by it whether this is still the log that this service has read. Nothing is read before that is known."""
        self._commits.joined()
        client = self._client()
        if client is None or not places:
            return
        self.waiting_since = None
        partitions = [TopicPartition(*place) for place in places]
        client.pause(*partitions)
        try:
            stored = await self.stored()
            begins = await self.beginnings(places)
            for place in places:
                self._seek(place, max(stored[place] - 1, begins[place]) if place in stored else begins[place])
        finally:
            if self.stopped is None:
                client.resume(*client.assignment().intersection(partitions))

    async def stored(self) -> dict[Place, int]:
        """What comes next in each partition, as the database has it."""
        rows = await self._database.rows(
            f"SELECT topic, partition, next_offset FROM {self._database.schema}.consumer_offsets"
        )
        return {(row.topic, row.partition): row.next_offset for row in rows}
