"""What Kafka is told of a consumer's place. Only monitoring reads it: the place that counts is in the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError

from shared.kit import failpoints
from shared.kit.instruments import ConsumerInstruments
from shared.kit.logs import log
from shared.kit.positions import Place

EVERY_SECONDS = 1.0
DEADLINE_SECONDS = 5.0


class Commits:
    """Offsets that are done and not yet told. A failure is counted, and said again with the next."""

    def __init__(
        self, client: Callable[[], AIOKafkaConsumer | None], instruments: ConsumerInstruments, *, settle_seconds: float
    ) -> None:
        """`settle_seconds` is how long a group is given to settle after a commit that cost this member its place."""
        self._client = client
        self._instruments = instruments
        self._settle_seconds = settle_seconds
        self._untold: dict[Place, int] = {}
        self._refused: dict[Place, int] = {}
        self._silent_until = 0.0
        self._is_joining = False

    def done(self, place: Place, next_offset: int) -> None:
        """Everything before this offset is done."""
        self._untold[place] = next_offset

    def leaves(self) -> None:
        """This member joins its group anew. What it said meanwhile would be said as the member that it was; the refusal would come
        when it is a member again, and the client would take that for its end: the group then waits for one that is gone, as long
        as a session."""
        self._is_joining = True

    def joined(self) -> None:
        """This member has partitions anew. What had cost it its place is told once the group has settled: said again at
        once, it would cost it once more."""
        self._is_joining = False
        if self._refused:
            self._silent_until = time.monotonic() + self._settle_seconds
            self._untold = self._refused | self._untold
            self._refused = {}

    async def run(self) -> None:
        """Tells every second, until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.tell()

    async def tell(self) -> None:
        """Tells what there is to tell, of the partitions that are assigned."""
        if self._is_joining or time.monotonic() < self._silent_until:
            return
        client = self._client()
        assigned = client.assignment() if client is not None else ()
        known = {TopicPartition(*place): offset for place, offset in self._untold.items()}
        offsets = {partition: offset for partition, offset in known.items() if partition in assigned}
        self._untold.clear()
        if client is None or not offsets:
            return
        failpoints.reach("before-kafka-commit")
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await client.commit(offsets)
        except Exception as error:
            later = self._refused if isinstance(error, CommitFailedError) else self._untold
            for one, offset in offsets.items():
                later.setdefault((one.topic, one.partition), offset)
            self._instruments.commit_failures.inc()
            log().info("commit_failed", error_type=type(error).__name__)
