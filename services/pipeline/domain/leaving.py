"""How whoever was written to says that they want no more of it: ways that each message names, one of which needs nothing but a click."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

MARK_BYTES = 16
BY_MESSAGE = "recipient"
"""As whom it goes on record."""


class Written(NamedTuple):
    """To whom a message was written, and which."""

    lead_id: UUID
    message_id: UUID


class Ways(NamedTuple):
    """Addresses that a message names. At the first one a click is enough where it is `one_click`."""

    addresses: tuple[str, ...] = ()
    one_click: bool = False


@dataclass(frozen=True, slots=True)
class Leaving:
    """Makes the ways, and knows them again. `base` is where people reach this service, `besides` a way of the deployment's own."""

    secret: bytes
    base: str = ""
    besides: str = ""

    def ways(self, written: Written) -> Ways:
        """What a message names."""
        own = [f"{self.base.rstrip('/')}/{self.token(written)}"] if self.base else []
        other = [self.besides.replace("{message_id}", str(written.message_id))] if self.besides else []
        return Ways((*own, *other), one_click=bool(own))

    def token(self, written: Written) -> str:
        """What only this deployment can have written, and what it was written to whom."""
        about = written.lead_id.bytes + written.message_id.bytes
        return base64.urlsafe_b64encode(about + self._mark(about)).decode()

    def read(self, token: str) -> Written | None:
        """Whose message it was; None for what this deployment has not written."""
        try:
            told = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        about, mark = told[:32], told[32:]
        if len(told) != 32 + MARK_BYTES or not hmac.compare_digest(mark, self._mark(about)):
            return None
        return Written(UUID(bytes=about[:16]), UUID(bytes=about[16:]))

    def _mark(self, about: bytes) -> bytes:
        key = hmac.digest(self.secret, b"leadflow-leaving-1", "sha256")
        return hmac.digest(key, about, "sha256")[:MARK_BYTES]
