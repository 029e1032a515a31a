"""The log itself, read from its first record to an end that was fixed before, by a consumer that belongs to no group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.cli.audit.ledger import Entry, Ledger
from shared.cli.http import CommandFailed
from shared.cli.settings import KAFKA_BOOTSTRAP, servers
from shared.kit.records import content_of

SILENCE_SECONDS = 30.0
BATCH = 2_000


def bootstrap() -> str:
    """The broker's address: the environment's, else the embedded run's."""
    address = servers().kafka_bootstrap
    if not address:
        raise CommandFailed("It is not known where the log is.", f"Set {KAFKA_BOOTSTRAP} to the broker's address.")
    return address


class TopicLog:
    """One topic, whole. `ends` is where its partitions ended when it was opened; nothing after that is looked at."""

    def __init__(self, address: str, topic: str) -> None:
        self._address = address
        self._topic = topic
        self.ends: dict[TopicPartition, int] = {}
        self._begins: dict[TopicPartition, int] = {}
        self._consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=address,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=15_000,
        )

    async def __aenter__(self) -> TopicLog:
        try:
            async with asyncio.timeout(15):
                await self._consumer.start()
                partitions = sorted(self._consumer.assignment())
                self.ends = await self._consumer.end_offsets(partitions)
                self._begins = await self._consumer.beginning_offsets(partitions)
        except (KafkaError, OSError, TimeoutError) as error:
            await self._consumer.stop()
            raise CommandFailed(
                f"The topic {self._topic} cannot be read from {self._address} ({type(error).__name__}).",
                "Start Leadflow with `make up`, or set LEADFLOW_KAFKA_BOOTSTRAP.",
            ) from None
        return self

    async def __aexit__(self, *exit_details: object) -> None:
        await self._consumer.stop()

    @property
    def total(self) -> int:
        """How many records there are to read."""
        return sum(max(end - self._begins[place], 0) for place, end in self.ends.items())

    async def read(self, ledger: Ledger, on_progress: Callable[[int], None]) -> None:
        """Every record before the ends, into the ledger. `on_progress` is told how many have been read."""
        positions = dict(self._begins)
        left = {place for place, end in self.ends.items() if positions[place] < end}
        loop = asyncio.get_running_loop()
        heard_at = loop.time()
        while left:
            batch = await self._consumer.getmany(*left, timeout_ms=500, max_records=BATCH)
            for place, records in batch.items():
                self._enter(records, self.ends[place], ledger)
                heard_at = loop.time()
                positions[place] = min(records[-1].offset + 1, self.ends[place])
            left = {place for place in left if positions[place] < self.ends[place]}
            on_progress(sum(positions.values()) - sum(self._begins.values()))
            if loop.time() - heard_at > SILENCE_SECONDS:
                raise CommandFailed(
                    f"The broker at {self._address} sent no record for {SILENCE_SECONDS:.0f} s before the log's end.",
                    "Look at the broker, then run the audit again.",
                )

    def _enter(self, records: Sequence[ConsumerRecord], end: int, ledger: Ledger) -> None:
        entries: list[Entry] = []
        for record in records:
            if record.offset >= end:
                break
            entry = entry_of(record.value)
            if entry is None:
                ledger.add_unreadable((record.partition, record.offset))
            else:
                entries.append(entry)
        ledger.add(entries)


def entry_of(value: bytes | None) -> Entry | None:
    """The lead's and the event's id in a record, None where there are none to read."""
    try:
        document = content_of(value)
        event_id = UUID(document["event_id"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    try:
        return UUID(document["lead_id"]), event_id
    except (ValueError, TypeError, KeyError, AttributeError):
        return UUID(int=0), event_id
