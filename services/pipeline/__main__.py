"""`python -m services.pipeline` serves; with `migrate` it prepares its schema and ends."""

from __future__ import annotations

from pathlib import Path

from services.pipeline.settings import PipelineSettings
from shared.kit.main import run_service

if __name__ == "__main__":
    run_service(
        "pipeline",
        "services.pipeline.app:create_app",
        PipelineSettings,
        migrations=Path(__file__).parent / "migrations",
    )
