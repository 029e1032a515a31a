"""What monitoring is told while something is wrong: the last that was seen, and how late facts come now."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client import CollectorRegistry, generate_latest

from services.metrics.instruments import BusinessMetrics, ReportMetrics
from services.metrics.storage.snapshots import LATELY
from shared.kit.database import Database
from tests.integration.metrics.harness import POLICY, Metrics
from tests.unit.metrics.stories import Told

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
DELAY = "leadflow_freshness_seconds"


async def test_a_database_that_is_away_leaves_what_was_seen_last(metrics: Metrics) -> None:
    await metrics.fold(Told().tell("a", "LeadCreated", 0, channel="web_form").facts)
    await metrics.reporting.metrics.refresh()
    before = await metrics.scrape()
    away = Database(NOWHERE, schema="metrics")
    metrics.business._database = metrics.reporting.metrics._database = away
    await metrics.reporting.metrics.refresh()
    assert await metrics.scrape() == before
    assert "leadflow_metrics_folded_facts 1.0" in before
    assert "leadflow_report_deliveries" in before
    await away.close()


async def test_a_database_that_was_never_there_leaves_the_rest_to_be_scraped() -> None:
    registry = CollectorRegistry()
    away = Database(NOWHERE, schema="metrics")
    for instruments in (
        BusinessMetrics(away, POLICY, registry, max_age_seconds=0),
        ReportMetrics(away, registry),
    ):
        await instruments.refresh()
    assert generate_latest(registry) == b""
    await away.close()


async def test_a_partition_that_is_quiet_says_nothing_of_how_late_facts_come_now(metrics: Metrics) -> None:
    story = Told().tell("a", "LeadCreated", 0)
    (fact,) = story.facts
    metrics.clock.advance(fact.recorded_at + timedelta(minutes=10) - metrics.clock.now())
    await metrics.fold(story.facts)
    assert f"{DELAY} 600.0" in await metrics.scrape()
    metrics.clock.advance(LATELY)
    assert f"{DELAY} 0.0" in await metrics.scrape()


async def test_of_several_replicas_it_is_told_which_one_read_last(metrics: Metrics) -> None:
    def read_at(scraped: str) -> float:
        (line,) = [one for one in scraped.splitlines() if one.startswith("leadflow_metrics_read_timestamp_seconds ")]
        return float(line.split()[1])

    first = read_at(await metrics.scrape())
    second = read_at(await metrics.scrape())
    assert second > first
    away = Database(NOWHERE, schema="metrics")
    metrics.business._database = away
    assert read_at(await metrics.scrape()) == second
    await away.close()
