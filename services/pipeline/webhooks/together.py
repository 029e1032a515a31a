"""All of outgoing webhooks, put together from the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from services.pipeline.instruments import WebhookInstruments
from services.pipeline.settings import PipelineSettings
from services.pipeline.webhooks.endpoints import Endpoints, Secrets
from services.pipeline.webhooks.feeding import Feeding
from services.pipeline.webhooks.posting import Poster
from services.pipeline.webhooks.sending import Pace, Sending
from services.pipeline.webhooks.vouching import Vouching
from services.pipeline.webhooks.watching import Watching
from shared.kit.database import Database


class Webhooks:
    """Who follows, and what is sent to them."""

    def __init__(
        self, database: Database, secret: bytes, settings: PipelineSettings, instruments: WebhookInstruments
    ) -> None:
        secrets = Secrets(secret)
        poster = Poster(settings.webhook_rules, timeout_seconds=settings.webhook_timeout_seconds)
        interval = settings.webhook_interval_seconds
        pace = Pace(
            settings.webhook_concurrency,
            settings.webhook_endpoint_concurrency,
            settings.webhook_timeout_seconds,
            interval,
        )
        self.endpoints = Endpoints(database, secrets, settings.webhook_rules)
        self.feeding = Feeding(database, interval_seconds=interval, keep=timedelta(days=settings.webhook_keep_days))
        self.sending = Sending(database, secrets, poster, settings.webhook_patience, pace, instruments)
        self.vouching = Vouching(database, unseen=timedelta(days=settings.webhook_vouch_days))
        self.watching = Watching(database, instruments)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Feeds and sends until the context ends."""
        async with self.feeding.running(), self.sending.running(), self.vouching.running():
            yield
