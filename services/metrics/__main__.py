"""`python -m services.metrics` serves; `python -m services.metrics migrate` prepares the schema."""

from __future__ import annotations

from pathlib import Path

from services.metrics.settings import MetricsSettings
from shared.kit.main import run_service

if __name__ == "__main__":
    run_service(
        "metrics", "services.metrics.app:create_app", MetricsSettings, migrations=Path(__file__).parent / "migrations"
    )
