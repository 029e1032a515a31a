"""Metrics, put together. The two tables below are all that comes in and all that goes out."""

from __future__ import annotations

from fastapi import FastAPI

from services.metrics import too_long
from services.metrics.access import Callers, admit, guard
from services.metrics.api import (
    audits,
    drilling,
    findings,
    forecasts,
    frozen,
    kpis,
    noticed,
    rates,
    rebuilds,
    shadow,
    spending,
    targets,
    why,
)
from services.metrics.freezing import Freezing
from services.metrics.handlers import Handlers, OnEvent
from services.metrics.instruments import BusinessMetrics, FreezingMetrics, NoticedMetrics
from services.metrics.merging import Merging
from services.metrics.noticing import Noticing
from services.metrics.noting import noting
from services.metrics.rebuilding import Rebuilding
from services.metrics.reporting_together import Reporting
from services.metrics.settings import MetricsSettings
from services.metrics.storage.reports import agreed_time
from services.metrics.unread import Unread
from shared.contracts import lifecycle_events as lifecycle
from shared.contracts.activity_events import NoteAdded
from shared.contracts.envelope import Event
from shared.contracts.lead_shape_events import LeadContactChanged, LeadDescribed
from shared.contracts.policy import Policy
from shared.contracts.quarantine_events import PayloadQuarantined, QuarantineSettled
from shared.contracts.topics import CAPTURE_QUARANTINE, PIPELINE_LIFECYCLE, PIPELINE_VISITS, Topic
from shared.contracts.visit_events import VisitorForgotten, VisitorSeen
from shared.kit.app import build_app
from shared.kit.clock import SystemClock
from shared.kit.consumer import Consumer
from shared.kit.database import Database
from shared.kit.documents import read_yaml
from shared.kit.instruments import ConsumerInstruments, new_registry
from shared.kit.settings import read_settings
from shared.kit.vouching import Voucher

CONSUMES: dict[Topic, dict[type[Event], OnEvent]] = {
    PIPELINE_LIFECYCLE: {
        lifecycle.LeadCreated: Handlers.on_fact,
        lifecycle.LeadTouched: Handlers.on_fact,
        LeadDescribed: Handlers.on_fact,
        LeadContactChanged: Handlers.on_fact,
        lifecycle.LeadMarked: Handlers.on_fact,
        lifecycle.LeadGraded: Handlers.on_fact,
        lifecycle.LeadMerged: Handlers.on_lead_merged,
        lifecycle.LeadUnmerged: Handlers.on_fact,
        lifecycle.LeadAssigned: Handlers.on_fact,
        lifecycle.LeadQualified: Handlers.on_fact,
        lifecycle.LeadArchived: Handlers.on_fact,
        lifecycle.LeadReopened: Handlers.on_fact,
        lifecycle.ContactAttempted: Handlers.on_fact,
        NoteAdded: Handlers.on_fact,
        lifecycle.FollowUpScheduled: Handlers.on_fact,
        lifecycle.FollowUpMissed: Handlers.on_fact,
        lifecycle.FollowUpDone: Handlers.on_fact,
        lifecycle.FollowUpCancelled: Handlers.on_fact,
        lifecycle.OpportunityOpened: Handlers.on_fact,
        lifecycle.StageChanged: Handlers.on_fact,
        lifecycle.AmountChanged: Handlers.on_fact,
        lifecycle.CloseDateChanged: Handlers.on_fact,
        lifecycle.OpportunityAssigned: Handlers.on_fact,
        lifecycle.OpportunityWon: Handlers.on_fact,
        lifecycle.OpportunityLost: Handlers.on_fact,
        lifecycle.OrderPlaced: Handlers.on_fact,
        lifecycle.OrderRefunded: Handlers.on_fact,
        lifecycle.OrderCancelled: Handlers.on_fact,
        lifecycle.CustomerChurned: Handlers.on_fact,
        lifecycle.SatisfactionAsked: Handlers.on_fact,
        lifecycle.SatisfactionRecorded: Handlers.on_fact,
        lifecycle.ConsentChanged: Handlers.on_fact,
        lifecycle.PersonalDataErased: Handlers.on_fact,
    },
    PIPELINE_VISITS: {VisitorSeen: Handlers.on_visitor_seen, VisitorForgotten: Handlers.on_visitor_forgotten},
    CAPTURE_QUARANTINE: {
        PayloadQuarantined: Handlers.on_payload_quarantined,
        QuarantineSettled: Handlers.on_quarantine_settled,
    },
}

