"""`SCORING_*`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.kit.settings import PersonalSettings


class ScoringSettings(PersonalSettings):
    """What scoring is told by its environment, beside what every service is told."""

    model_config = SettingsConfigDict(env_prefix="SCORING_")

    port: int = Field(8002, ge=0, le=65535, description="The port it listens on; 0 is any that is free.")
    sweep_interval_seconds: float = Field(
        30.0, gt=0, description="How often leads are looked for whose score time changed."
    )
    sweep_batch: int = Field(200, ge=1, le=5_000, description="How many of them one transaction scores.")
    model_poll_seconds: float = Field(5.0, gt=0, description="How often it is looked which models speak.")
    model_watch_seconds: float = Field(3_600.0, gt=0, description="How often it is looked how well they foretell.")
    model_watch_people: int = Field(20_000, ge=100, le=1_000_000, description="On how many people about, at most.")
    audit_interval_seconds: float = Field(10.0, gt=0, description="How often some scores are made again and compared.")
    audit_batch: int = Field(100, ge=1, le=5_000, description="How many of them at once.")
    train_every_hours: float = Field(24.0, ge=0, le=8_760, description="How often models are learned; 0 is never.")
    train_most_minutes: float = Field(120.0, gt=0, le=10_080, description="How long a training may take.")
    train_memory_megabytes: int = Field(2_048, ge=512, le=262_144, description="How much memory it may have.")
