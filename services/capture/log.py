"""Where events go, as intake sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol, TypeAlias

Spooled: TypeAlias = Literal["spooled"]
SPOOLED: Final[Spooled] = "spooled"
"""The log did not take the event; it is safe on this machine's disk, and the log gets it later."""

Outcome: TypeAlias = Exception | Spooled | None
"""What became of one event: None when the log has it, else `SPOOLED`, else what `send` would raise."""


class Log(Protocol):
    """An event is there when the call returns without an error."""

    async def send(self, topic: str, key: bytes, value: bytes) -> Spooled | None:
        """Raises `Retryable` when the event was not taken in time, `Rejected` when it never can be."""
        ...

    async def send_many(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> Sequence[Outcome]:
        """Many events, in order by key; one outcome each."""
        ...
