"""A log in memory, and services that read it from two processes at once, both of them sure that it is theirs."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.contracts.topics import TOPICS
from shared.kit.database import Database, Transaction
from shared.kit.dead_letters import Budget
from shared.kit.errors import Retryable
from shared.kit.processing import BatchProcessor, Handle
from shared.kit.producer import Producer, partition_of
from shared.kit.records import Record
from shared.kit.transient import is_transient

PARTITIONS = 4
BATCH_AT_MOST = 40
ATTEMPTS = 100
SEND_CUT_SHORT = 0.05
"""How often the log takes a part of what it is sent, or all of it, and its answer is lost."""
SURELY_CUT_SHORT = 10
READ_AGAIN = 0.1
"""How often a consumer reads again what was done."""
SLOW = 0.2
SLOW_SECONDS_AT_MOST = 0.3
"""How often, and for how long, a consumer stands still with everything done and nothing committed, as on a busy machine:
what the others begin meanwhile meets what they cannot see yet."""

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as a consumer's client hands it out. `number` is its place among all records of all partitions."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    number: int
    timestamp: int = 1_770_000_000_000
    headers: tuple[tuple[str, bytes], ...] = ()


class Log(Producer):
    """Partitions that only grow. As a producer, one whose acknowledgements get lost, so that senders send again."""

    def __init__(self, chance: random.Random, seen: Counter[str]) -> None:
        self._chance = chance
        self._seen = seen
        self._sent = 0
        self._began = time.monotonic()
        self.records = 0
        self.journal: list[str] = []
        self.partitions: dict[Place, list[Entry]] = {
            (topic, number): [] for topic in TOPICS for number in range(PARTITIONS)
        }

    def append(self, topic: str, key: bytes, value: bytes) -> None:
        """One more record."""
        number = partition_of(key, range(PARTITIONS), ())
        entries = self.partitions[topic, number]
        entries.append(Entry(topic, number, len(entries), key, value, self.records))
        self.records += 1

    def note(self, what: str) -> None:
        """Remembers who did what, for when something is wrong in the end."""
        self.journal.append(f"{time.monotonic() - self._began:.3f} of {self.records}: {what}")

    async def send_many(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> list[Exception | None]:
        """Appends all, or, now and then, only the first of them while the sender hears that none arrived."""
        cut = self._chance.random() < SEND_CUT_SHORT or self._sent == SURELY_CUT_SHORT
        self._sent += 1
        kept = messages[: self._chance.randint(1, len(messages))] if cut else messages
        for key, value in kept:
            self.append(topic, key, value)
        self.note(f"{topic} was sent {len(kept)} of {len(messages)} messages{', unacknowledged' if cut else ''}")
        if not cut:
            return [None] * len(messages)
        self._seen["messages sent twice"] += len(kept)
        return [Retryable("No acknowledgement.")] * len(messages)


class Consumers:
    """A service's two consumers, each with connections of its own, on the same partitions at the same time."""

    def __init__(
        self,
        log: Log,
        onlooker: Database,
        databases: Sequence[Database],
        handles: Sequence[Handle],
        topics: Sequence[str],
        seen: Counter[str],
        chance: random.Random,
    ) -> None:
        self.databases = databases
        self._log = log
        self._onlooker = onlooker
        self._topics = topics
        self._seen = seen
        parse: dict[str, Any] = {topic: TOPICS[topic].parse for topic in topics}
        budget = Budget(10_000, timedelta(hours=1))
        self._chance = chance
        self._processors = [
            BatchProcessor(database, parse, self._slowly(handle), budget)
            for database, handle in zip(databases, handles, strict=True)
        ]

    @property
    def name(self) -> str:
        """The service's."""
        return self.databases[0].schema

    def _slowly(self, handle: Handle) -> Handle:
        async def work(transaction: Transaction, records: Sequence[Record]) -> None:
            await handle(transaction, records)
            if self._chance.random() < SLOW:
                await asyncio.sleep(self._chance.random() * SLOW_SECONDS_AT_MOST)

        return work

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
                reason = type(getattr(error, "orig", None) or error).__name__
                self._seen[f"{self.name} tried again after {reason}"] += 1
                self._log.note(f"{self.name} {replica} stopped at {_places(batch)}: {reason}")
                await asyncio.sleep(chance.random() * 0.03)
                continue
            self._seen["records read again and dropped"] += claim.dropped
            self._log.note(f"{self.name} {replica} took {_places(claim.take)}, dropped {claim.dropped}")
            return True
        raise AssertionError(f"{self.name} makes no progress: {ATTEMPTS} attempts at one batch")

    async def _offsets(self) -> dict[Place, int]:
        rows = await self._onlooker.rows(f"SELECT topic, partition, next_offset FROM {self.name}.consumer_offsets")
        stored = {(row.topic, row.partition): row.next_offset for row in rows}
        return {(topic, n): stored.get((topic, n), 0) for topic in self._topics for n in range(PARTITIONS)}


def _places(entries: Sequence[Entry]) -> str:
    offsets: dict[Place, list[int]] = {}
    for one in entries:
        offsets.setdefault((one.topic, one.partition), []).append(one.offset)
    return ", ".join(f"{topic}/{number}@{min(of)}-{max(of)}" for (topic, number), of in offsets.items()) or "nothing"
