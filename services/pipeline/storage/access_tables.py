"""API tokens, known by their digests alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Row, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from services.pipeline.domain.access import ApiToken, Grant
from services.pipeline.storage.tables import PipelineTable
from shared.kit.keys.table import KeyTable


class ApiKeyRow(PipelineTable, table=True):
    """Somebody's token. `prefix` is its public beginning, of the rest only the SHA-256 is kept; without `units` it holds in
    all of them."""

    __tablename__ = "api_keys"

    prefix: str = Field(sa_type=Text, primary_key=True)
    digest: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    subject: str = Field(sa_type=Text)
    is_person: bool
    role: str = Field(sa_type=Text)
    units: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    created_at: datetime = Field(sa_type=DateTime(timezone=True))
    expires_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    revoked_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    replaced_by: str | None = Field(default=None, sa_type=Text)
    last_used_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class KeyChangesRow(PipelineTable, table=True):
    """One row: how often tokens were changed, so that whoever holds them knows when to read them again."""

    __tablename__ = "key_changes"

    id: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    changes: int = Field(sa_type=BigInteger)


def _read(row: Row[Any]) -> ApiToken:
    units = None if row.units is None else frozenset(row.units)
    return ApiToken(row.digest, row.prefix, row.expires_at, row.subject, row.is_person, Grant(row.role, units))


TOKENS = KeyTable("pipeline", ("subject", "is_person", "role", "units"), _read)
