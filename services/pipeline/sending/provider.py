"""Sending by a provider, or by anything else that takes a signed webhook."""

from __future__ import annotations

import orjson

from services.pipeline.domain.messages import Mail
from services.pipeline.sending.transport import Result
from services.pipeline.webhooks.posting import Poster
from shared.kit.clock import Clock

NEVER = frozenset({400, 404, 413, 415, 422})
"""Answers that say that this message is refused, whenever it comes."""


class ProviderTransport:
    """Posts each message, signed; its id is the message's, so that the provider sends it once however often it comes."""

    def __init__(self, poster: Poster, url: str, secret: str, sender: str, clock: Clock) -> None:
        self._poster = poster
        self._url = url
        self._secret = secret
        self._sender = sender
        self._clock = clock

    async def send(self, mail: Mail) -> Result:
        """Whoever answers 2xx has it."""
        now = self._clock.now()
        data = {
            "message_id": mail.message_id,
            "from": self._sender,
            "to": mail.to,
            "subject": mail.subject,
            "text": mail.text,
            "language": mail.language,
        }
        if mail.ways.addresses:
            data["list_unsubscribe"] = mail.ways.addresses[0]
        if mail.ways.one_click:
            data["list_unsubscribe_post"] = "List-Unsubscribe=One-Click"
        body = orjson.dumps({"type": "message.send", "timestamp": now, "data": data})
        answer = await self._poster.post(self._url, str(mail.message_id), body, [self._secret], at=now, now=now)
        if answer.is_taken:
            return Result("sent")
        error = answer.error or f"answered {answer.status}"
        return Result("failed" if answer.status in NEVER else "later", error, answer.retry_after)

    async def close(self) -> None:
        """Gives the connections back."""
        await self._poster.close()
