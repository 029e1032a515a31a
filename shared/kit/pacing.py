"""Keeps an idle consumer from spinning on a broker that answers an empty fetch at once.

Apache Kafka holds an empty fetch until data or its time-out comes; the embedded broker does not, and a client that asks
again at once keeps a processor busy with nothing. While nothing comes, partitions are paused and looked at for a moment
at a time. Under load nothing is paused, since pausing discards what was fetched ahead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer

LOOK_SECONDS = 0.004
"""Long enough for one fetch of a broker on the same machine."""


class Pacer:
    """Pauses and resumes a consumer's partitions while it is idle."""

    def __init__(
        self, client: Callable[[], AIOKafkaConsumer | None], idle: Callable[[], bool], pause_seconds: float
    ) -> None:
        self._client = client
        self._idle = idle
        self._pause_seconds = pause_seconds

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            client = self._client()
            if client is None or not self._idle():
                continue
            client.pause(*client.assignment())
            await asyncio.sleep(self._pause_seconds)
            if self._idle():
                client.resume(*client.paused())
