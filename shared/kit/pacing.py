"""Keeps a consumer from spinning on a broker that answers an empty fetch at once.

Apache Kafka holds an empty fetch until data or its time-out comes; the embedded broker does not, and a client that asks
again at once keeps a processor busy with nothing. So while little comes, partitions are paused and looked at for a moment
at a time. Nothing is paused while the log is known to hold more, or not yet known to hold no more: pausing discards what was
fetched, and a fetch that always takes longer than a look, as on a starved machine, would be discarded for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

LOOK_SECONDS = 0.004
"""Long enough for one fetch of a broker on the same machine."""


POSITION_SECONDS = 1.0
"""A position that is not known by then is being sought."""


class Pacer:
    """Pauses and resumes a consumer's partitions. With a pause of 0 it only waits, as is right for Apache Kafka."""

    def __init__(
        self,
        client: Callable[[], AIOKafkaConsumer | None],
        *,
        idle: Callable[[], bool],
        halted: Callable[[], bool],
        pause_seconds: float,
    ) -> None:
        self._client = client
        self._idle = idle
        self._halted = halted
        self._pause_seconds = pause_seconds

    async def rest(self, seconds: float) -> None:
        """Waits, without a fetch where fetches do not wait by themselves."""
        client = self._client()
        if client is None or self._pause_seconds <= 0:
            await asyncio.sleep(seconds)
            return
        awake = client.assignment() - client.paused()
        client.pause(*awake)
        try:
            await asyncio.sleep(seconds)
        finally:
            if not self._halted():
                client.resume(*client.assignment().intersection(awake))

    async def run(self) -> None:
        """Looks and rests by turns while nothing comes, until it is cancelled."""
        while self._pause_seconds > 0:
            await asyncio.sleep(LOOK_SECONDS)
            if self._idle() and await self._is_at_the_end():
                await self.rest(self._pause_seconds)

    async def _is_at_the_end(self) -> bool:
        """Whether the answers so far say that there is no more in any partition. The end that an answer tells of is kept even
        where its records were discarded."""
        client = self._client()
        if client is None:
            return False
        try:
            async with asyncio.timeout(POSITION_SECONDS):
                for partition in client.assignment():
                    end = client.highwater(partition)
                    if end is None or await client.position(partition) < end:
                        return False
        except (TimeoutError, KafkaError):  # it is being taken away, or sought
            return False
        return True
