"""What monitoring is told of webhooks: asked of the database at most every few seconds, however often it is scraped."""

from __future__ import annotations

from services.pipeline.instruments import STATES, WebhookInstruments
from services.pipeline.storage import webhook_queue
from shared.kit.database import Database
from shared.kit.looking import Looking


class Watching:
    """Keeps the gauges of webhooks up to date."""

    def __init__(
        self,
        database: Database,
        instruments: WebhookInstruments,
    ) -> None:
        self._database = database
        self._instruments = instruments
        self._looking = Looking()

    async def refresh(self) -> None:
        """Looks again if the last look is too old. A database that is away leaves what was seen last."""
        found = await self._looking.at(lambda: webhook_queue.standing(self._database))
        if found is None:
            return
        waiting, since, dead, states = found
        self._instruments.waiting.set(waiting)
        self._instruments.waiting_since.set(since.timestamp() if since is not None else 0.0)
        self._instruments.dead.set(dead)
        for state in STATES:
            self._instruments.endpoints.labels(state).set(states.get(state, 0))
