"""`python -m services.capture` serves; `python -m services.capture migrate` prepares the schema."""

from __future__ import annotations

from pathlib import Path

from services.capture.settings import CaptureSettings
from shared.kit.main import run_service

if __name__ == "__main__":
    run_service(
        "capture", "services.capture.app:create_app", CaptureSettings, migrations=Path(__file__).parent / "migrations"
    )
