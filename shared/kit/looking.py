"""What monitoring is told is looked up at most every few seconds, however often it is scraped."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.kit.errors import Retryable

Found = TypeVar("Found")


class Looking:
    """Looks where the last look is too old. A database that is away leaves what was seen last."""

    def __init__(self, *, max_age_seconds: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_age_seconds = max_age_seconds
        self._clock = clock
        self._looked_at = float("-inf")

    async def at(self, look: Callable[[], Awaitable[Found]]) -> Found | None:
        """What is seen now; None where nothing new is."""
        now = self._clock()
        if now - self._looked_at < self._max_age_seconds:
            return None
        self._looked_at = now
        try:
            return await look()
        except Retryable:
            return None
