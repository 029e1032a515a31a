"""Pipeline, put together. The two tables below are all that comes in and all that goes out."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from fastapi import Depends, FastAPI, Request
from starlette.responses import Response

from services.pipeline.api import (
    activities,
    audit,
    bulk,
    customers,
    deal_list,
    describing,
    exports,
    history,
    hygiene,
    leads,
    leaving,
    matches,
    opportunities,
    owners,
    people,
    policies,
    search,
    tasks,
    tokens,
    webhooks,
)
from services.pipeline.api.examples import add_examples
from services.pipeline.api.guard import Door, admit, guard, private_guard
from services.pipeline.api.parts import Parts
from services.pipeline.asking import rejected
from services.pipeline.assigning import Assigning
from services.pipeline.bulk import Bulk
from services.pipeline.callers import Callers, provider_of
from services.pipeline.commands import Commands
from services.pipeline.contact_people import ContactPeople
from services.pipeline.contacting import Contacting
from services.pipeline.domain.refusals import Refused
from services.pipeline.dry_running import DryRuns
from services.pipeline.erasing import Erasing
from services.pipeline.exporting import Exporting
from services.pipeline.forgetting import Forgetting
from services.pipeline.handlers import Handlers
from services.pipeline.imports import HistoryImports
from services.pipeline.instruments import (
    HygieneInstruments,
    MessageInstruments,
    PipelineInstruments,
    WebhookInstruments,
    WorkInstruments,
)
from services.pipeline.matching.finding import Finding
from services.pipeline.renewing import Renewals
from services.pipeline.searching import Searching
from services.pipeline.sending import Messages
from services.pipeline.sending.together import leaving_of
from services.pipeline.settings import PipelineSettings
from services.pipeline.storage.access_tables import TOKENS
from services.pipeline.storage.webhooks import RELAYED
from services.pipeline.stranded import Stranded
from services.pipeline.tidying import Tidying
from services.pipeline.timers import Timers
from services.pipeline.webhooks import Webhooks
from services.pipeline.workload import Workload
from shared.contracts.activity_events import NoteAdded
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.envelope import Event
from shared.contracts.erasure_events import ErasureOrdered
from shared.contracts.lead_shape_events import LeadContactChanged, LeadDescribed
from shared.contracts.lifecycle_events import (
    AmountChanged,
    CloseDateChanged,
    ConsentChanged,
    ContactAttempted,
    CustomerChurned,
    FollowUpCancelled,
    FollowUpDone,
    FollowUpMissed,
    FollowUpScheduled,
    LeadArchived,
    LeadAssigned,
    LeadCreated,
    LeadGraded,
    LeadMarked,
    LeadMerged,
    LeadQualified,
    LeadReopened,
    LeadTouched,
    LeadUnmerged,
    OpportunityAssigned,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWon,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    PersonalDataErased,
    SatisfactionAsked,
    SatisfactionRecorded,
    StageChanged,
)
from shared.contracts.policy import Policy
from shared.contracts.scoring_events import LeadScored
from shared.contracts.topics import (
    CAPTURE_LEADS,
    PIPELINE_ERASURES,
    PIPELINE_LIFECYCLE,
    PIPELINE_VISITS,
    SCORING_SCORES,
    Topic,
)
from shared.contracts.visit_events import VisitorForgotten, VisitorSeen
from shared.kit.app import build_app
from shared.kit.conditional import Conditional
from shared.kit.consumer import Consumer
from shared.kit.database import Database
from shared.kit.documents import read_yaml
from shared.kit.instruments import ConsumerInstruments, new_registry
from shared.kit.keys.commands import KeyCommands
from shared.kit.problems import problem_answer
from shared.kit.settings import read_settings

CONSUMES: dict[Topic, dict[type[Event], Callable[..., Any]]] = {
    CAPTURE_LEADS: {
        LeadCaptured: Handlers.on_lead_captured,
        InteractionRecorded: Handlers.on_interaction_recorded,
    },
    SCORING_SCORES: {LeadScored: Handlers.on_lead_scored},
    PIPELINE_ERASURES: {ErasureOrdered: Handlers.on_erasure_ordered},
}

PUBLISHES: dict[Topic, tuple[type[Event], ...]] = {
    PIPELINE_LIFECYCLE: (
        LeadCreated,
        LeadTouched,
        LeadDescribed,
        LeadContactChanged,
        LeadMarked,
        LeadGraded,
        LeadMerged,
        LeadUnmerged,
        LeadAssigned,
        LeadQualified,
        LeadArchived,
        LeadReopened,
        ContactAttempted,
        NoteAdded,
        FollowUpScheduled,
        FollowUpMissed,
        FollowUpDone,
        FollowUpCancelled,
        OpportunityOpened,
        StageChanged,
        AmountChanged,
        CloseDateChanged,
        OpportunityAssigned,
        OpportunityWon,
        OpportunityLost,
        OrderPlaced,
        OrderRefunded,
        OrderCancelled,
        CustomerChurned,
        SatisfactionAsked,
        SatisfactionRecorded,
        ConsentChanged,
        PersonalDataErased,
    ),
    PIPELINE_ERASURES: (ErasureOrdered,),
    PIPELINE_VISITS: (VisitorSeen, VisitorForgotten),
}


WHERE = "`leadflow tokens list` shows them."


def create_app(settings: PipelineSettings | None = None) -> FastAPI:
    """The whole service. Nothing connects before the application starts."""
    settings = settings or read_settings(PipelineSettings)
    policy = read_yaml(settings.policy_file, Policy)
    secret = settings.identity_secret.get_secret_value().encode()
    registry = new_registry("pipeline")
    instruments = PipelineInstruments(registry)
    work_instruments = WorkInstruments(registry)
    database = Database.of(settings, schema="pipeline")
    routes = {event: on_event for topic in CONSUMES.values() for event, on_event in topic.items()}
    handlers = Handlers(policy, secret, instruments, routes)
    consumer = Consumer(
        settings,
        database,
        group="pipeline",
        topics={topic.name: topic.parse for topic in CONSUMES},
        handle=handlers.handle,
        instruments=ConsumerInstruments(registry),
        first=(PIPELINE_ERASURES.name,),
    )
    stranded = Stranded(database, handlers, interval_seconds=settings.stranded_interval_seconds)
    forgetting = Forgetting(
        database,
        handlers.fingerprint,
        waiting=timedelta(days=settings.waiting_personal_days),
        letters=timedelta(days=settings.dead_letter_personal_days),
        commands=timedelta(days=settings.idempotency_days),
    )
    assigning = Assigning(policy)
    contacting = Contacting(database, policy, work_instruments)
    messages = Messages(database, policy, assigning, contacting, settings, MessageInstruments(registry))
    timers = Timers(
        database,
        assigning,
        work_instruments,
        interval_seconds=settings.timer_interval_seconds,
        deciding=messages.deciding,
    )
    finding = Finding(database, policy, secret, instruments, interval_seconds=settings.matching_interval_seconds)
    searching = Searching(database, policy, secret)
    commands = Commands(database, policy, secret, instruments)
    bulk_jobs = Bulk(database, commands, secret, items_per_second=settings.bulk_items_per_second)
    hooks = Webhooks(database, secret, settings, WebhookInstruments(registry))
    workload = Workload(database, policy, work_instruments)
    tidying = Tidying(
        database, policy, HygieneInstruments(registry), interval_seconds=settings.hygiene_interval_seconds
    )

    async def before_scrape() -> None:
        await workload.refresh()
        await hooks.watching.refresh()
        await tidying.refresh()
        await messages.refresh()

    dry_runs = DryRuns(database, policy)
    renewals = Renewals(database, policy, assigning)
    callers = Callers(
        database,
        registry,
        api_token=settings.api_token.get_secret_value(),
        refresh_seconds=settings.tokens_refresh_seconds,
        provider=provider_of(settings, registry),
    )
    app = build_app(
        name="pipeline",
        title="Leadflow pipeline",
        description="Leads and opportunities: what they are, what happened to them, what happens next.",
        settings=settings,
        registry=registry,
        database=database,
        consumer=consumer,
        relay=True,
        relay_then=RELAYED,
        before_scrape=before_scrape,
        guard=guard,
        admit=admit,
        documents=add_examples,
        parts=[
            stranded.running,
            forgetting.running,
            timers.running,
            finding.running,
            searching.running,
            bulk_jobs.running,
            hooks.running,
            dry_runs.running,
            callers.kept,
            tidying.running,
            messages.running,
            renewals.running,
        ],
    )
    app.add_middleware(Conditional)
    app.state.door = Door(callers, database, instruments)

    @app.exception_handler(Refused)
    async def _refused(_: Request, refused: Refused) -> Response:
        if refused.kind == "forbidden":
            instruments.denied.labels(refused.code).inc()
        return problem_answer(rejected(refused))

    app.state.pipeline = Parts(
        database,
        policy,
        commands,
        HistoryImports(database, policy, secret, handlers),
        secret,
        Erasing(database, policy, secret, handlers.fingerprint),
        assigning,
        contacting,
        ContactPeople(policy, secret),
        KeyCommands(TOKENS, database, callers.ring, database.clock, secrets.token_bytes, where=WHERE),
        searching,
        bulk_jobs,
        hooks.endpoints,
        Exporting(database),
        leaving_of(settings),
    )
    everybody = (
        leads,
        activities,
        describing,
        search,
        bulk,
        matches,
        tasks,
        owners,
        deal_list,
        opportunities,
        customers,
        history,
        hygiene,
        policies,
        audit,
        exports,
        webhooks,
        tokens,
    )
    for router in (part.router for part in everybody):
        app.include_router(router, dependencies=[Depends(guard)])
    app.include_router(people.router, dependencies=[Depends(private_guard)])
    app.include_router(leaving.router)
    return app
