"""The log itself, read from its first record to an end that was fixed before, by a consumer that belongs to no group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.cli.audit.ledger import Cell, Entry, Ledger
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

    def go_on(self, ledger: Ledger) -> None:
        """Takes up the ends that an audit that was stopped had fixed, and where it was; fixes them for one that begins."""
        kept = ledger.kept("ends")
        if kept is not None:
            self.ends = {TopicPartition(self._topic, int(number)): end for number, end in kept.items()}
        else:
            ledger.keep("ends", {str(place.partition): end for place, end in self.ends.items()})
            ledger.keep("begins", {str(place.partition): begin for place, begin in self._begins.items()})
        begins = ledger.kept("begins")
        self._begins = {place: int(begins.get(str(place.partition), 0)) for place in self.ends}

    async def read(self, ledger: Ledger, on_progress: Callable[[int], None]) -> None:
        """Every record before the ends, into the ledger, from where it was stopped. `on_progress` is told how many have been
        read."""
        self.go_on(ledger)
        kept = ledger.kept("positions", {})
        positions = {place: max(int(kept.get(str(place.partition), 0)), begin) for place, begin in self._begins.items()}
        for place, position in positions.items():
            self._consumer.seek(place, position)
        left = {place for place, end in self.ends.items() if positions[place] < end}
        loop = asyncio.get_running_loop()
        heard_at = loop.time()
        while left:
            batch = await self._consumer.getmany(*left, timeout_ms=500, max_records=BATCH)
            with ledger.together():
                for place, records in batch.items():
                    self._enter(records, self.ends[place], ledger)
                    heard_at = loop.time()
                    positions[place] = min(records[-1].offset + 1, self.ends[place])
                ledger.keep("positions", {str(place.partition): at for place, at in positions.items()})
            left = {place for place in left if positions[place] < self.ends[place]}
            on_progress(sum(positions.values()) - sum(self._begins.values()))
            if loop.time() - heard_at > SILENCE_SECONDS:
                raise CommandFailed(
                    f"The broker at {self._address} sent no record for {SILENCE_SECONDS:.0f} s before the log's end.",
                    "Look at the broker, then run the audit again.",
                )
        ledger.write()

    def _enter(self, records: Sequence[ConsumerRecord], end: int, ledger: Ledger) -> None:
        entries: list[Entry] = []
        cells: list[Cell] = []
        for record in records:
            if record.offset >= end:
                break
            entry = entry_of(record.value)
            if entry is None:
                ledger.add_unreadable((record.partition, record.offset))
            else:
                entries.append(entry)
                cells.append((record.partition, datetime.fromtimestamp(record.timestamp / 1000, UTC).toordinal()))
        ledger.add(entries, cells)


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
