"""A webhook's message, signed and posted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.pipeline.domain.webhook_rules import Answer
from shared.contracts.standard_webhooks import signed_headers
from shared.kit import posting


class Poster(posting.Poster):
    """Sends signed messages."""

    async def post(
        self, url: str, message_id: str, body: bytes, secrets: Sequence[str], *, at: datetime, now: datetime
    ) -> Answer:
        """Sends a message, signed as of `at`, and answers with how that went; it never raises for what a receiver does."""
        headers = signed_headers(secrets, message_id, int(at.timestamp()), body)
        return Answer(*await self.send(url, body, headers, now))
