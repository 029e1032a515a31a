"""Quarantine at the door: what a known sender sent and cannot be taken is kept for a while, to be mended and released.

The sender is answered as if there were none; its answer only carries the entry's id besides. Entries are written a little
later, so that nobody waits for the database. Bounds: a payload, what waits in memory, what the table holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson

from services.capture import storage
from services.capture.bookkeeping import Books
from services.capture.domain import Kind, Reason, Submission, entry_id
from services.capture.instruments import QuarantineInstruments
from services.capture.storage import Quarantined
from shared.kit.database import Transaction
from shared.kit.errors import Rejected

MAX_PAYLOAD_BYTES = 256 * 1024
"""Beyond, only the beginning is kept: enough to see what it was, too little to release it."""

MAX_ANYBODYS_BYTES = 8 * 1024
"""What anybody can send, such as a public form, is kept up to this size, and only while a tenth of the room is not taken: else
a stranger could fill it, and what senders send would find none."""

DELIVERY = "delivery"
"""The kind of an entry that is a whole delivery; the others are leads and interactions."""

MAX_WAITING_ENTRIES = 10_000
MAX_WAITING_BYTES = 32 * 1024 * 1024
ENTRY_BYTES = 2_000
"""About what an entry takes in memory besides its payload."""

_NOT_SUBMITTED = ("sender", "received_at")


class Sent(NamedTuple):
    """A payload and the way it came: a JSON value, or the bytes that are none, what the sender calls it, and whether anybody
    could have sent it."""

    kind: Kind
    payload: object
    submission: Submission
    key: str | None
    from_anybody: bool = False


class Whole(NamedTuple):
    """A delivery that its adapter could not read: whose, to which unit and channel it came, and the way it came."""

    sender: str
    business_unit: str
    channel: str
    received_at: datetime
    way: Mapping[str, object]
    key: str | None


class Understood(NamedTuple):
    """What could be understood of a payload: by which identities it names somebody, and where it belongs."""

    identities: Sequence[str] = ()
    business_unit: str | None = None
    channel: str | None = None


NOTHING_UNDERSTOOD = Understood()


class Quarantine:
    """Where the door puts what it cannot take."""

    def __init__(
        self, books: Books, instruments: QuarantineInstruments, new_id: Callable[[], UUID], *, max_bytes: int
    ) -> None:
        self._book = books.book("quarantine", _add, max_entries=MAX_WAITING_ENTRIES, max_bytes=MAX_WAITING_BYTES)
        self._instruments = instruments
        self._new_id = new_id
        self._room = max_bytes
        self.max_bytes = max_bytes

    def measured(self, kept_bytes: int) -> None:
        """What the table holds now, by its own count."""
        self._room = self.max_bytes - kept_bytes

    def keep(
        self, sent: Sent, error: Rejected, reason: Reason, understood: Understood = NOTHING_UNDERSTOOD
    ) -> Rejected:
        """The error that was refused with, and in it the id of the entry, where one is kept."""
        submission, payload = sent.submission, sent.payload
        written = payload if isinstance(payload, bytes) else encoded(payload)
        kept = (written or b"")[:MAX_PAYLOAD_BYTES]
        if sent.from_anybody and not self._keeps_of_anybody(len(written or b"")):
            self._instruments.not_kept.labels(reason).inc()
            return error
        key = _storable(sent.key)
        named = key is not None or (isinstance(payload, Mapping) and payload.get("record_id") is not None)
        name = entry_id(submission.sender, sent.kind, key or "", kept) if named else self._new_id()
        entry = Quarantined(
            id=name,
            received_at=submission.received_at,
            sender=submission.sender,
            business_unit=understood.business_unit,
            channel=understood.channel,
            kind=sent.kind,
            reason=reason,
            faults=faults_of(error),
            submission={name: value for name, value in asdict(submission).items() if name not in _NOT_SUBMITTED},
            size_bytes=len(written or b""),
            whole=written is not None and len(written) == len(kept),
            key=key,
            payload=kept,
            identities=list(understood.identities),
        )
        return self._note(entry, error)

    def keep_whole(self, whole: Whole, body: bytes, error: Rejected, reason: Reason) -> Rejected:
        """The same for a delivery; the same bytes again from the same sender are one entry."""
        kept, key = body[:MAX_PAYLOAD_BYTES], _storable(whole.key)
        entry = Quarantined(
            id=entry_id(whole.sender, DELIVERY, key or "", kept),
            received_at=whole.received_at,
            sender=whole.sender,
            business_unit=whole.business_unit,
            channel=whole.channel,
            kind=DELIVERY,
            reason=reason,
            faults=faults_of(error),
            submission=dict(whole.way),
            size_bytes=len(body),
            whole=len(body) == len(kept),
            key=key,
            payload=kept,
            identities=[],
        )
        return self._note(entry, error)

    async def written(self, within_seconds: float) -> bool:
        """Whether what was kept until now is in the database by then."""
        return await self._book.written(within_seconds)

    def _keeps_of_anybody(self, size: int) -> bool:
        return size <= MAX_ANYBODYS_BYTES and self._room - size >= self.max_bytes - self.max_bytes // 10

    def _note(self, entry: Quarantined, error: Rejected) -> Rejected:
        size = len(entry.payload)
        if self._room < size or not self._book.note(entry, size_bytes=size + ENTRY_BYTES):
            self._instruments.not_kept.labels(entry.reason).inc()
            return error
        self._room -= size
        self._instruments.quarantined.labels(entry.kind, entry.reason).inc()
        error.extra["quarantine_id"] = str(entry.id)
        return error


async def _add(tx: Transaction, entries: Sequence[Quarantined]) -> None:
    await storage.add_quarantined(tx, entries)
    await storage.leave_out_erased(tx, [entry.id for entry in entries])


def faults_of(error: Rejected) -> list[dict[str, str]]:
    """What was refused, one entry a field."""
    if listed := error.extra.get("errors"):
        return [dict(fault) for fault in listed]
    fix = error.fix or ""
    if names := error.extra.get("differs"):
        return [{"field": name, "fault": "is not what was taken before", "fix": fix} for name in names]
    return [{"field": error.field or "body", "fault": error.detail, "fix": fix}]


def encoded(payload: object) -> bytes | None:
    """JSON, also of what the fast writer refuses: halves of surrogate pairs, huge numbers, deep nesting. None where it
    cannot be written at all."""
    try:
        return orjson.dumps(payload)
    except orjson.JSONEncodeError:
        pass
    try:
        return json.dumps(payload).encode()
    except (RecursionError, TypeError, ValueError):
        return None


def _storable(key: str | None) -> str | None:
    if key is None or ("\x00" not in key and key.isprintable()):
        return key
    return key.replace("\x00", "").encode("utf-8", "replace").decode()
