"""The instruments pipeline owns."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


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
        self.merge_candidates = Counter(
            "leadflow_pipeline_merge_candidates_total",
            "Pairs of leads that are probably one person: found, and merged by policy.",
            ["outcome"],
            registry=registry,
        )
        self.denied = Counter(
            "leadflow_pipeline_denied_total",
            "Requests that were refused for who sent them, or for whose lead they were about, by the problem's code.",
            ["code"],
            registry=registry,
        )
        for code in ("unauthorized", "forbidden", "unit-not-held", "not-your-lead", "not-the-actor", "unknown-lead"):
            self.denied.labels(code)


class HygieneInstruments:
    """What is to be put in order about leads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leads = Gauge(
            "leadflow_pipeline_hygiene_leads",
            "Leads whose record is to be put in order, by business unit and kind, as the last whole look found them.",
            ["business_unit", "kind"],
            registry=registry,
        )
        self.looked_at = Gauge(
            "leadflow_pipeline_hygiene_looked_timestamp_seconds",
            "When all leads were last looked at; 0 before the first look is over.",
            registry=registry,
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
        self.contacts = Counter(
            "leadflow_pipeline_contacts_against_rules_total",
            "Attempts to reach a lead that a rule forbids, by the rule, and whether they were refused or had been made already.",
            ["reason", "outcome"],
            registry=registry,
        )
        for reason in ("consent", "limit", "quiet_hours"):
            for outcome in ("refused", "made"):
                self.contacts.labels(reason, outcome)
        self.timers_late = Gauge(
            "leadflow_pipeline_timers_late_seconds",
            "How long ago the timer was due that has waited longest to fire; 0 where none is late.",
            registry=registry,
        )
        self.timers_due = Gauge(
            "leadflow_pipeline_timers_due",
            "Timers that are due and have not fired; no more than 10,000 are counted.",
            registry=registry,
        )
        self.fired = Counter(
            "leadflow_pipeline_timers_fired_total",
            "Timers that fired, by what was due and what became of it.",
            ["kind", "event"],
            registry=registry,
        )
        self.lateness = Histogram(
            "leadflow_pipeline_timer_lateness_seconds",
            "How long after it was due a timer fired.",
            buckets=(0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 600.0),
            registry=registry,
        )


class MessageInstruments:
    """What is sent to leads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.messages = Counter(
            "leadflow_pipeline_messages_total",
            "Attempts to send a message, by what became of them: sent, later (tried again), bounced, failed, withdrawn.",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("sent", "later", "bounced", "failed", "withdrawn"):
            self.messages.labels(outcome)
        self.waiting = Gauge(
            "leadflow_pipeline_messages_waiting",
            "Messages that were decided on and are not sent; no more than 10,000 are counted.",
            registry=registry,
        )
        self.waiting_since = Gauge(
            "leadflow_pipeline_messages_oldest_waiting_timestamp_seconds",
            "When the one that has waited longest was decided on; 0 where none waits.",
            registry=registry,
        )


STATES = ("live", "disabled", "given_up")
"""How those stand who follow by webhook."""


class WebhookInstruments:
    """What leaves to others who follow."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.deliveries = Counter(
            "leadflow_pipeline_webhook_deliveries_total",
            "Attempts to deliver, by what became of them: delivered, failed (to be tried again), dead, gone (410).",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("delivered", "failed", "dead", "gone"):
            self.deliveries.labels(outcome)
        self.seconds = Histogram(
            "leadflow_pipeline_webhook_request_seconds",
            "How long receivers took to answer.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
            registry=registry,
        )
        self.waiting = Gauge(
            "leadflow_pipeline_webhook_waiting",
            "Deliveries that live endpoints did not get yet; no more than 10,000 of each are counted.",
            registry=registry,
        )
        self.waiting_since = Gauge(
            "leadflow_pipeline_webhook_oldest_waiting_timestamp_seconds",
            "When the one that has waited longest was queued; 0 where none waits.",
            registry=registry,
        )
        self.dead = Gauge(
            "leadflow_pipeline_webhook_dead",
            "Deliveries that were given up and are kept; no more than 10,000 are counted.",
            registry=registry,
        )
        self.endpoints = Gauge(
            "leadflow_pipeline_webhook_endpoints",
            "Who follows: live, disabled by hand, given_up because they failed for too long or were gone.",
            ["state"],
            registry=registry,
        )
        for state in STATES:
            self.endpoints.labels(state)
