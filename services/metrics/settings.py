"""METRICS_* variables."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.kit.settings import ServiceSettings


class MetricsSettings(ServiceSettings):
    """What metrics is told beside what every service is."""

    model_config = SettingsConfigDict(env_prefix="METRICS_")

    port: int = Field(8004, ge=0, le=65535)
    batch_max_records: int = Field(500, ge=1, le=10_000)
    rebuild_interval_seconds: float = Field(5.0, gt=0, description="How often a rebuild is looked for.")
    snapshot_seconds: float = Field(1.0, gt=0, description="How old the numbers on /metrics may be.")
    merge_interval_seconds: float = Field(
        1.0, gt=0, description="How often it is looked whether sketches are to be merged."
    )
    merge_at_least: int = Field(5_000, ge=1, description="How many changes are worth merging sketches for.")
    merge_within_seconds: float = Field(60.0, gt=0, description="How long fewer of them wait.")
    public_url: str = Field(
        "", description="Where people reach this API, for links in reports; empty: as they came in."
    )
