"""A topic of the log, read by a consumer that belongs to no group, up to ends that were fixed before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.cli.http import CommandFailed

SILENCE_SECONDS = 30.0
OPENING_SECONDS = 15.0

Offsets = dict[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class OpenTopic:
    """A topic, and where its partitions begin and end as it was opened."""

    consumer: AIOKafkaConsumer
    address: str
    begins: Offsets
    ends: Offsets

    async def batches(
        self, at: Offsets, ends: Mapping[TopicPartition, int], most: int
    ) -> AsyncIterator[dict[TopicPartition, list[ConsumerRecord]]]:
        """Records from `at` on, until whoever takes them has moved it to the ends. Raises `CommandFailed` where none come."""
        for place, position in at.items():
            self.consumer.seek(place, position)
        loop = asyncio.get_running_loop()
        heard_at = loop.time()
        while left := [place for place in at if at[place] < ends[place]]:
            try:
                batch = await self.consumer.getmany(*left, timeout_ms=500, max_records=most)
            except KafkaError as error:
                raise _unreadable("The log", self.address, error) from None
            if batch:
                heard_at = loop.time()
            elif loop.time() - heard_at > SILENCE_SECONDS:
                raise CommandFailed(
                    f"The broker at {self.address} sent no record for {SILENCE_SECONDS:.0f} s before the log's end.",
                    "Look at the broker, then run this again.",
                )
            yield batch


@asynccontextmanager
async def open_topic(address: str, topic: str) -> AsyncIterator[OpenTopic]:
    """Opens a topic. Raises `CommandFailed` where nobody answers."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=address, group_id=None, enable_auto_commit=False,
        auto_offset_reset="earliest", request_timeout_ms=15_000,
    )  # fmt: skip
    try:
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                await consumer.start()
                places = sorted(consumer.assignment())
                ends = await consumer.end_offsets(places)
                begins = await consumer.beginning_offsets(places)
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unreadable(f"The topic {topic}", address, error) from None
        yield OpenTopic(consumer, address, begins, ends)
    finally:
        await consumer.stop()


def _unreadable(what: str, address: str, error: Exception) -> CommandFailed:
    return CommandFailed(
        f"{what} cannot be read from {address} ({type(error).__name__}).",
        "Start Leadflow with `make up`, or set LEADFLOW_KAFKA_BOOTSTRAP.",
    )
