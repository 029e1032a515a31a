"""Scoring, put together. The two tables below are all that comes in and all that goes out."""

from __future__ import annotations

from datetime import timedelta

from fastapi import FastAPI

from services.scoring.api import people_router, router
from services.scoring.auditing import Auditor
from services.scoring.domain import OUTCOME_EVENTS
from services.scoring.handlers import Handlers, OnEvent
from services.scoring.instruments import ModelInstruments, ScoringInstruments, TrainingInstruments
from services.scoring.models import Models
from services.scoring.policies import Policies
from services.scoring.rescoring import Rescoring
from services.scoring.settings import ScoringSettings
from services.scoring.sweep import Sweep
from services.scoring.training import Training
from services.scoring.watching import Watching
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.envelope import Event
from shared.contracts.erasure_events import ErasureOrdered
from shared.contracts.lifecycle_events import LeadMarked, LeadMerged, LeadTouched, LeadUnmerged
from shared.contracts.personal import REDACTED
from shared.contracts.policy import Policy
from shared.contracts.scoring_events import LeadScored
from shared.contracts.topics import CAPTURE_LEADS, PIPELINE_ERASURES, PIPELINE_LIFECYCLE, SCORING_SCORES, Topic
from shared.kit.app import build_app
from shared.kit.background import running
from shared.kit.consumer import Consumer
from shared.kit.database import Database
from shared.kit.documents import read_yaml
from shared.kit.instruments import ConsumerInstruments, new_registry
from shared.kit.redaction import Redaction
from shared.kit.settings import read_settings

CONSUMES: dict[Topic, dict[type[Event], OnEvent]] = {
    CAPTURE_LEADS: {
        LeadCaptured: Handlers.on_lead_captured,
        InteractionRecorded: Handlers.on_interaction_recorded,
    },
    PIPELINE_LIFECYCLE: {
        LeadTouched: Handlers.on_lead_touched,
        LeadMerged: Handlers.on_lead_merged,
        LeadUnmerged: Handlers.on_lead_unmerged,
        **dict.fromkeys(OUTCOME_EVENTS, Handlers.on_outcome),
        LeadMarked: Handlers.on_lead_marked,
    },
    PIPELINE_ERASURES: {ErasureOrdered: Handlers.on_erasure_ordered},
}

PUBLISHES: dict[Topic, tuple[type[Event], ...]] = {SCORING_SCORES: (LeadScored,)}


def create_app(settings: ScoringSettings | None = None) -> FastAPI:
    """The whole service. Nothing connects before the application starts."""
    settings = settings or read_settings(ScoringSettings)
    policy = read_yaml(settings.policy_file, Policy)
    registry = new_registry("scoring")
    database = Database.of(settings, schema="scoring")
    routes = {event: on_event for topic in CONSUMES.values() for event, on_event in topic.items()}
    instruments = ScoringInstruments(registry)
    model_instruments = ModelInstruments(registry)
    models = Models(model_instruments, interval_seconds=settings.model_poll_seconds, policy=policy)
    watching = Watching(
        database,
        models,
        model_instruments,
        interval_seconds=settings.model_watch_seconds,
        people=settings.model_watch_people,
    )
    handlers = Handlers(policy, instruments, routes, models=models)
    policies = Policies(database, handlers.judge)
    auditor = Auditor(
        database,
        policies,
        instruments,
        interval_seconds=settings.audit_interval_seconds,
        batch=settings.audit_batch,
        models=models,
    )
    sweep = Sweep(
        database,
        handlers,
        instruments,
        interval_seconds=settings.sweep_interval_seconds,
        batch=settings.sweep_batch,
    )
    rescoring = Rescoring(database, handlers, interval_seconds=2.0, batch=settings.sweep_batch)
    training = Training(database, settings, policy, TrainingInstruments(registry))
    consumer = Consumer(
        settings,
        database,
        group="scoring",
        topics={topic.name: topic.parse_only(*wanted) for topic, wanted in CONSUMES.items()},
        handle=handlers.handle,
        instruments=ConsumerInstruments(registry),
        first=(PIPELINE_ERASURES.name,),
    )
    letters = Redaction(database, REDACTED, keep=timedelta(days=settings.dead_letter_personal_days))
    app = build_app(
        name="scoring",
        title="Leadflow scoring",
        description="How promising each lead is, and why.",
        settings=settings,
        registry=registry,
        database=database,
        consumer=consumer,
        relay=True,
        parts=[
            policies.running,
            sweep.running,
            rescoring.running,
            auditor.running,
            training.running,
            watching.running,
            lambda: running(letters.run(), "scoring-letters"),
        ],
        routers=[router, people_router],
        does_without={"model": models.check},
    )
    app.state.policies = policies
    app.state.models = models
    app.state.auditor = auditor
    app.state.rescoring = rescoring
    app.state.training = training
    return app
