"""API keys, known by their digests alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Double, Row, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from services.capture.domain.keys import ApiKey
from services.capture.storage.tables import CaptureTable, moment, number, text
from shared.kit.keys.table import KeyTable


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


def as_key(row: Row[Any]) -> ApiKey:
    """A row as the door knows it."""
    return ApiKey(row.sender, row.digest, frozenset(row.scopes), row.prefix, row.rate_per_second, row.expires_at)


KEYS = KeyTable("capture", ("sender", "scopes", "rate_per_second"), as_key)
