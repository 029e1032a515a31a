"""The instruments every service has: one definition each, a sentence, a unit, bounded labels, an injected registry."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from shared.kit.positions import Place, Tally

FAST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Buckets for work that should take milliseconds."""


def new_registry(service: str) -> CollectorRegistry:
    """A registry of its own for one service, with its process, its interpreter and its build."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    build = Gauge(
        "leadflow_build_info", "Which build runs; always 1.", ["service", "version", "python"], registry=registry
    )
    build.labels(service, build_version(), f"{sys.version_info.major}.{sys.version_info.minor}").set(1)
    return registry


def build_version() -> str:
    """The installed distribution's version."""
    try:
        return version("leadflow")
    except PackageNotFoundError:
        return "unknown"


class ConsumerInstruments:
    """What a consumer tells monitoring. Counters are of this process; the ledger in the database is what audits read."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "leadflow_consumer_records_total",
            "Records taken from the log, by how each ended.",
            ["topic", "outcome"],
            registry=registry,
        )
        self.redelivered = Counter(
            "leadflow_consumer_redelivered_records_total",
            "Records dropped because they were done before.",
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "leadflow_consumer_batch_seconds", "Time from batch to commit.", buckets=FAST_SECONDS, registry=registry
        )
        self.retries = Counter(
            "leadflow_consumer_retries_total",
            "Batches put back to be tried again, by kind of error.",
            ["reason"],
            registry=registry,
        )
        self.commit_failures = Counter(
            "leadflow_commit_failures_total", "Offset commits to Kafka that failed; monitoring only.", registry=registry
        )
        self.stopped = Gauge(
            "leadflow_consumer_stopped", "1 while the consumer stands still and waits for a person.", registry=registry
        )
        self.unreadable = Gauge(
            "leadflow_consumer_unreadable_partitions",
            "Partitions that stand still because what comes next cannot be read: a corrupt batch or an unknown codec.",
            registry=registry,
        )
        self.rebuilds = Counter(
            "leadflow_consumer_rebuilds_total",
            "Clients given up and built anew because they had lost their place in the group.",
            registry=registry,
        )
        self.lag_records = Gauge(
            "leadflow_consumer_lag_records",
            "Records in the log this service has not done yet.",
            ["topic", "partition", "group"],
            registry=registry,
        )
        self.lag_seconds = Gauge(
            "leadflow_consumer_lag_seconds",
            "How old the oldest record that is not done can be, over all partitions; 0 without lag.",
            ["topic", "group"],
            registry=registry,
        )
        self.ledger = Gauge(
            "leadflow_consumer_ledger_records",
            "Records of the log by how each ended, from the committed ledger; in_flight is what the log has beyond it.",
            ["topic", "outcome"],
            registry=registry,
        )
        self.unaccounted = Gauge(
            "leadflow_consumer_unaccounted_records",
            "Records that the ledger's parts do not explain, or dead letters that the ledger does not know. Must be 0.",
            registry=registry,
        )
        self.progress = Gauge(
            "leadflow_watchdog_last_progress_timestamp_seconds",
            "Unix time when a batch was last committed or there was nothing to do.",
            registry=registry,
        )

    def observe(self, tallies: Mapping[Place, Tally], dropped: int, seconds: float) -> None:
        """Adds one committed batch."""
        for (topic, _), ended in tallies.items():
            for outcome, count in (
                ("fact", ended.facts),
                ("duplicate", ended.duplicates),
                ("waiting", ended.waiting),
                ("dead_letter", ended.dead_lettered),
            ):
                if count:
                    self.records.labels(topic, outcome).inc(count)
        if dropped:
            self.redelivered.inc(dropped)
        self.batch_seconds.observe(seconds)
        self.progress.set_to_current_time()


class ProducerInstruments:
    """What a producer tells monitoring."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "leadflow_producer_ack_seconds", "Time until the log acknowledged.", buckets=FAST_SECONDS, registry=registry
        )
        self.failures = Counter(
            "leadflow_producer_failures_total",
            "Sends that were not acknowledged in time, by kind.",
            ["reason"],
            registry=registry,
        )
        self.rebuilds = Counter(
            "leadflow_producer_rebuilds_total",
            "Producers given up and built anew after an error they do not survive.",
            registry=registry,
        )
        self.inflight = Gauge(
            "leadflow_producer_inflight_messages", "Messages sent and not yet acknowledged.", registry=registry
        )


class OutboxInstruments:
    """What the relay tells monitoring."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.relayed = Counter(
            "leadflow_outbox_messages_total", "Messages moved from the outbox to the log.", registry=registry
        )
        self.rows = Gauge(
            "leadflow_outbox_rows", "Transactions whose messages still wait for the log.", registry=registry
        )
        self.oldest_age = Gauge(
            "leadflow_outbox_oldest_age_seconds", "Age of the oldest message that waits for the log.", registry=registry
        )
        self.leading = Gauge("leadflow_outbox_relay_active", "1 in the one process that relays.", registry=registry)
