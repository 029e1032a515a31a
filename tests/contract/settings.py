"""What each service is told by its environment, by the service's name."""

from __future__ import annotations

from services.capture.settings import CaptureSettings
from services.metrics.settings import MetricsSettings
from services.pipeline.settings import PipelineSettings
from services.scoring.settings import ScoringSettings
from shared.kit.settings import ServiceSettings

SETTINGS: dict[str, type[ServiceSettings]] = {
    "capture": CaptureSettings,
    "scoring": ScoringSettings,
    "pipeline": PipelineSettings,
    "metrics": MetricsSettings,
}
