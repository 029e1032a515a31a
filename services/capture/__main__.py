"""`python -m services.capture` serves; `python -m services.capture migrate` ends at once, as there is no schema yet."""

from services.capture.app import create_app
from services.capture.settings import CaptureSettings
from shared.kit.main import run_service

if __name__ == "__main__":
    run_service("capture", create_app, CaptureSettings)
