"""All of sending, put together from the settings; without a way to send, steps that would go to people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from services.pipeline.assigning import Assigning
from services.pipeline.contacting import Contacting
from services.pipeline.domain.leaving import Leaving
from services.pipeline.domain.mail_server import Server
from services.pipeline.instruments import MessageInstruments
from services.pipeline.sending.deciding import Deciding
from services.pipeline.sending.posting import Posting
from services.pipeline.sending.provider import ProviderTransport
from services.pipeline.sending.smtp import SmtpTransport
from services.pipeline.sending.transport import Transport
from services.pipeline.settings import PipelineSettings
from services.pipeline.storage import messages
from services.pipeline.webhooks.posting import Poster
from shared.contracts.policy import Policy
from shared.kit.database import Database
from shared.kit.looking import Looking


class Messages:
    """Decides on messages, and sends them."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        assigning: Assigning,
        contacting: Contacting,
        settings: PipelineSettings,
        instruments: MessageInstruments,
    ) -> None:
        self._database = database
        self._instruments = instruments
        self._looking = Looking()
        transport = _transport(settings, database)
        self.deciding = Deciding(assigning, contacting, sends=transport is not None)
        self.posting: Posting | None = None
        if transport is not None:
            self.posting = Posting(
                database,
                policy,
                assigning,
                contacting,
                transport,
                instruments,
                leaving=leaving_of(settings),
                schedule=settings.mail_schedule,
                interval_seconds=settings.mail_interval_seconds,
                keep=timedelta(days=settings.webhook_keep_days),
            )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sends until the context ends."""
        if self.posting is None:
            yield
            return
        async with self.posting.running():
            yield

    async def refresh(self) -> None:
        """Looks how much waits. A database that is away leaves what was seen last."""
        found = await self._looking.at(lambda: messages.waiting(self._database))
        if found is None:
            return
        number, since = found
        self._instruments.waiting.set(number)
        self._instruments.waiting_since.set(since.timestamp() if since is not None else 0.0)


def _transport(settings: PipelineSettings, database: Database) -> Transport | None:
    if url := settings.mail_smtp_url.get_secret_value():
        return SmtpTransport(Server.of(url), settings.mail_from)
    if not settings.mail_provider_url:
        return None
    poster = Poster(settings.webhook_rules, timeout_seconds=settings.webhook_timeout_seconds)
    secret = settings.mail_provider_secret.get_secret_value()
    return ProviderTransport(poster, settings.mail_provider_url, secret, settings.mail_from, database.clock)


def leaving_of(settings: PipelineSettings) -> Leaving:
    """How people say that they want no more."""
    secret = settings.identity_secret.get_secret_value().encode()
    return Leaving(secret, settings.mail_unsubscribe_url, settings.mail_unsubscribe)
