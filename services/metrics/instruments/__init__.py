"""What metrics shows on /metrics, all of it from what is committed, so that every replica shows the same."""

from __future__ import annotations

from services.metrics.instruments.business import BusinessMetrics
from services.metrics.instruments.freezing import FreezingMetrics
from services.metrics.instruments.noticed import NoticedMetrics
from services.metrics.instruments.reports import ReportMetrics

__all__ = ["BusinessMetrics", "FreezingMetrics", "NoticedMetrics", "ReportMetrics"]
