"""What the tables of schema `capture` share, and the columns they are made of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, MetaData, Text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

SCHEMA = "capture"


class CaptureTable(SQLModel, registry=registry(metadata=MetaData(schema=SCHEMA))):
    """A table of this service."""


def text(*, nullable: bool = False, primary_key: bool = False) -> Any:
    """A column of text."""
    return Field(sa_column=Column(Text, nullable=nullable, primary_key=primary_key))


def moment(*, nullable: bool = False, primary_key: bool = False) -> Any:
    """A column that holds a point in time."""
    return Field(sa_column=Column(DateTime(timezone=True), nullable=nullable, primary_key=primary_key))


def number() -> Any:
    """A column that holds a whole number, however large."""
    return Field(sa_column=Column(BigInteger, nullable=False))
