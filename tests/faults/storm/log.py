"""A log in memory, and services that read it from two processes at once, both of them sure that it is theirs."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.contracts.topics import TOPICS
from shared.kit.database import Database
from shared.kit.dead_letters import Budget
from shared.kit.errors import Retryable
from shared.kit.processing import BatchProcessor, Handle
from shared.kit.producer import Producer, partition_of
from shared.kit.transient import is_transient

PARTITIONS = 4
BATCH_AT_MOST = 40
ATTEMPTS = 100
SEND_CUT_SHORT = 0.05
"""How often the log takes a part of what it is sent, or all of it, and its answer is lost."""
SURELY_CUT_SHORT = 10
READ_AGAIN = 0.1
"""How often a consumer reads again what was done."""

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as a consumer's client hands it out."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    timestamp: int = 1_770_000_000_000
    headers: tuple[tuple[str, bytes], ...] = ()


class Log(Producer):
    """Partitions that only grow. As a producer, one whose acknowledgements get lost, so that senders send again."""

    def __init__(self, chance: random.Random, seen: Counter[str]) -> None:
        self._chance = chance
        self._seen = seen
        self._sent = 0
        self.partitions: dict[Place, list[Entry]] = {
            (topic, number): [] for topic in TOPICS for number in range(PARTITIONS)
        }

    def append(self, topic: str, key: bytes, value: bytes) -> None:
        """One more record."""
        number = partition_of(key, range(PARTITIONS), ())
        entries = self.partitions[topic, number]
        entries.append(Entry(topic, number, len(entries), key, value))

    async def send_many(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> list[Exception | None]:
        """Appends all, or, now and then, only the first of them while the sender hears that none arrived."""
        cut = self._chance.random() < SEND_CUT_SHORT or self._sent == SURELY_CUT_SHORT
        self._sent += 1
        kept = messages[: self._chance.randint(1, len(messages))] if cut else messages
        for key, value in kept:
            self.append(topic, key, value)
        if not cut:
            return [None] * len(messages)
        self._seen["messages sent twice"] += len(kept)
        return [Retryable("No acknowledgement.")] * len(messages)


class Consumers:
    """A service's two consumers, each with connections of its own, on the same partitions at the same time."""

    def __init__(
        self,
        log: Log,
        databases: Sequence[Database],
        handles: Sequence[Handle],
        topics: Sequence[str],
        seen: Counter[str],
    ) -> None:
        self.databases = databases
        self._log = log
        self._topics = topics
        self._seen = seen
        parse: dict[str, Any] = {topic: TOPICS[topic].parse for topic in topics}
        budget = Budget(10_000, timedelta(hours=1))
        self._processors = [
            BatchProcessor(database, parse, handle, budget) for database, handle in zip(databases, handles, strict=True)
        ]

    @property
    def name(self) -> str:
        """The service's."""
        return self.databases[0].schema

    async def lag(self) -> int:
        """How many records are still to be processed."""
        return sum(len(self._log.partitions[place]) - offset for place, offset in (await self._offsets()).items())

    async def step(self, replica: int, chance: random.Random) -> bool:
        """One batch of a few partitions, tried until it is committed. False when there is nothing to do."""
        offsets = await self._offsets()
        behind = [place for place, offset in offsets.items() if len(self._log.partitions[place]) > offset]
        if not behind:
            return False
        batch: list[Entry] = []
        for place in chance.sample(behind, chance.randint(1, chance.randint(1, len(behind)))):
            start = offsets[place]
            if start and chance.random() < READ_AGAIN:
                start = max(0, start - chance.randint(1, 5))
            batch += self._log.partitions[place][start : start + chance.randint(1, BATCH_AT_MOST)]
        for _ in range(ATTEMPTS):
            try:
                claim, _ = await self._processors[replica].process(batch)
            except Exception as error:
                if not is_transient(error):
                    raise
                self._seen[f"{self.name} tried again after {type(getattr(error, 'orig', None) or error).__name__}"] += 1
                await asyncio.sleep(chance.random() * 0.03)
                continue
            self._seen["records read again and dropped"] += claim.dropped
            return True
        raise AssertionError(f"{self.name} makes no progress: {ATTEMPTS} attempts at one batch")

    async def _offsets(self) -> dict[Place, int]:
        rows = await self.databases[0].rows(f"SELECT topic, partition, next_offset FROM {self.name}.consumer_offsets")
        stored = {(row.topic, row.partition): row.next_offset for row in rows}
        return {(topic, n): stored.get((topic, n), 0) for topic in self._topics for n in range(PARTITIONS)}
