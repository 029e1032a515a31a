"""What monitoring is told of webhooks: asked of the database at most every few seconds, however often it is scraped."""

from __future__ import annotations

import time
from collections.abc import Callable

from services.pipeline.instruments import STATES, WebhookInstruments
from services.pipeline.storage import webhook_queue
from shared.kit.database import Database
from shared.kit.errors import Retryable


class Watching:
    """Keeps the gauges of webhooks up to date."""

    def __init__(
        self,
        database: Database,
        instruments: WebhookInstruments,
        *,
        max_age_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._instruments = instruments
        self._max_age_seconds = max_age_seconds
        self._clock = clock
        self._taken_at: float | None = None

    async def refresh(self) -> None:
        """Looks again if the last look is too old. A database that is away leaves what was seen last."""
        now = self._clock()
        if self._taken_at is not None and now - self._taken_at < self._max_age_seconds:
            return
        self._taken_at = now
        try:
            waiting, since, dead, states = await webhook_queue.standing(self._database)
        except Retryable:
            return
        self._instruments.waiting.set(waiting)
        self._instruments.waiting_since.set(since.timestamp() if since is not None else 0.0)
        self._instruments.dead.set(dead)
        for state in STATES:
            self._instruments.endpoints.labels(state).set(states.get(state, 0))
