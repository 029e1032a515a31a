"""Capture's composition root."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from socket import gethostname

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.capture.alike import most_alike
from services.capture.api import Door, ShortWay, intake_router
from services.capture.api.admission import Keys
from services.capture.api.bodies import parse
from services.capture.api.channels import ChannelDoor, channels_router
from services.capture.api.channels_schema import add_channels
from services.capture.api.deliveries import long_deliveries, read_drafts
from services.capture.api.keys import keys_router
from services.capture.api.people import people_router
from services.capture.api.quarantine import quarantine_router
from services.capture.api.reconciliation import reconciliation_router
from services.capture.api.uploads import PATH, PREVIEW_PATH, UploadDoor, uploads_router
from services.capture.beside import Part, stand_beside
from services.capture.browsers import read_browser
from services.capture.deliveries import Deliveries
from services.capture.domain import IntakeRules, Readers
from services.capture.domain.channels import Addresses
from services.capture.domain.uploads import faulty_mappings
from services.capture.handlers import Intake
from services.capture.instruments import (
    CaptureInstruments,
    QuarantineInstruments,
    SpoolInstruments,
    UploadInstruments,
)
from services.capture.keeping import Keeping
from services.capture.log import Log
from services.capture.memory import Memory
from services.capture.mending import Desk
from services.capture.quarantine import Quarantine
from services.capture.receipts import OnEvent, Receipts
from services.capture.settings import CaptureSettings
from services.capture.spool import Segments, Spool, SpoolingLog, SpoolTelling
from services.capture.uploads import Pace, Preview, Publisher, Sweeper, UploadDirectory, UploadJobs, UploadWorker
from shared.contracts.addresses import read_email, read_phone
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.envelope import Event
from shared.contracts.erasure_events import ErasureOrdered
from shared.contracts.policy import Policy
from shared.contracts.quarantine_events import PayloadQuarantined, QuarantineSettled
from shared.contracts.topics import CAPTURE_LEADS, CAPTURE_QUARANTINE, PIPELINE_ERASURES, Topic
from shared.kit.app import build_app
from shared.kit.background import running
from shared.kit.clock import Clock, SystemClock
from shared.kit.database import Database
from shared.kit.documents import InvalidDocument, read_yaml
from shared.kit.ids import new_id, new_id_text
from shared.kit.instruments import OutboxInstruments, ProducerInstruments, new_registry
from shared.kit.producer import Producer
from shared.kit.relay import Relay
from shared.kit.settings import read_settings

CONSUMES: dict[Topic, dict[type[Event], OnEvent]] = {
    CAPTURE_LEADS: {LeadCaptured: Receipts.on_captured, InteractionRecorded: Receipts.on_captured},
    PIPELINE_ERASURES: {ErasureOrdered: Receipts.on_erasure_ordered},
}
PUBLISHES: dict[Topic, tuple[type[Event], ...]] = {
    CAPTURE_LEADS: (LeadCaptured, InteractionRecorded),
    CAPTURE_QUARANTINE: (PayloadQuarantined, QuarantineSettled),
}


def create_app(
    settings: CaptureSettings | None = None, *, log: Log | None = None, clock: Clock | None = None
) -> FastAPI:
    """The service as an application; nothing connects before it starts. `log` and `clock` stand in for the real ones.

    The database is nothing that intake waits for: it is not asked on the way of a 202, and readiness does without it.
    """
    settings = settings or read_settings(CaptureSettings)
    registry = new_registry("capture")
    instruments = CaptureInstruments(registry)
    producer = None
    if log is None:
        log = producer = Producer(
            settings.kafka_bootstrap,
            client_id="leadflow-capture",
            instruments=ProducerInstruments(registry),
            deadline_seconds=settings.produce_deadline_seconds,
        )
    clock = clock or SystemClock()
    beside = stand_beside(settings, clock, registry, CONSUMES if producer is not None else ())
    policy = read_yaml(settings.policy_file, Policy)
    addresses = Addresses(policy)
    if faults := [*addresses.faults(settings.secrets_by_name), *faulty_mappings(policy.mappings)]:
        raise InvalidDocument("\n".join(f"{settings.policy_file}: {fault}" for fault in faults))
    spooling = telling = None
    if settings.spool_dir is not None:
        spool = _spool(settings, settings.spool_dir, clock, registry)
        log = spooling = _spooling(settings, log, producer, spool)
        home = f"{gethostname()}:{settings.spool_dir.resolve()}"
        telling = SpoolTelling(spool, home, beside.database, timedelta(days=settings.spool_aside_days))
    rules = IntakeRules(
        policy,
        settings.identity_secret.get_secret_value().encode(),
        Readers(email=read_email, phone=read_phone, alike=most_alike, browser=read_browser),
        new_id_text,
    )
    memory = Memory(settings.memory_bytes)
    instruments.remembered_events.set_function(lambda: len(memory))
    instruments.remembered_bytes.set_function(lambda: memory.held_bytes)
    quarantine_instruments = QuarantineInstruments(registry)
    quarantine = Quarantine(beside.books, quarantine_instruments, new_id, max_bytes=settings.quarantine_bytes)
    intake = Intake(
        rules=rules,
        log=log,
        memory=memory,
        quarantine=quarantine,
        counts=beside.counts,
        clock=clock,
        instruments=instruments,
    )
    keeping = None
    if beside.database is not None:
        keep = timedelta(days=settings.quarantine_days)
        keeping = Keeping(beside.database, quarantine, quarantine_instruments, keep)
    deliveries = Deliveries(
        addresses=addresses,
        read=lambda address, delivery, key: read_drafts(address, delivery, key=key, limit=settings.max_body_bytes),
        parse=parse,
        rules=rules,
        intake=intake,
        quarantine=quarantine,
        counts=beside.counts,
        clock=clock,
    )
    desk = Desk(beside.database, rules, intake, deliveries, parse, new_id)
    door = Door(settings=settings, keys=Keys(beside.keys, clock), intake=intake, instruments=instruments)
    channels = ChannelDoor(
        door=door, addresses=addresses, deliveries=deliveries, secrets=settings.secrets_by_name, clock=clock
    )
    directory = None if settings.upload_dir is None else UploadDirectory(settings.upload_dir)
    jobs = UploadJobs(beside.database, directory, clock)
    uploads = UploadDoor(door, jobs, Preview(rules, clock), policy.mappings)
    app = build_app(
        name="capture",
        title="Leadflow capture",
        description="Takes leads and interactions in. An answer of 202 means that the log has it.",
        settings=settings,
        registry=registry,
        database=beside.database,
        needs_database=False,
        consumer=beside.consumer,
        producer=producer,
        routers=[
            intake_router(door),
            channels_router(channels),
            quarantine_router(desk),
            keys_router(beside.key_commands),
            people_router(beside.database, timedelta(hours=settings.upload_file_hours), telling),
            reconciliation_router(door, beside.reconciliation),
            uploads_router(uploads),
        ],
        parts=[
            *([] if keeping is None else [lambda: running(keeping.run(), "capture-quarantine")]),
            *beside.parts,
            *_telling(settings, beside.database, producer, registry),
            lambda: running(memory.forgetting(settings.memory_hours * 3600), "capture-memory"),
            *([spooling.running] if spooling else ()),
            *([telling.running] if telling else ()),
            lambda: door.inflight.drained(settings.shutdown_timeout_seconds),
            *_importing(settings, beside.database, directory, jobs, door, registry),
        ],
        readiness={"log": spooling.check} if spooling else None,
        documents=lambda document: add_channels(document, addresses),
        bodies_below=("/v1/keys", "/v1/people", "/v1/quarantine", "/v1/dead-letters", "/v1/unreadable"),
    )
    long = (settings.upload_max_bytes + 2 * 1024 * 1024, settings.upload_seconds + 5.0)
    app.state.long_bodies = {PATH: long, PREVIEW_PATH: long, **long_deliveries(addresses, settings)}
    app.add_middleware(ShortWay, door=door)
    return app


def _spool(settings: CaptureSettings, directory: Path, clock: Clock, registry: CollectorRegistry) -> Spool:
    instruments = SpoolInstruments(registry)
    instruments.age_limit.set(settings.spool_max_age_seconds)
    return Spool(
        Segments(directory),
        max_bytes=settings.spool_max_bytes,
        deadline_seconds=settings.produce_deadline_seconds,
        clock=clock,
        instruments=instruments,
    )


def _spooling(settings: CaptureSettings, direct: Log, producer: Producer | None, spool: Spool) -> SpoolingLog:
    return SpoolingLog(
        direct,
        spool,
        log_answers=lambda: producer is None or producer.ready,
        patience_seconds=min(settings.spool_after_seconds, settings.produce_deadline_seconds),
        drain_per_second=settings.spool_drain_per_second,
    )


def _telling(
    settings: CaptureSettings, database: Database | None, producer: Producer | None, registry: CollectorRegistry
) -> tuple[Part, ...]:
    """What tells others of quarantine, where there is one and a log."""
    if database is None or producer is None:
        return ()
    instruments = OutboxInstruments(registry)

    @asynccontextmanager
    async def telling() -> AsyncIterator[None]:
        # A producer of its own: where that topic cannot be written, intake neither waits nor stops being ready. What a producer
        # shows is intake's; of this one the outbox's age tells.
        own = Producer(
            settings.kafka_bootstrap,
            client_id="leadflow-capture-quarantine",
            instruments=ProducerInstruments(CollectorRegistry()),
            deadline_seconds=settings.produce_deadline_seconds,
        )
        await own.start()
        try:
            async with running(Relay(database, own, instruments).run(), "capture-relay"):
                yield
        finally:
            await own.stop()

    return (telling,)


def _importing(
    settings: CaptureSettings,
    database: Database | None,
    directory: UploadDirectory | None,
    jobs: UploadJobs,
    door: Door,
    registry: CollectorRegistry,
) -> tuple[Part, ...]:
    """What imports uploaded files, where there is a place for them."""
    if database is None or directory is None:
        return ()
    instruments = UploadInstruments(registry)
    pace = Pace(
        settings.upload_rows_per_second, door.inflight.room, lambda: door.inflight.is_busy, settings.max_inflight_bytes
    )
    worker = UploadWorker(
        database=database,
        directory=directory,
        jobs=jobs,
        publisher=Publisher(database, door.intake, instruments, pace),
        instruments=instruments,
    )
    keep = timedelta(hours=settings.upload_file_hours)
    sweeper = Sweeper(database, directory, instruments, keep)
    return (worker.working, lambda: running(sweeper.run(), "capture-upload-sweeper"))
