"""A supervised producer: acks=all, idempotent, with a deadline of its own and a successor for the day it breaks.

aiokafka's idempotent producer waits for ever, and some errors poison it for good; so sends are awaited only up to a
deadline, and a poisoned or silent producer is replaced. A message given up on may still arrive: consumers count it once.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from zlib import crc32

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    ProducerFenced,
    UnknownProducerId,
)

from shared.kit.errors import Rejected, Retryable
from shared.kit.frames import MAX_MESSAGE_BYTES
from shared.kit.instruments import ProducerInstruments
from shared.kit.logs import log

POISON = (OutOfOrderSequenceNumber, ProducerFenced, UnknownProducerId)

BATCH_FROM_MESSAGES = 16
"""From so many messages on, the batches are filled here instead of by the client."""


def partition_of(key: bytes, partitions: Sequence[int], _: Sequence[int]) -> int:
    """The partition of a key: its CRC-32 modulo their number, as librdkafka does by default. The Python client's own
    murmur2 is written in Python and was a twentieth of what a record cost."""
    return partitions[crc32(key) % len(partitions)]


class Producer:
    """Sends messages and answers only when the log has them."""

    def __init__(
        self,
        bootstrap: str,
        *,
        instruments: ProducerInstruments,
        client_id: str = "leadflow",
        deadline_seconds: float = 5.0,
        max_inflight: int = 20_000,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        linger_seconds: float = 0.002,
    ) -> None:
        self._bootstrap = bootstrap
        self._instruments = instruments
        self._client_id = client_id
        self._deadline_seconds = deadline_seconds
        self._max_inflight = max_inflight
        self._max_message_bytes = max_message_bytes
        self._linger_seconds = linger_seconds
        self._producer: AIOKafkaProducer | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._broken = asyncio.Event()
        self._inflight = 0
        self._failing_since: float | None = None

    @property
    def ready(self) -> bool:
        """True while there is a producer that knows the cluster and no deadline was missed last."""
        return self._producer is not None and not self._broken.is_set() and self._failing_since is None

    @property
    def inflight(self) -> int:
        """Messages sent and not yet acknowledged."""
        return self._inflight

    async def start(self) -> None:
        """Begins to connect; returns at once, so that a service starts while the log is away."""
        self._broken.set()
        self._supervisor = asyncio.create_task(self._supervise(), name="producer-supervisor")

    async def stop(self) -> None:
        """Flushes what is in flight, within the deadline, and lets go."""
        if self._supervisor is not None:
            self._supervisor.cancel()
        await self._retire(self._producer, flush=True)
        self._producer = None

    async def send(self, topic: str, key: bytes, value: bytes) -> None:
        """One message. Raises `Retryable` when the log did not acknowledge it in time, `Rejected` when it never can."""
        (outcome,) = await self.send_many(topic, [(key, value)])
        if outcome is not None:
            raise outcome

    async def send_many(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> list[Exception | None]:
        """Many messages, kept in order per key. One outcome each: None when acknowledged, else what `send` would raise."""
        if not messages:
            return []
        if self._inflight + len(messages) > self._max_inflight:
            return [Retryable("Too much is in flight.", retry_after_seconds=1)] * len(messages)
        outcomes: list[Exception | None] = [None] * len(messages)
        self._inflight += len(messages)
        self._instruments.inflight.set(self._inflight)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._deadline_seconds):
                await self._send_all(topic, messages, outcomes)
        except TimeoutError:
            self._missed_deadline()
        finally:
            self._inflight -= len(messages)
            self._instruments.inflight.set(self._inflight)
        self._instruments.seconds.observe(time.perf_counter() - started)
        return outcomes

    async def _send_all(
        self, topic: str, messages: Sequence[tuple[bytes, bytes]], outcomes: list[Exception | None]
    ) -> None:
        """Fills in `outcomes`; whatever the deadline cuts short stays an error."""
        producer = self._producer
        late = Retryable("The log did not answer in time.", retry_after_seconds=2)
        outcomes[:] = [late] * len(messages)
        if producer is None or self._broken.is_set():
            return
        fitting = []
        for index, (_, value) in enumerate(messages):
            if len(value) <= self._max_message_bytes:
                fitting.append(index)
                continue
            outcomes[index] = Rejected(
                f"A message of {len(value)} bytes is over the limit of {self._max_message_bytes}.",
                status=413,
                code="too-large",
            )
        submit = self._submit_batches if len(fitting) >= BATCH_FROM_MESSAGES else self._submit_singly
        for indices, acknowledged in await submit(producer, topic, messages, fitting, outcomes):
            try:
                if not acknowledged.done():
                    await asyncio.shield(acknowledged)
                acknowledged.result()
                outcome = None
            except KafkaError as error:
                outcome = self._outcome(error, alone=len(indices) == 1)
                # The batch had its place in the sequence: without it, there is a gap before the next.
                self._broken.set()
            for index in indices:
                outcomes[index] = outcome

    async def _submit_singly(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        messages: Sequence[tuple[bytes, bytes]],
        indices: Sequence[int],
        outcomes: list[Exception | None],
    ) -> list[tuple[Sequence[int], asyncio.Future[object]]]:
        """Leaves it to the client to gather messages of many callers. One acknowledgement each."""
        submitted: list[tuple[Sequence[int], asyncio.Future[object]]] = []
        for index in indices:
            key, value = messages[index]
            try:
                submitted.append(((index,), self._watched(await producer.send(topic, value, key))))
            except (KafkaError, ValueError, AssertionError) as error:
                outcomes[index] = self._outcome(error)
        return submitted

    async def _submit_batches(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        messages: Sequence[tuple[bytes, bytes]],
        indices: Sequence[int],
        outcomes: list[Exception | None],
    ) -> list[tuple[Sequence[int], asyncio.Future[object]]]:
        """Fills the batches of each partition here, in order: a third of the work of as many single sends."""
        submitted: list[tuple[Sequence[int], asyncio.Future[object]]] = []
        try:
            partitions = sorted(await producer.partitions_for(topic))
            number = len(partitions)
            by_partition: dict[int, list[int]] = defaultdict(list)
            for index in indices:
                by_partition[partitions[crc32(messages[index][0]) % number]].append(index)
            for partition, own in by_partition.items():
                batch = producer.create_batch()
                filled: list[int] = []
                for index in own:
                    key, value = messages[index]
                    if batch.append(key=key, value=value, timestamp=None) is None:
                        acknowledged = await producer.send_batch(batch, topic, partition=partition)
                        submitted.append((filled, self._watched(acknowledged)))
                        batch, filled = producer.create_batch(), []
                        batch.append(key=key, value=value, timestamp=None)
                    filled.append(index)
                acknowledged = await producer.send_batch(batch, topic, partition=partition)
                submitted.append((filled, self._watched(acknowledged)))
        except (KafkaError, ValueError, AssertionError) as error:
            outcome = self._outcome(error)
            taken = {index for filled, _ in submitted for index in filled}
            for index in indices:
                if index not in taken:
                    outcomes[index] = outcome
        return submitted

    def _outcome(self, error: Exception, *, alone: bool = True) -> Exception:
        """What the sender hears. Of many messages in a batch that is too large, none may be."""
        self._instruments.failures.labels(type(error).__name__).inc()
        if isinstance(error, MessageSizeTooLargeError) and alone:
            return Rejected("The log refuses a message of this size.", status=413, code="too-large")
        if isinstance(error, POISON) or not isinstance(error, KafkaError):
            self._broken.set()
        return Retryable("The log did not take the message.", retry_after_seconds=2)

    def _missed_deadline(self) -> None:
        self._instruments.failures.labels("deadline").inc()
        self._failing_since = self._failing_since or time.monotonic()

    def _watched(self, acknowledged: asyncio.Future[object]) -> asyncio.Future[object]:
        """Heard also when it comes after its deadline, and nobody waits for it: perhaps nobody sends any more while this
        service is not ready, so that only a late acknowledgement can say that all is well."""
        acknowledged.add_done_callback(self._heard)
        return acknowledged

    def _heard(self, acknowledged: asyncio.Future[object]) -> None:
        if not acknowledged.cancelled() and acknowledged.exception() is None:
            self._failing_since = None

    async def _until_broken(self) -> None:
        """A first miss may be the broker's; nothing acknowledged for three deadlines, and it is the producer's."""
        while not self._broken.is_set():
            if self._producer is not None and self._producer._sender.sender_task.done():
                self._broken.set()  # it has failed, and nobody who could have noticed was waiting
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(self._deadline_seconds):
                    await self._broken.wait()
            if self._failing_since and time.monotonic() - self._failing_since > 3 * self._deadline_seconds:
                self._broken.set()

    async def _supervise(self) -> None:
        """Keeps one working producer: builds it, watches it, replaces it."""
        attempt = 0
        while True:
            await self._until_broken()
            old, self._producer = self._producer, None
            if old is not None:
                self._instruments.rebuilds.inc()
                log().warning("producer_rebuilt")
                await self._retire(old, flush=False)
            try:
                self._producer = await self._build()
            except Exception as error:
                attempt += 1
                pause = min(0.2 * 2 ** min(attempt, 5), 3.0)
                if attempt <= 2 or attempt % 20 == 0:
                    log().warning("producer_not_connected", error_type=type(error).__name__, attempt=attempt)
                await asyncio.sleep(pause)
                continue
            attempt = 0
            self._failing_since = None
            self._broken.clear()

    async def _build(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            # The client has lz4 search for the best match: five times the work of zstd, for half as much again in bytes.
            compression_type="zstd",
            linger_ms=int(self._linger_seconds * 1000),
            max_batch_size=256 * 1024,
            max_request_size=1024 * 1024,
            request_timeout_ms=int(self._deadline_seconds * 1000),
            partitioner=partition_of,
        )
        try:
            async with asyncio.timeout(self._deadline_seconds * 2):
                await producer.start()
        except BaseException:
            await self._retire(producer, flush=False)
            raise
        return producer

    async def _retire(self, producer: AIOKafkaProducer | None, *, flush: bool) -> None:
        """`stop()` can hang on a broker that is gone; it gets a moment, no more."""
        if producer is None:
            return
        try:
            async with asyncio.timeout(self._deadline_seconds if flush else 0.5):
                await producer.stop()
        except (TimeoutError, Exception) as error:
            log().info("producer_stop_incomplete", error_type=type(error).__name__)
            await self._tear_down(producer)

    async def _tear_down(self, producer: AIOKafkaProducer) -> None:
        """`stop()` cut short leaves its sender running, with its connections and what it still holds, for ever."""
        ending = [asyncio.create_task(producer._sender.close()), asyncio.create_task(producer.client.close())]
        await asyncio.wait(ending, timeout=0.5)
        held = producer._message_accumulator
        batches = [*chain.from_iterable(held._batches.values()), *held._pending_batches]
        held.fail_all(ProducerClosed())
        for batch in batches:
            if batch._drain_waiter.done() and not batch._drain_waiter.cancelled():
                batch._drain_waiter.exception()  # nobody waits for it, and what nobody hears is logged as an error
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
