"""What every way of sending does: takes a message, or says that it will never arrive, or to come again."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, NamedTuple, Protocol

from services.pipeline.domain.messages import Mail

AT_ONCE = 10
"""So many messages are handed over beside each other."""


class Result(NamedTuple):
    """How sending went: `sent`; `bounced`, where there is nobody of this address, or `failed`, both for good; or `later`. `error` is a
    kind of error and never what anybody said, which may name somebody."""

    outcome: Literal["sent", "bounced", "failed", "later"]
    error: str | None = None
    retry_after: timedelta | None = None


class Transport(Protocol):
    """A way of sending."""

    async def send(self, mail: Mail) -> Result:
        """Sends a message; it never raises for what the other side does."""
        ...

    async def close(self) -> None:
        """Gives everything back."""
        ...
