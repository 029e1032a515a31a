"""Receipts: capture reads its own topic, and so knows of each sender what the log has; no crash can change that.

A receipt is a row for each event, written in the transaction that moves this reader on. What has a receipt was accepted; the
same event again is a duplicate; the same id with other content is a conflict. An event is read as far as a receipt needs, which
costs half of what understanding all of it does. What is no event is counted and passed over: those who work with events set it
aside, and keep it, already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson
from pydantic import ValidationError

from services.capture import storage
from services.capture.domain.reconciliation import KINDS, LogCount, LogKey, quarter_of
from services.capture.instruments import ReceiptInstruments
from services.capture.storage import Receipt
from shared.contracts.erasure_events import ErasureOrdered
from shared.contracts.personal import REDACTED
from shared.contracts.topics import CAPTURE_LEADS
from shared.kit.database import Transaction
from shared.kit.records import Record
from shared.kit.redaction import redact_naming

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_NAME = 200
IN_TIME = timedelta(minutes=30)
"""From the beginning of a quarter of an hour on, how long what is received in it may take to the log and be no news: the
quarter itself, and what waits for a broker that is slow, without a spool."""


def read(value: bytes) -> Receipt | None:
    """The receipt of a record, or None where its bytes are no event. What looks unusual is read as everybody else does."""
    try:
        event = orjson.loads(value)
        receipt = _receipt(event)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        receipt = None
    if receipt is not None:
        return receipt
    try:
        event = CAPTURE_LEADS.parse(value).model_dump(mode="json", exclude_none=True)
        return _receipt(event)
    except (ValidationError, ValueError, KeyError, TypeError, OverflowError):
        return None


def _receipt(event: dict[str, Any]) -> Receipt | None:
    recorded_at = event.pop("recorded_at")
    if event["occurred_at"] == recorded_at:
        del event["occurred_at"]  # nobody said when it happened: the same payload an hour later says the same
    event_id = event["event_id"]
    if event["schema_version"] != 1 or _UUID.fullmatch(event_id) is None:
        return None
    minute = recorded_at[:16] if recorded_at.endswith("Z") else _utc_minute(recorded_at)
    of = _log_key(minute, event["sender"], event["business_unit"], event["event"])
    return Receipt(event_id, digest(event), of)


def digest(event: dict[str, Any]) -> int:
    """64 bits that tell one content from another, whatever the order of its fields."""
    content = orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)


def _utc_minute(text: str) -> str:
    """A time as it travels to the minute, UTC. Raises `ValueError` for what is none."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("no offset")
    return at.astimezone(UTC).isoformat()[:16]


@lru_cache(maxsize=4096)
def _log_key(minute: str, sender: str, unit: str, event: str) -> LogKey:
    """What an event counts for: few keys for many events. Raises `ValueError`, `KeyError` or `TypeError` for what is none."""
    if not (_is_name(sender) and _is_name(unit)):
        raise ValueError("no name")
    return LogKey(quarter_of(datetime.fromisoformat(f"{minute}:00+00:00")), sender, unit, KINDS[event])


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_NAME and "\x00" not in value


class Batch:
    """What a batch of records adds to what is known."""

    def __init__(self, known: dict[str, int]) -> None:
        self._known = known
        self.new: list[Receipt] = []
        self.late: dict[tuple[int, datetime], tuple[int, datetime]] = {}
        self.counts: dict[LogKey, LogCount] = {}

    def add(self, receipt: Receipt) -> bool:
        """Counts a record. Whether its event is there for the first time."""
        count = self.counts.get(receipt.of)
        if count is None:
            count = self.counts[receipt.of] = LogCount()
        count.published += 1
        before = self._known.get(receipt.event_id)
        if before is None:
            self._known[receipt.event_id] = receipt.digest
            self.new.append(receipt)
            count.accepted += 1
            return True
        count.duplicates += 1
        count.conflicts += before != receipt.digest
        return False

    def note_late(self, quarter: datetime, record: Record) -> None:
        """Keeps where the last record is that came late of what was received in a quarter of an hour."""
        place = (record.partition, quarter)
        offset, at = self.late.get(place, (record.offset, record.timestamp))
        self.late[place] = (max(offset, record.offset), max(at, record.timestamp))


class Receipts:
    """Capture's side of what it publishes itself."""

    def __init__(self, instruments: ReceiptInstruments) -> None:
        self._instruments = instruments

    async def handle(self, tx: Transaction, records: Sequence[Record]) -> None:
        """One batch: a look at what is known, the new receipts, the counts of their quarters."""
        captured = []
        for record in records:
            if isinstance(record.event, ErasureOrdered):
                await self.on_erasure_ordered(tx, record)
            else:
                captured.append(record)
        ids = {record.event.event_id for record in captured if record.event is not None}
        batch = Batch(await storage.known_digests(tx, ids))
        for record in captured:
            self.on_captured(tx, batch, record)
        await storage.add_receipts(tx, batch.new)
        await storage.add_log_counts(tx, batch.counts)
        if batch.late:
            await storage.add_late(tx, batch.late)

    def on_captured(self, tx: Transaction, batch: Batch, record: Record) -> None:
        """A lead or an interaction is on the log, perhaps not for the first time."""
        if record.event is None:
            self._instruments.unreadable.inc()
            return
        if record.timestamp - record.event.of.quarter > IN_TIME:
            batch.note_late(record.event.of.quarter, record)
        if not batch.add(record.event):
            tx.mark_duplicate(record)

    async def on_erasure_ordered(self, tx: Transaction, record: Record) -> None:
        """Somebody is to be forgotten: quarantine and dead letters keep nothing of them. Receipts name nobody."""
        order: ErasureOrdered = record.event
        if not await storage.erase(tx, order):
            tx.mark_duplicate(record)
        await redact_naming(tx, [*map(str, order.lead_ids), *order.tokens], order.until, REDACTED)


OnEvent = Callable[..., Any]
"""A method of `Receipts` for one kind of event."""
