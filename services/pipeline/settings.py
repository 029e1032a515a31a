"""What pipeline is told by its environment: `PIPELINE_*` beside what every service is told."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.kit.settings import ServiceSettings


class PipelineSettings(ServiceSettings):
    """Where pipeline listens and how it works."""

    model_config = SettingsConfigDict(env_prefix="PIPELINE_", extra="ignore", populate_by_name=True)

    port: int = Field(8003, ge=0, le=65535)
    stranded_interval_seconds: float = Field(1.0, gt=0)
    timer_interval_seconds: float = Field(0.25, gt=0, description="How often what is due is looked at.")
    matching_interval_seconds: float = Field(
        1.0, gt=0, description="How often leads that may be one person are looked for."
    )
    waiting_personal_days: float = Field(
        30.0, gt=0, description="How long what waits for its lead still says who it is about."
    )
