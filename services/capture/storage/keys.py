"""API keys, known by their digests alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Double, Row, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from services.capture.domain.keys import ApiKey
from services.capture.storage.tables import CaptureTable, moment, number, text
from shared.kit.database import Database, Transaction


class ApiKeyRow(CaptureTable, table=True):
    """A sender's key. `prefix` is its public beginning; of the rest only the SHA-256 is kept."""

    __tablename__ = "api_keys"

    prefix: str = text(primary_key=True)
    digest: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    sender: str = text()
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    rate_per_second: float | None = Field(sa_column=Column(Double))
    created_at: datetime = moment()
    expires_at: datetime | None = moment(nullable=True)
    revoked_at: datetime | None = moment(nullable=True)
    replaced_by: str | None = text(nullable=True)
    last_used_at: datetime | None = moment(nullable=True)


class KeyChangesRow(CaptureTable, table=True):
    """One row: how often keys were changed, so that whoever holds them knows when to read them again."""

    __tablename__ = "key_changes"

    id: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    changes: int = number()


COLUMNS = (
    "prefix, digest, sender, scopes, rate_per_second, created_at, expires_at, revoked_at, replaced_by, last_used_at"
)


async def key_changes(database: Database) -> int:
    """How often keys were changed so far."""
    (row,) = await database.rows("SELECT changes FROM capture.key_changes WHERE id = 1")
    changes: int = row.changes
    return changes


async def live_keys(database: Database, now: datetime) -> list[ApiKey]:
    """Every key that works, or will have to be told that it has just expired."""
    rows = await database.rows(
        f"""SELECT {COLUMNS} FROM capture.api_keys
            WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > CAST(:now AS timestamptz) - interval '1 day')""",
        now=now,
    )
    return [as_key(row) for row in rows]


def as_key(row: Row[Any]) -> ApiKey:
    """A row as the door knows it."""
    return ApiKey(row.sender, row.digest, frozenset(row.scopes), row.prefix, row.rate_per_second, row.expires_at)


async def all_keys(database: Database, *, sender: str | None, after: str, limit: int) -> list[Row[Any]]:
    """Keys in the order of their prefixes, ended ones too."""
    return await database.rows(
        f"""SELECT {COLUMNS} FROM capture.api_keys
            WHERE prefix > :after AND (CAST(:sender AS text) IS NULL OR sender = :sender) ORDER BY prefix LIMIT :limit""",
        sender=sender,
        after=after,
        limit=limit,
    )


async def locked_key(tx: Transaction, prefix: str) -> Row[Any] | None:
    """A key that nobody else changes until this transaction ends."""
    rows = await tx.rows(f"SELECT {COLUMNS} FROM capture.api_keys WHERE prefix = :prefix FOR UPDATE", prefix=prefix)
    return rows[0] if rows else None


async def add_key(tx: Transaction, key: ApiKey) -> None:
    """A new key. Raises an integrity error where its prefix is taken."""
    await tx.execute(
        """INSERT INTO capture.api_keys (prefix, digest, sender, scopes, rate_per_second, created_at, expires_at)
           VALUES (:prefix, :digest, :sender, :scopes, :rate, :now, :expires_at)""",
        {
            "prefix": key.prefix,
            "digest": key.digest,
            "sender": key.sender,
            "scopes": sorted(key.scopes),
            "rate": key.rate_per_second,
            "now": tx.now,
            "expires_at": key.expires_at,
        },
    )
    await _changed(tx)


async def replace_key(tx: Transaction, prefix: str, *, by: str, expires_at: datetime) -> None:
    """Lets a key end, since another has taken over."""
    await tx.execute(
        "UPDATE capture.api_keys SET replaced_by = :by, expires_at = :expires_at WHERE prefix = :prefix",
        {"prefix": prefix, "by": by, "expires_at": expires_at},
    )
    await _changed(tx)


async def revoke_key(tx: Transaction, prefix: str) -> None:
    """Ends a key now."""
    await tx.execute(
        "UPDATE capture.api_keys SET revoked_at = coalesce(revoked_at, :now) WHERE prefix = :prefix",
        {"prefix": prefix, "now": tx.now},
    )
    await _changed(tx)


async def note_used(tx: Transaction, uses: Sequence[tuple[str, datetime]]) -> None:
    """When keys were last used, to the minute."""
    await tx.set_wise(
        """UPDATE capture.api_keys k SET last_used_at = greatest(k.last_used_at, r.at)
           FROM (SELECT prefix, max(at) AS at FROM json_to_recordset(CAST(:rows AS json)) AS r(prefix text, at timestamptz)
                 GROUP BY prefix ORDER BY prefix) r
           WHERE k.prefix = r.prefix""",
        [{"prefix": prefix, "at": at} for prefix, at in uses],
    )


async def _changed(tx: Transaction) -> None:
    """Tells every process to read keys again. The row's lock puts changes in one order, so that none is overlooked."""
    await tx.execute("UPDATE capture.key_changes SET changes = changes + 1 WHERE id = 1")
