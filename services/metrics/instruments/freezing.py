"""What is to be frozen, and what was not in time, on /metrics: from what is committed, so that every replica shows the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.metrics.freezing import Freezing, Standing
from shared.kit.looking import Looking


class FreezingMetrics(Collector):
    """A collector that shows how freezing stood when it was last looked. Take the highest of several replicas, not their sum."""

    def __init__(self, freezing: Freezing, registry: CollectorRegistry, *, max_age_seconds: float) -> None:
        self._freezing = freezing
        self._looking = Looking(max_age_seconds=max_age_seconds)
        self._seen: Standing | None = None
        registry.register(self)

    async def refresh(self) -> None:
        """Looks again where that was long ago. A database that is away leaves what was seen last."""
        if (seen := await self._looking.at(self._freezing.standing)) is not None:
            self._seen = seen

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before the first look; naming no metric keeps registration from asking for one."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What was seen."""
        if self._seen is None:
            return
        yield GaugeMetricFamily(
            "leadflow_frozen_missed",
            "Forecasts and sets of numbers that were to be frozen in the last eight days and were not in time.",
            self._seen.missed,
        )
        oldest = self._seen.oldest_due
        yield GaugeMetricFamily(
            "leadflow_frozen_oldest_due_timestamp_seconds",
            "Since when the oldest that is not frozen yet, and still may be, is due, Unix time; 0 where none is.",
            oldest.timestamp() if oldest is not None else 0.0,
        )
