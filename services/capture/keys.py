"""What operators do with the keys of those who send."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from services.capture.answers import needs_database
from services.capture.domain.keys import ApiKey
from services.capture.storage import KEYS
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.keys.commands import KeyCommands, Shown
from shared.kit.keys.ring import KeyRing

WHERE = "`leadflow keys list` shows them; keys of CAPTURE_KEYS are changed there, with a restart."


class SenderKeys(KeyCommands[ApiKey]):
    """Commands on stored keys, beside which there are those of the environment."""

    def __init__(
        self, database: Database | None, ring: KeyRing[ApiKey], clock: Clock, chance: Callable[[int], bytes]
    ) -> None:
        super().__init__(KEYS, database, ring, clock, chance, where=WHERE, missing=_no_database)
        self._fixed = ring.fixed

    async def make(
        self, sender: str, scopes: frozenset[str], *, rate_per_second: float | None, expires_at: datetime | None
    ) -> Shown:
        """A new key of a sender."""
        rights = {"sender": sender, "scopes": sorted(scopes), "rate_per_second": rate_per_second}
        return await self.create(rights, expires_at=expires_at)

    async def every(self, *, sender: str | None, after: str, limit: int) -> Shown:
        """A page of keys; those of the environment before the first."""
        fixed = [_fixed(key) for key in self._fixed.values() if sender in (None, key.sender)]
        return await self.listing(whose=sender, after=after, limit=limit, fixed=fixed)


def _no_database() -> Exception:
    return needs_database("keys", otherwise=", or use CAPTURE_KEYS")


def _fixed(key: ApiKey) -> dict[str, Any]:
    """A key of the environment: it has no prefix, so the beginning of its digest names it."""
    return {
        "prefix": f"sha256:{key.digest[:8]}",
        "origin": "environment",
        "sender": key.sender,
        "scopes": sorted(key.scopes),
        "rate_per_second": key.rate_per_second,
        "status": "live",
        "created_at": None,
        "expires_at": None,
        "revoked_at": None,
        "replaced_by": None,
        "last_used_at": None,
    }
