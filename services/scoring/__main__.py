"""`python -m services.scoring` serves; `python -m services.scoring migrate` brings its schema up to date."""

from __future__ import annotations

from pathlib import Path

from services.scoring.settings import ScoringSettings
from shared.kit.main import run_service

if __name__ == "__main__":
    run_service(
        "scoring", "services.scoring.app:create_app", ScoringSettings, migrations=Path(__file__).parent / "migrations"
    )
