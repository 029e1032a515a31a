"""Findings on /metrics: how many are open, and when it was last looked for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.metrics.domain.findings import Kind
from services.metrics.domain.noticing import Severity
from services.metrics.storage import noticed as storage
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.looking import Looking


class NoticedMetrics(Collector):
    """How many findings are open, from what is committed: every replica shows the same. Take the highest, not the sum."""

    def __init__(
        self, database: Database, clock: Clock, registry: CollectorRegistry, *, max_age_seconds: float
    ) -> None:
        self._database = database
        self._clock = clock
        self._looking = Looking(max_age_seconds=max_age_seconds)
        self._seen: tuple[storage.Look, dict[tuple[str, str], int]] | None = None
        registry.register(self)

    async def refresh(self) -> None:
        """Looks again. A database that is away leaves what was seen last."""
        if (seen := await self._looking.at(self._look)) is not None:
            self._seen = seen

    async def _look(self) -> tuple[storage.Look, dict[tuple[str, str], int]]:
        return await storage.last_look(self._database), await storage.open_now(self._database, self._clock.now())

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before the first look; naming no metric keeps registration from asking for one."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What was seen; also of a kind that only a newer version looks for."""
        if self._seen is None:
            return
        look, found = self._seen
        counted: dict[tuple[str, str], int] = {(kind, one): 0 for kind in Kind for one in Severity} | found
        family = GaugeMetricFamily(
            "leadflow_findings_open",
            "Findings that go on and that nobody has acknowledged or dismissed, by what changed and how much that is to be minded.",
            labels=["kind", "severity"],
        )
        for labels, count in sorted(counted.items()):
            family.add_metric(labels, count)
        yield family
        if look.looked_at is not None:
            yield GaugeMetricFamily(
                "leadflow_findings_looked_timestamp_seconds",
                "When it was last looked for findings, Unix time.",
                look.looked_at.timestamp(),
            )
