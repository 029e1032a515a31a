"""What operators do with API keys: make, list, rotate, revoke. A key's text leaves here once, in the answer that made it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from services.capture import storage
from services.capture.answers import needs_database
from services.capture.domain.keys import MINT_BYTES, ApiKey, Minted, mint, overlap_end, successor_expiry
from services.capture.keyring import KeyRing
from shared.kit.clock import Clock
from shared.kit.database import Database, Transaction
from shared.kit.errors import Rejected

Shown = dict[str, Any]


class KeyCommands:
    """Commands on stored keys. What they change holds in this process at once, in others within two seconds."""

    def __init__(self, database: Database | None, ring: KeyRing, clock: Clock, chance: Callable[[int], bytes]) -> None:
        self._database = database
        self._ring = ring
        self._clock = clock
        self._chance = chance

    async def create(
        self, sender: str, scopes: frozenset[str], *, rate_per_second: float | None, expires_at: datetime | None
    ) -> Shown:
        """A new key. Raises `Rejected` for an expiry that has passed."""
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise Rejected("expires_at has passed.", field="expires_at", fix="Send a time to come, or leave it out.")
        minted = mint(self._chance(MINT_BYTES))
        key = ApiKey(sender, minted.digest, scopes, minted.prefix, rate_per_second, expires_at)
        await self._stored().run(lambda tx: storage.add_key(tx, key))
        self._ring.look_now()
        return _told(minted, key)

    async def rotate(self, prefix: str, overlap: timedelta, expires_at: datetime | None) -> Shown:
        """A key with the same rights in the place of another, which goes on working until the overlap ends. Raises
        `Rejected`: 404 for an unknown one, 409 for one that does not work or was replaced already."""
        now = self._clock.now()
        minted = mint(self._chance(MINT_BYTES))

        async def work(tx: Transaction) -> tuple[ApiKey, datetime]:
            row = await self._locked(tx, prefix)
            _check_live(row, now)
            if row.replaced_by is not None:
                successor = await storage.locked_key(tx, row.replaced_by)
                if successor is not None and successor.revoked_at is None:
                    raise Rejected(
                        f"Key {prefix} was replaced by {row.replaced_by} already.",
                        status=409,
                        code="replaced",
                        fix=f"Rotate {row.replaced_by}, or revoke it first if nobody has it.",
                    )
            lifetime = expires_at or successor_expiry(now, row.created_at, row.expires_at)
            key = replace(storage.as_key(row), digest=minted.digest, prefix=minted.prefix, expires_at=lifetime)
            ends = overlap_end(now, overlap, row.expires_at)
            await storage.add_key(tx, key)
            await storage.replace_key(tx, prefix, by=minted.prefix, expires_at=ends)
            return key, ends

        key, ends = await self._stored().run(work)
        self._ring.look_now()
        return {**_told(minted, key), "replaces": {"prefix": prefix, "expires_at": ends}}

    async def revoke(self, prefix: str) -> Shown:
        """Ends a key; one that has ended stays as it is. Raises `Rejected` with 404 for an unknown one."""

        async def work(tx: Transaction) -> None:
            await self._locked(tx, prefix)
            await storage.revoke_key(tx, prefix)

        await self._stored().run(work)
        self._ring.look_now()
        return {"prefix": prefix, "status": "revoked"}

    async def listing(self, *, sender: str | None, after: str, limit: int) -> Shown:
        """A page of keys in the order of their prefixes; those of the environment before the first."""
        now = self._clock.now()
        fixed = [] if after else [key for key in self._ring.fixed.values() if sender in (None, key.sender)]
        rows = []
        if self._database is not None:
            rows = await storage.all_keys(self._database, sender=sender, after=after, limit=limit)
        return {
            "items": [*map(_fixed, fixed), *(_shown(row, now) for row in rows)],
            "next_after": rows[-1].prefix if len(rows) == limit else None,
        }

    def _stored(self) -> Database:
        if self._database is None:
            raise needs_database("keys", otherwise=", or use CAPTURE_KEYS")
        return self._database

    async def _locked(self, tx: Transaction, prefix: str) -> Row[Any]:
        row = await storage.locked_key(tx, prefix)
        if row is None:
            raise Rejected(
                f"There is no key {prefix}.",
                status=404,
                code="not-found",
                fix="`leadflow keys list` shows them; keys of CAPTURE_KEYS are changed there, with a restart.",
            )
        return row


def _check_live(row: Row[Any], now: datetime) -> None:
    state = _state(row, now)
    if state != "live":
        raise Rejected(
            f"Key {row.prefix} is {state}; there is nothing to hand over.",
            status=409,
            code="key-ended",
            fix="Create a new key.",
        )


def _state(row: Row[Any], now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "live"


def _told(minted: Minted, key: ApiKey) -> Shown:
    """The one answer that has the key itself."""
    return {
        "key": minted.key,
        "prefix": minted.prefix,
        "sender": key.sender,
        "scopes": sorted(key.scopes),
        "rate_per_second": key.rate_per_second,
        "expires_at": key.expires_at,
    }


def _shown(row: Row[Any], now: datetime) -> Shown:
    return {
        "prefix": row.prefix,
        "origin": "database",
        "sender": row.sender,
        "scopes": row.scopes,
        "rate_per_second": row.rate_per_second,
        "status": _state(row, now),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "replaced_by": row.replaced_by,
        "last_used_at": row.last_used_at,
    }


def _fixed(key: ApiKey) -> Shown:
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
