"""Keys where they are kept: `api_keys` and `key_changes` in the service's schema. `prefix` is a key's public beginning; of the
rest only the digest is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Row

from shared.kit.database import Database, Transaction

K = TypeVar("K")

_ALWAYS = ("prefix", "digest", "created_at", "expires_at", "revoked_at", "replaced_by", "last_used_at")


class KeyTable(Generic[K]):
    """The keys of one service. `rights` are the columns that say what a key is good for, the first of them whose it is."""

    def __init__(self, schema: str, rights: Sequence[str], read: Callable[[Row[Any]], K]) -> None:
        self.rights = tuple(rights)
        self.read = read
        self._schema = schema
        self._columns = ", ".join((*_ALWAYS, *rights))

    async def changes(self, database: Database) -> int:
        """How often keys were changed so far."""
        (row,) = await database.rows(f"SELECT changes FROM {self._schema}.key_changes WHERE id = 1")
        changes: int = row.changes
        return changes

    async def live(self, database: Database, now: datetime) -> list[K]:
        """Every key that works, or will have to be told that it has just expired."""
        rows = await database.rows(
            f"""SELECT {self._columns} FROM {self._schema}.api_keys WHERE revoked_at IS NULL
                AND (expires_at IS NULL OR expires_at > CAST(:now AS timestamptz) - interval '1 day')""",
            now=now,
        )
        return [self.read(row) for row in rows]

    async def all(self, database: Database, *, whose: str | None, after: str, limit: int) -> list[Row[Any]]:
        """Keys in the order of their prefixes, ended ones too."""
        return await database.rows(
            f"""SELECT {self._columns} FROM {self._schema}.api_keys
                WHERE prefix > :after AND (CAST(:whose AS text) IS NULL OR {self.rights[0]} = :whose)
                ORDER BY prefix LIMIT :limit""",
            whose=whose,
            after=after,
            limit=limit,
        )

    async def locked(self, tx: Transaction, prefix: str) -> Row[Any] | None:
        """A key that nobody else changes until this transaction ends."""
        rows = await tx.rows(
            f"SELECT {self._columns} FROM {self._schema}.api_keys WHERE prefix = :prefix FOR UPDATE", prefix=prefix
        )
        return rows[0] if rows else None

    async def add(
        self, tx: Transaction, prefix: str, digest: str, rights: Mapping[str, Any], expires_at: datetime | None
    ) -> None:
        """A new key. Raises an integrity error where its prefix is taken."""
        names = ", ".join(self.rights)
        values = ", ".join(f":{name}" for name in self.rights)
        await tx.execute(
            f"""INSERT INTO {self._schema}.api_keys (prefix, digest, created_at, expires_at, {names})
                VALUES (:prefix, :digest, :now, :expires_at, {values})""",
            {"prefix": prefix, "digest": digest, "now": tx.now, "expires_at": expires_at, **rights},
        )
        await self._changed(tx)

    async def replace(self, tx: Transaction, prefix: str, *, by: str, expires_at: datetime) -> None:
        """Lets a key end, since another has taken over."""
        await tx.execute(
            f"UPDATE {self._schema}.api_keys SET replaced_by = :by, expires_at = :expires_at WHERE prefix = :prefix",
            {"prefix": prefix, "by": by, "expires_at": expires_at},
        )
        await self._changed(tx)

    async def revoke(self, tx: Transaction, prefix: str) -> None:
        """Ends a key now."""
        await tx.execute(
            f"UPDATE {self._schema}.api_keys SET revoked_at = coalesce(revoked_at, :now) WHERE prefix = :prefix",
            {"prefix": prefix, "now": tx.now},
        )
        await self._changed(tx)

    async def note_used(self, tx: Transaction, uses: Sequence[tuple[str, datetime]]) -> None:
        """When keys were last used, to the minute."""
        await tx.set_wise(
            f"""UPDATE {self._schema}.api_keys k SET last_used_at = greatest(k.last_used_at, r.at)
                FROM (SELECT prefix, max(at) AS at
                      FROM json_to_recordset(CAST(:rows AS json)) AS r(prefix text, at timestamptz)
                      GROUP BY prefix ORDER BY prefix) r
                WHERE k.prefix = r.prefix""",
            [{"prefix": prefix, "at": at} for prefix, at in uses],
        )

    async def _changed(self, tx: Transaction) -> None:
        """Tells every process to read keys again. The row's lock puts changes in one order, so that none is overlooked."""
        await tx.execute(f"UPDATE {self._schema}.key_changes SET changes = changes + 1 WHERE id = 1")
