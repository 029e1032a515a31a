"""What stands beside intake: the database and all that is kept in it. Nothing here is waited for by a sender."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from services.capture import storage
from services.capture.bookkeeping import Books
from services.capture.domain.keys import ApiKey
from services.capture.door_counts import DoorCounts
from services.capture.instruments import BookInstruments, ReceiptInstruments, RetentionInstruments
from services.capture.key_file import KeyFile
from services.capture.keys import SenderKeys
from services.capture.receipts import Receipts, read
from services.capture.reconciliation import Reconciliation
from services.capture.retention import Retention, Rule
from services.capture.settings import CaptureSettings
from shared.contracts.personal import REDACTED
from shared.contracts.topics import CAPTURE_LEADS, PIPELINE_ERASURES, Topic
from shared.kit.background import running
from shared.kit.clock import Clock
from shared.kit.consumer import Consumer
from shared.kit.database import Database
from shared.kit.instruments import ConsumerInstruments
from shared.kit.keys.ring import KeyInstruments, KeyRing
from shared.kit.processing import Parse
from shared.kit.redaction import Redaction

BOOKS_GRACE_SECONDS = 3.0
"""How long the end of the process may wait for the database."""

Part = Callable[[], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Beside:
    """The pieces, for the composition root to wire. Without a database only keys of the environment are left of it."""

    database: Database | None
    books: Books
    keys: KeyRing[ApiKey]
    key_commands: SenderKeys
    counts: DoorCounts
    consumer: Consumer | None
    reconciliation: Reconciliation | None
    parts: tuple[Part, ...]


def stand_beside(
    settings: CaptureSettings, clock: Clock, registry: CollectorRegistry, consumes: Iterable[Topic]
) -> Beside:
    """Makes the pieces; nothing connects. `consumes` is what is read back from the log, perhaps nothing."""
    database = _database(settings, clock)
    books = Books(database, BookInstruments(registry))
    ring = KeyRing(
        settings.api_keys,
        storage.KEYS,
        database,
        clock,
        KeyInstruments("capture", registry),
        noted=books.book("keys_used", storage.KEYS.note_used).note,
        refresh_seconds=settings.keys_refresh_seconds,
        snapshot=KeyFile(settings.keys_snapshot) if settings.keys_snapshot is not None else None,
    )
    consumer = _consumer(settings, database, registry, {topic.name: _parser(topic) for topic in consumes})
    parts: tuple[Part, ...] = (lambda: books.kept(BOOKS_GRACE_SECONDS), ring.kept)
    if database is not None:
        retention = Retention(database, clock, _rules(settings), RetentionInstruments(registry))
        letters = Redaction(database, REDACTED, keep=timedelta(days=settings.dead_letter_personal_days))
        parts = (
            *parts,
            lambda: running(retention.run(), "capture-retention"),
            lambda: running(letters.run(), "capture-letters"),
        )
    return Beside(
        database,
        books,
        ring,
        SenderKeys(database, ring, clock, secrets.token_bytes),
        DoorCounts(books.sums("door_counts", storage.add_door_counts)),
        consumer,
        None if database is None else Reconciliation(database, consumer if settings.receipts else None),
        parts,
    )


def _parser(topic: Topic) -> Parse:
    """What is published here is read as far as a receipt needs."""
    return read if topic is CAPTURE_LEADS else topic.parse


def _database(settings: CaptureSettings, clock: Clock) -> Database | None:
    """None where no database is named; then nothing is kept."""
    if not settings.database_url.get_secret_value():
        return None
    return Database.of(settings, schema="capture", clock=clock)


def _consumer(
    settings: CaptureSettings, database: Database | None, registry: CollectorRegistry, topics: Mapping[str, Any]
) -> Consumer | None:
    """What reads orders of erasure, and events back unless another process is to do that; None where nothing is kept."""
    topics = {name: parse for name, parse in topics.items() if settings.receipts or name != CAPTURE_LEADS.name}
    if database is None or not topics:
        return None
    return Consumer(
        settings,
        database,
        group="capture",
        topics=topics,
        handle=Receipts(ReceiptInstruments(registry)).handle,
        instruments=ConsumerInstruments(registry),
        first=(PIPELINE_ERASURES.name,),
        guest=True,
    )


def _rules(settings: CaptureSettings) -> tuple[Rule, ...]:
    """What is kept for how long."""
    return (
        Rule("receipts", timedelta(days=settings.receipts_days), storage.delete_receipts),
        Rule("counts", timedelta(days=settings.counts_days), storage.delete_counts),
        Rule("late_records", timedelta(days=settings.counts_days), storage.delete_late),
        Rule("uploads", timedelta(days=settings.upload_report_days), storage.delete_uploads),
        Rule("upload_rows", timedelta(0), storage.delete_met_rows),
    )
