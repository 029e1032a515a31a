"""What is folded is seen within a second, by whoever asks the API and by monitoring."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from statistics import median
from uuid import uuid4

from prometheus_client import CollectorRegistry, generate_latest

from services.metrics.instruments import BusinessMetrics
from services.metrics.settings import MetricsSettings
from tests.integration.metrics.harness import POLICY, Metrics
from tests.support.exposition import sample_sum
from tests.support.patience import eventually
from tests.unit.metrics.stories import Told

SECOND = 1.0
TIMES = 7


async def test_a_folded_event_is_visible_within_a_second(metrics: Metrics) -> None:
    registry = CollectorRegistry()
    age = MetricsSettings.model_fields["snapshot_seconds"].default
    business = BusinessMetrics(metrics.database, POLICY, registry, max_age_seconds=age)
    took: dict[str, list[float]] = {"api": [], "metrics": []}

    async def asked() -> float:
        return float((await metrics.total("leads_created"))["value"])

    async def scraped() -> float:
        await business.refresh()
        return sample_sum(generate_latest(registry).decode(), "leadflow_funnel_leads", stage="created")

    for number in range(1, TIMES + 1):
        told = Told()
        told.tell(f"{uuid4()}", "LeadCreated", 1.0, channel="phone")
        await business.refresh()  # so that a snapshot without it is as new as can be
        await metrics.fold(told.facts)
        folded = time.perf_counter()
        for name, look in (("api", asked), ("metrics", scraped)):
            await seen(look, number)
            took[name].append(time.perf_counter() - folded)
    # The median, since the machine that tests run on does other things too.
    assert {name: median(each) < SECOND for name, each in took.items()} == {"api": True, "metrics": True}, took


async def seen(look: Callable[[], Awaitable[float]], number: int) -> None:
    async def is_there() -> bool:
        return await look() == number

    await eventually(is_there, within_seconds=30, every_seconds=0.02)
