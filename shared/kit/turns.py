"""Which partitions a batch is taken from, where more waits than it can hold.

The client empties one partition before it begins with the next. After a backlog that is dear: what follows from an event is read
before the event, and has to be kept until that comes. So the partitions of one number, which have the same keys, are taken
together, from each the same part of what waits there, topics in the order in which they follow from each other; numbers take turns.
Each topic that waits gives one record at least, however thin it is beside the others. What follows from nothing (an order of erasure)
is held back for nothing: it is taken before all else, as far as half a batch holds it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.kit.pacing import POSITION_SECONDS

Records = Mapping[TopicPartition, list[Any]]


class Turns:
    """Asks a client's `getmany` for one partition after the other."""

    def __init__(self, client: AIOKafkaConsumer, topics: Sequence[str], first: Collection[str] = ()) -> None:
        """`topics` stand in the order in which they follow from each other; those of `first` follow from none."""
        self._client = client
        self._getmany: Callable[..., Awaitable[Records]] = client.getmany
        self._first = frozenset(first)
        self._order = {topic: place for place, topic in enumerate(topics)}
        self._last = -1
        self._sought: dict[TopicPartition, float] = {}

    async def take(self, *, timeout_ms: int, max_records: int) -> Records:
        """What waits, at most so much."""
        found: dict[TopicPartition, list[Any]] = {}
        room = max_records
        waiting = await self._waiting()
        if not waiting:
            room -= _add(found, await self._getmany(timeout_ms=timeout_ms, max_records=1))
            waiting = await self._waiting() if found and room else waiting
        before = room
        if sum(waiting.values()) > room:
            room = await self._by_turns(found, waiting, room)
        if room and room == before and (found or waiting):  # all of it fits, or what should come first cannot be had
            _add(found, await self._getmany(timeout_ms=0 if found else timeout_ms, max_records=room))
        return dict(sorted(found.items(), key=lambda one: (self._order.get(one[0].topic, 0), one[0].partition)))

    async def _by_turns(
        self, found: dict[TopicPartition, list[Any]], waiting: Mapping[TopicPartition, int], room: int
    ) -> int:
        """Adds what there is room for; how much room is left."""
        numbers = sorted({one.partition for one in waiting})
        numbers.sort(key=lambda number: number <= self._last)
        self._last = numbers[0]
        first = [one for number in numbers for one in waiting if one.partition == number and one.topic in self._first]
        spare = room // 2 if len(first) < len(waiting) else room
        for partition in first:
            taken = await self._add_of(found, partition, min(spare, waiting[partition]))
            spare -= taken
            room -= taken
        for number in numbers:
            together = [one for one in waiting if one.partition == number and one.topic not in self._first]
            room = await self._alike(found, {one: waiting[one] for one in together}, room)
        return room

    async def _alike(
        self, found: dict[TopicPartition, list[Any]], waiting: Mapping[TopicPartition, int], room: int
    ) -> int:
        """Adds of each of these the same part, rounded up, and leaves room for one record of each that comes later."""
        part = min(1.0, room / max(1, sum(waiting.values())))
        in_order = sorted(waiting, key=lambda one: self._order.get(one.topic, 0))
        for later, partition in zip(reversed(range(len(in_order))), in_order, strict=True):
            wanted = min(max(room - later, 1), room, math.ceil(waiting[partition] * part))
            if wanted:
                taken = await self._add_of(found, partition, wanted)
                room -= taken
                part *= taken / wanted  # what has not arrived yet is not overtaken by what follows from it
        return room

    async def _add_of(self, found: dict[TopicPartition, list[Any]], partition: TopicPartition, wanted: int) -> int:
        return _add(found, await self._getmany(partition, timeout_ms=0, max_records=wanted)) if wanted else 0

    async def _waiting(self) -> dict[TopicPartition, int]:
        """How many records each partition has that were not taken yet, as far as that is known."""
        known: dict[TopicPartition, int] = {}
        now = asyncio.get_running_loop().time()
        assigned = self._client.assignment()
        self._sought = {one: asked for one, asked in self._sought.items() if one in assigned}
        for partition in assigned:
            # While its position is sought it is left out, and looked at again as often without waiting.
            asked = self._sought.get(partition)
            if asked is not None and now - asked < POSITION_SECONDS:
                continue
            try:
                if (end := self._client.highwater(partition)) is None:
                    continue
                # Where nothing has to be waited for, this ends before the time is looked at.
                async with asyncio.timeout_at(now + POSITION_SECONDS if asked is None else now):
                    more = end - await self._client.position(partition)
            except (TimeoutError, AssertionError, KafkaError):
                self._sought[partition] = asyncio.get_running_loop().time()
                continue
            self._sought.pop(partition, None)
            if more > 0:
                known[partition] = more
        return known


def _add(found: dict[TopicPartition, list[Any]], more: Records) -> int:
    for partition, records in more.items():
        found.setdefault(partition, []).extend(records)
    return sum(map(len, more.values()))
