"""Reports that are to be sent on /metrics: counted from what is committed, so that every replica shows the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.metrics.storage.reports import standing
from shared.kit.database import Database
from shared.kit.looking import Looking

STATES = ("due", "sent", "failed")


class ReportMetrics(Collector):
    """A collector that shows how deliveries stood when it was last looked. Take the highest of several replicas, not their sum."""

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._looking = Looking(max_age_seconds=0)
        self._seen: Mapping[str, Any] | None = None
        registry.register(self)

    async def refresh(self) -> None:
        """Looks again. A database that is away leaves what was seen last."""
        if (seen := await self._looking.at(lambda: standing(self._database))) is not None:
            self._seen = seen

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before the first look; naming no metric keeps registration from asking for one."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What was seen."""
        if self._seen is None:
            return
        found = GaugeMetricFamily(
            "leadflow_report_deliveries",
            "Reports by how their delivery stands; failed ones were given up.",
            labels=["state"],
        )
        for state in STATES:
            found.add_metric([state], self._seen[state])
        yield found
        oldest: datetime | None = self._seen["oldest"]
        yield GaugeMetricFamily(
            "leadflow_report_oldest_due_timestamp_seconds",
            "Since when the oldest report that has not arrived is due, Unix time; 0 where none is.",
            oldest.astimezone(UTC).timestamp() if oldest is not None else 0.0,
        )
