"""Records as they come: of the batch, or from where they waited in the database."""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias
from uuid import UUID

from services.pipeline.domain.batch import Batch, Pending
from services.pipeline.storage import loading
from shared.contracts.personal import without_person
from shared.contracts.topics import TOPICS
from shared.kit.database import Transaction
from shared.kit.errors import Rejected
from shared.kit.frames import MAX_MESSAGE_BYTES
from shared.kit.records import Record

Work: TypeAlias = "Batch[Record]"


_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""A NUL character in JSON: no PostgreSQL text has one."""


class Arrival(NamedTuple):
    """A record of the batch, or one that waits in the database and is looked at again."""

    record: Record
    stored: bool = False
    fingerprint: str | None = None
    """Of what it said, where it does not say it any more."""


def repeated(work: Work, arrival: Arrival) -> None:
    """From the log it is a duplicate; from those that waited it is simply done."""
    if not arrival.stored:
        work.duplicates.append(arrival.record)


def wait(work: Work, arrival: Arrival, lead_id: UUID, event_id: UUID, tokens: tuple[str, ...]) -> None:
    if not arrival.stored:
        # Stored, it would be refused when its lead comes, and the lead would be blamed for it.
        if b"\\u0000" in arrival.record.value and _NUL.search(arrival.record.value):
            raise Rejected(
                "A text has a NUL character.", code="unstorable-text", fix="Remove the character and redrive."
            )
        if len(arrival.record.value) > MAX_MESSAGE_BYTES:
            raise Rejected(
                "What would be announced of it is too large.", code="too-large", fix="Shorten it and redrive."
            )
    waiting = Pending(lead_id, event_id, tokens, arrival.record, arrival.stored, fingerprint=arrival.fingerprint)
    if not work.wait(waiting):
        repeated(work, arrival)


def waited(transaction: Transaction, row: loading.Stored) -> Arrival:
    return Arrival(as_record(transaction, row), stored=True, fingerprint=row.fingerprint)


def as_record(transaction: Transaction, row: loading.Stored) -> Record:
    event = TOPICS[row.topic].parse(row.value)
    return Record(row.topic, row.partition, row.offset, None, row.value, (), transaction.now, event)


def nameless(record: Record) -> Record:
    return record._replace(value=without_person(record.value) or b"{}")
