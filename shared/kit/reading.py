"""Takes records from the client as long as it can be trusted, and tells when it cannot.

The client hands out all partitions in one go: a batch of one of them that cannot be read takes with it what was taken
from the others. And an error of its place in the group comes back with every call, for good. So the first kind is read
around, one partition at a time, and the second kind ends this client: whoever runs it builds another one.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, KafkaError, UnsupportedCodecError

from shared.kit.logs import log
from shared.kit.positions import Place
from shared.kit.turns import Records, Turns

LOOK_MILLISECONDS = 200
"""How long one partition alone is waited for: long enough for a fetch."""

CREEPS_AT_MOST = 1_000
"""A fault lies within what is handed out at once; a partition that was crept through so far can be read again."""

TRY_AGAIN_SECONDS = 15.0
"""An unreadable batch may be readable from another replica, or gone."""


class Reader:
    """Stands before a client's `getmany`."""

    def __init__(
        self,
        client: AIOKafkaConsumer,
        go_to_stored: Callable[[Collection[Place]], Awaitable[None]],
        tell: Callable[[frozenset[Place]], None],
        topics: Sequence[str],
        first: Collection[str] = (),
    ) -> None:
        """`go_to_stored` puts partitions back to where this service stands; `tell` hears which cannot be read; `topics` are
        in the order in which they follow from each other, those of `first` follow from none."""
        self._getmany: Callable[..., Awaitable[Records]] = client.getmany
        self._turns = Turns(client, topics, first)
        self._client = client
        self._go_to_stored = go_to_stored
        self._tell = tell
        self._doubtful: list[TopicPartition] = []
        self._creeping: dict[TopicPartition, int] = {}
        self._alone_next = True
        self._unreadable: dict[TopicPartition, float] = {}
        self.lost = asyncio.Event()

    async def getmany(self, *, timeout_ms: int = 0, max_records: int | None = None) -> Records:
        """What there is, as the client would give it."""
        if self._doubtful or self._unreadable:
            return await self._read_around(timeout_ms, max_records)
        try:
            if max_records is None:
                return await self._getmany(timeout_ms=timeout_ms)
            return await self._turns.take(timeout_ms=timeout_ms, max_records=max_records)
        except ConsumerStoppedError:
            raise
        except Exception as error:
            if not _is_about_records(error):
                self._give_up(error)
                return {}
            log().warning("records_unreadable", error_type=type(error).__name__)
            self._doubtful = sorted(self._client.assignment())
            await self._put_back(self._doubtful)
            return {}

    async def _read_around(self, timeout_ms: int, max_records: int | None) -> Records:
        """The partitions in doubt one at a time, in turn with those that are not, until all can be read. Where one alone
        fails too, it is read record by record as far as the fault can be, so that what comes before it is not lost with it."""
        assigned = self._client.assignment()
        now = time.monotonic()
        self._doubtful = [one for one in self._doubtful if one in assigned]
        self._creeping = {one: left for one, left in self._creeping.items() if one in assigned}
        if not self._unreadable.keys() <= assigned:
            self._unreadable = {one: since for one, since in self._unreadable.items() if one in assigned}
            self._tell_which()
        for one in [one for one, since in self._unreadable.items() if now - since > TRY_AGAIN_SECONDS]:
            self._unreadable[one] = now
            await self._put_back([one])
            self._doubtful.append(one)
        others = [one for one in assigned if one not in self._unreadable and one not in self._doubtful]
        self._alone_next = not self._alone_next or not others
        alone = self._doubtful.pop(0) if self._doubtful and self._alone_next else None
        readable = [alone] if alone else others
        if not readable:
            await asyncio.sleep(timeout_ms / 1000)
            return {}
        wait = LOOK_MILLISECONDS if alone else timeout_ms
        try:
            step = 1 if alone in self._creeping else max_records
            found = await self._getmany(*readable, timeout_ms=wait, max_records=step)
        except ConsumerStoppedError:
            raise
        except Exception as error:
            if not _is_about_records(error):
                self._give_up(error)
            elif alone is None:
                self._doubtful += readable
                await self._put_back(readable)
            elif alone not in self._creeping:
                self._creeping[alone] = max_records or CREEPS_AT_MOST
                self._doubtful.append(alone)
                await self._put_back([alone])
            else:
                await self._set_aside(alone, error)
            return {}
        if alone is not None:
            await self._was_read(alone, bool(found))
        return found

    async def _was_read(self, alone: TopicPartition, found: bool) -> None:
        if alone in self._creeping and found:
            self._creeping[alone] -= 1
            if self._creeping[alone]:
                self._doubtful.append(alone)
                return
        self._creeping.pop(alone, None)
        if alone in self._unreadable and (found or await self._at_the_end(alone)):
            del self._unreadable[alone]
            self._tell_which()
            log().info("partition_readable_again", topic=alone.topic, partition=alone.partition)

    async def _at_the_end(self, partition: TopicPartition) -> bool:
        """Whether there is nothing more to read."""
        if partition not in self._client.assignment():
            return False
        end = self._client.highwater(partition)
        return end is not None and await self._client.position(partition) >= end

    def try_again(self) -> None:
        """What could not be read is looked at now, and not only after a while: somebody has done something about it."""
        self._unreadable = dict.fromkeys(self._unreadable, -math.inf)

    async def _set_aside(self, partition: TopicPartition, error: Exception) -> None:
        self._creeping.pop(partition, None)
        known = partition in self._unreadable
        self._unreadable[partition] = time.monotonic()
        self._tell_which()
        await self._put_back([partition])
        if not known:
            log().error(
                "partition_unreadable",
                topic=partition.topic,
                partition=partition.partition,
                error_type=type(error).__name__,
            )

    def _tell_which(self) -> None:
        self._tell(frozenset((one.topic, one.partition) for one in self._unreadable))

    async def _put_back(self, partitions: Collection[TopicPartition]) -> None:
        """What was taken along with the unreadable is taken again. Where this fails, the fence sends back."""
        try:
            await self._go_to_stored([(one.topic, one.partition) for one in partitions])
        except Exception as error:
            log().info("stored_offsets_not_sought", error_type=type(error).__name__)

    def _give_up(self, error: Exception) -> None:
        if not self.lost.is_set():
            log().warning("consumer_lost", error_type=type(error).__name__, detail=str(error)[:200])
        self.lost.set()


def _is_about_records(error: Exception) -> bool:
    """True for bytes that cannot be read; all else that a fetch can raise is about this client's place in the group."""
    return isinstance(error, CorruptRecordException | UnsupportedCodecError) or not isinstance(error, KafkaError)