PUBLISHES: dict[Topic, tuple[type[Event], ...]] = {}


def create_app(settings: MetricsSettings | None = None) -> FastAPI:
    """The whole service. Nothing connects before the application starts."""
    settings = settings or read_settings(MetricsSettings)
    policy = read_yaml(settings.policy_file, Policy)
    registry = new_registry("metrics")
    database = Database.of(settings, schema="metrics")
    routes = {event: on_event for topic in CONSUMES.values() for event, on_event in topic.items()}
    consumer = Consumer(
        settings,
        database,
        group="metrics",
        topics={topic.name: topic.parse for topic in CONSUMES},
        handle=Handlers(policy.unit, routes).handle,
        instruments=ConsumerInstruments(registry),
    )
    rebuilding = Rebuilding(database, policy.unit, interval_seconds=settings.rebuild_interval_seconds)
    merging = Merging(
        database,
        interval_seconds=settings.merge_interval_seconds,
        at_least=settings.merge_at_least,
        within_seconds=settings.merge_within_seconds,
    )
    freezing = Freezing(database, policy, SystemClock(), interval_seconds=settings.freezing_interval_seconds)
    frozen_shown = FreezingMetrics(freezing, registry, max_age_seconds=settings.snapshot_seconds)
    business = BusinessMetrics(database, policy, registry, max_age_seconds=settings.snapshot_seconds)
    reporting = Reporting(database, policy, settings, registry, SystemClock(), time_of=agreed_time)

    noticing = Noticing(
        database,
        policy,
        SystemClock(),
        interval_seconds=settings.findings_interval_seconds,
        again_seconds=settings.findings_again_seconds,
        after_seconds=settings.findings_after_seconds,
    )
    noticed_shown = NoticedMetrics(database, SystemClock(), registry, max_age_seconds=settings.snapshot_seconds)

    callers = Callers(Voucher(f"{settings.pipeline_url.rstrip('/')}/v1/me") if settings.pipeline_url else None)

    async def refresh() -> None:
        await business.refresh()
        await noticed_shown.refresh()
        await reporting.metrics.refresh()
        await frozen_shown.refresh()

    app = build_app(
        name="metrics",
        title="Leadflow metrics",
        description="What converts, how fast and from where; and the audit that proves it.",
        settings=settings,
        registry=registry,
        database=database,
        consumer=consumer,
        routers=[
            kpis.router(database, policy, SystemClock()),
            drilling.router(database, policy, SystemClock()),
            forecasts.router(database, policy, SystemClock()),
            frozen.router(database, freezing),
            rebuilds.router(rebuilding),
            reporting.router,
            rates.router(database, policy),
            audits.router(database),
            shadow.router(database, policy.unit),
            spending.router(database, policy),
            targets.router(database, policy, SystemClock()),
            why.router(database, policy, SystemClock()),
            findings.router(database, policy, SystemClock()),
            noticed.router(database, SystemClock()),
        ],
        parts=[
            rebuilding.running,
            merging.running,
            Unread(database, consumer).running,
            noting(database, policy),
            freezing.running,
            noticing.running,
            callers.kept,
            reporting.running,
        ],
        before_scrape=refresh,
        documents=too_long.documents,
        guard=guard,
        admit=admit,
    )
    too_long.install(app)
    app.state.callers = callers
    return app
