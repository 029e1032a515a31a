"""The registry of models: what was learned, which of it speaks, who decided so, and what the last training came to."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, DateTime, ForeignKey, Identity, Index, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.scoring.storage.tables import ScoringTable


def _time() -> Any:
    return Field(sa_column=Column(DateTime(timezone=True), nullable=False))


def _text() -> Any:
    return Field(sa_column=Column(Text, nullable=False))


def _document() -> Any:
    return Field(sa_column=Column(JSONB, nullable=False))


def _count() -> Any:
    return Field(sa_column=Column(Integer, nullable=False))


def _version() -> Any:
    return Field(sa_column=Column(Text, ForeignKey("scoring.models.version")))


class ModelRow(ScoringTable, table=True):
    """One model, for ever. It is `active`, or a `challenger` that never spoke, or `retired`; `verdict` says why it was
    activated or not when it was trained. An empty business unit stands for every unit that has no model of its own.
    `profile` is what the leads of its data looked like: how many fell into each cell of each feature."""

    __tablename__ = "models"
    __table_args__ = (
        Index("models_active", "outcome", "business_unit", unique=True, postgresql_where=text("status = 'active'")),
    )

    version: str = Field(sa_column=Column(Text, primary_key=True))
    outcome: str = _text()
    business_unit: str = _text()
    status: str = _text()
    verdict: str = _text()
    artefact: str = _text()
    checksum: str = _text()
    format_version: int = _count()
    horizon_days: int = _count()
    data_from: datetime = _time()
    data_to: datetime = _time()
    examples: int = _count()
    positives: int = _count()
    features: list[dict[str, Any]] = _document()
    metrics: dict[str, Any] = _document()
    profile: dict[str, Any] = _document()
    trained_at: datetime = _time()
    trained_by: str = _text()


class ModelActivationRow(ScoringTable, table=True):
    """Somebody, or the training, decided which model speaks, or, where `version` is null, that none does. `kind` is
    `activated` or `rolled_back`; `replaced` is the one that spoke before."""

    __tablename__ = "model_activations"

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    outcome: str = _text()
    business_unit: str = _text()
    kind: str = _text()
    version: str | None = _version()
    replaced: str | None = _version()
    at: datetime = _time()
    by: str = _text()
    reason: str = _text()


class TrainingRow(ScoringTable, table=True):
    """What the last training for an outcome and a unit came to, in words and numbers."""

    __tablename__ = "trainings"

    outcome: str = Field(sa_column=Column(Text, primary_key=True))
    business_unit: str = Field(sa_column=Column(Text, primary_key=True))
    at: datetime = _time()
    result: str = _text()
    words: str = _text()
    numbers: dict[str, Any] = _document()
    version: str | None = _version()


class TrainingRunRow(ScoringTable, table=True):
    """A training that somebody, or the schedule, asked for: of one unit, or where there is none of all and the whole.
    `seen_at` is when somebody was last at it."""

    __tablename__ = "training_runs"

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    business_unit: str | None = Field(sa_column=Column(Text))
    dry_run: bool = Field(sa_column=Column(Boolean, nullable=False))
    asked_by: str = _text()
    asked_at: datetime = _time()
    status: str = _text()
    started_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    seen_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    finished_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    words: str | None = Field(sa_column=Column(Text))
    results: list[dict[str, Any]] | None = Field(sa_column=Column(JSONB))
