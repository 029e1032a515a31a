"""The registry of models: what was learned, which of it speaks, who decided so, and what checks have found."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Identity, Index, Integer, Text, text
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


class ModelRow(ScoringTable, table=True):
    """One model, for ever. An empty business unit stands for every unit that has no model of its own. `verdict` says why
    it has its status, `profile` what the leads it was learned from looked like."""

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
    features: list[str] = _document()
    metrics: dict[str, Any] = _document()
    profile: dict[str, Any] = _document()
    trained_at: datetime = _time()
    trained_by: str = _text()


class ModelActivationRow(ScoringTable, table=True):
    """Somebody decided which model speaks, or, where `version` is null, that none does."""

    __tablename__ = "model_activations"

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    outcome: str = _text()
    business_unit: str = _text()
    version: str | None = Field(sa_column=Column(Text, ForeignKey("scoring.models.version")))
    activated_at: datetime = _time()
    activated_by: str = _text()
    reason: str = _text()


class ModelCheckRow(ScoringTable, table=True):
    """What the latest check found of the model that speaks: its drift, and how good it was on what has ended since."""

    __tablename__ = "model_checks"

    outcome: str = Field(sa_column=Column(Text, primary_key=True))
    business_unit: str = Field(sa_column=Column(Text, primary_key=True))
    checked_at: datetime = _time()
    findings: dict[str, Any] = _document()
