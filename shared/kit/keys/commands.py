"""What operators do with keys: make, list, rotate, revoke. A key's text leaves here once, in the answer that made it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic

from sqlalchemy import Row

from shared.kit.clock import Clock
from shared.kit.database import Database, Transaction
from shared.kit.errors import Rejected
from shared.kit.keys.minting import MINT_BYTES, Minted, mint, overlap_end, successor_expiry
from shared.kit.keys.ring import K, KeyRing
from shared.kit.keys.table import KeyTable

Shown = dict[str, Any]


class KeyCommands(Generic[K]):
    """Commands on stored keys. What they change holds in this process at once, in others within two seconds. `where` is told
    to whoever names a key that is not there; `missing` is what is raised where there is no database."""

    def __init__(
        self,
        table: KeyTable[K],
        database: Database | None,
        ring: KeyRing[K],
        clock: Clock,
        chance: Callable[[int], bytes],
        *,
        where: str,
        missing: Callable[[], Exception] | None = None,
    ) -> None:
        self._table = table
        self._database = database
        self._ring = ring
        self._clock = clock
        self._chance = chance
        self._where = where
        self._missing = missing

    async def create(
        self,
        rights: Mapping[str, Any],
        *,
        expires_at: datetime | None,
        once: Callable[[Transaction, str], Awaitable[None]] | None = None,
    ) -> Shown:
        """A new key. Raises `Rejected` for an expiry that has passed. `once` may refuse it in the same transaction."""
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise Rejected("expires_at has passed.", field="expires_at", fix="Send a time to come, or leave it out.")
        minted = mint(self._chance(MINT_BYTES))

        async def work(tx: Transaction) -> None:
            if once is not None:
                await once(tx, minted.prefix)
            await self._table.add(tx, minted.prefix, minted.digest, rights, expires_at)

        await self._stored().run(work)
        self._ring.look_now()
        return _told(minted, rights, expires_at)

    async def rotate(self, prefix: str, overlap: timedelta, expires_at: datetime | None) -> Shown:
        """A key with the same rights in the place of another, which goes on working until the overlap ends. Raises
        `Rejected`: 404 for an unknown one, 409 for one that does not work or was replaced already."""
        now = self._clock.now()
        minted = mint(self._chance(MINT_BYTES))

        async def work(tx: Transaction) -> tuple[Shown, datetime | None, datetime]:
            row = await self._locked(tx, prefix)
            _check_live(row, now)
            if row.replaced_by is not None:
                successor = await self._table.locked(tx, row.replaced_by)
                if successor is not None and successor.revoked_at is None:
                    raise Rejected(
                        f"Key {prefix} was replaced by {row.replaced_by} already.",
                        status=409,
                        code="replaced",
                        fix=f"Rotate {row.replaced_by}, or revoke it first if nobody has it.",
                    )
            rights = self._rights(row)
            lifetime = expires_at or successor_expiry(now, row.created_at, row.expires_at)
            ends = overlap_end(now, overlap, row.expires_at)
            await self._table.add(tx, minted.prefix, minted.digest, rights, lifetime)
            await self._table.replace(tx, prefix, by=minted.prefix, expires_at=ends)
            return rights, lifetime, ends

        rights, lifetime, ends = await self._stored().run(work)
        self._ring.look_now()
        return {**_told(minted, rights, lifetime), "replaces": {"prefix": prefix, "expires_at": ends}}

    async def revoke(self, prefix: str) -> Shown:
        """Ends a key; one that has ended stays as it is. Raises `Rejected` with 404 for an unknown one."""

        async def work(tx: Transaction) -> None:
            await self._locked(tx, prefix)
            await self._table.revoke(tx, prefix)

        await self._stored().run(work)
        self._ring.look_now()
        return {"prefix": prefix, "status": "revoked"}

    async def listing(self, *, whose: str | None, after: str, limit: int, fixed: Sequence[Shown] = ()) -> Shown:
        """A page of keys in the order of their prefixes; those that are kept elsewhere, `fixed`, before the first."""
        now = self._clock.now()
        rows = []
        if self._database is not None:
            rows = await self._table.all(self._database, whose=whose, after=after, limit=limit)
        return {
            "items": [*([] if after else fixed), *(self._shown(row, now) for row in rows)],
            "next_after": rows[-1].prefix if len(rows) == limit else None,
        }

    def _stored(self) -> Database:
        if self._database is None:
            assert self._missing is not None
            raise self._missing()
        return self._database

    async def _locked(self, tx: Transaction, prefix: str) -> Row[Any]:
        row = await self._table.locked(tx, prefix)
        if row is None:
            raise Rejected(f"There is no key {prefix}.", status=404, code="not-found", fix=self._where)
        return row

    def _rights(self, row: Row[Any]) -> Shown:
        return {name: getattr(row, name) for name in self._table.rights}

    def _shown(self, row: Row[Any], now: datetime) -> Shown:
        times = {name: getattr(row, name) for name in ("created_at", "expires_at", "revoked_at", "last_used_at")}
        return {
            "prefix": row.prefix,
            "origin": "database",
            **self._rights(row),
            "status": _state(row, now),
            "replaced_by": row.replaced_by,
            **times,
        }


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


def _told(minted: Minted, rights: Mapping[str, Any], expires_at: datetime | None) -> Shown:
    """The one answer that has the key itself."""
    return {"key": minted.key, "prefix": minted.prefix, **rights, "expires_at": expires_at}
