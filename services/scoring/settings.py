"""`SCORING_*`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.kit.settings import PersonalSettings


class ScoringSettings(PersonalSettings):
    """What scoring is told by its environment, beside what every service is told."""

    model_config = SettingsConfigDict(env_prefix="SCORING_")

    port: int = 8002
    sweep_interval_seconds: float = Field(30.0, gt=0)
    sweep_batch: int = Field(200, ge=1, le=5_000)
    model_poll_seconds: float = Field(5.0, gt=0)
    model_watch_seconds: float = Field(3_600.0, gt=0)
    model_watch_people: int = Field(20_000, ge=100, le=1_000_000)
    audit_interval_seconds: float = Field(10.0, gt=0)
    audit_batch: int = Field(100, ge=1, le=5_000)
    train_every_hours: float = Field(24.0, ge=0, le=8_760)
    train_most_minutes: float = Field(120.0, gt=0, le=10_080)
    train_memory_megabytes: int = Field(2_048, ge=512, le=262_144)
