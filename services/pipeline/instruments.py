"""The instruments pipeline owns."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class PipelineInstruments:
    """What pipeline tells monitoring beside what every service does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.conflicts = Counter(
            "leadflow_pipeline_conflicts_total",
            "Events that came again under the same id with other content; the first stays.",
            registry=registry,
        )
        self.facts = Counter(
            "leadflow_pipeline_lifecycle_events_total",
            "Lifecycle events recorded, by event.",
            ["event"],
            registry=registry,
        )
        self.commands = Counter(
            "leadflow_pipeline_commands_total",
            "Commands over HTTP, by command and how they ended.",
            ["command", "outcome"],
            registry=registry,
        )
        self.taken_up = Counter(
            "leadflow_pipeline_waiting_taken_up_total", "Waiting records whose lead became known.", registry=registry
        )


class WorkInstruments:
    """What waits for people."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.unassigned = Gauge(
            "leadflow_pipeline_unassigned_leads",
            "Qualified leads that nobody has, by business unit; no more than 10,000 are counted.",
            ["business_unit"],
            registry=registry,
        )
        self.unassigned_since = Gauge(
            "leadflow_pipeline_unassigned_oldest_timestamp_seconds",
            "When the one that has waited longest for somebody was qualified; 0 where none waits.",
            ["business_unit"],
            registry=registry,
        )
