"""Records that can never be processed, kept with everything needed to mend and redrive them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from shared.kit.database import Database, Transaction
from shared.kit.errors import Rejected, Stopped
from shared.kit.positions import Placed
from shared.kit.records import content_of, moment

MAX_FAULTS = 1_000
"""More faults in one record than this are counted, not told."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record, original bytes and all, and why it ended here. `stage` is `parse` or `handle`."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    event_id: UUID | None
    stage: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Budget:
    """How many dead letters a service may make in a window of time. More than that is no bad record, it is a bad deploy:
    the consumer stops and leaves the log as it is, until dead letters were settled or the window has passed."""

    records: int
    window: timedelta

    async def room(self, source: Database | Transaction, now: datetime) -> int:
        """How many more there may be."""
        (recent,) = await source.rows(
            f"SELECT count(*) AS n FROM {source.schema}.dead_letters WHERE status = 'open' AND recorded_at > :since",
            since=now - self.window,
        )
        return self.records - int(recent.n)


class OverBudget(Stopped):
    """More dead letters than the budget has room for. `letters` are those of the batch, `room` is what was left."""

    def __init__(self, budget: Budget, letters: Sequence[DeadLetter], room: int) -> None:
        super().__init__(
            f"{budget.records - room + len(letters)} records could not be processed within {budget.window}, more than the "
            f"budget of {budget.records}: this looks like a fault of this service, not of the records. What is over the "
            "budget was not changed. Mend or roll back the service; it goes on when half of the budget is free again, as "
            "by settling the dead letters or when the window has passed."
        )
        self.letters = letters
        self.room = room

    def fitting(self, batch: Sequence[Placed]) -> Sequence[Placed]:
        """The beginning of the batch that is within the budget."""
        bad = {(letter.topic, letter.partition, letter.offset) for letter in self.letters}
        seen = 0
        for index, record in enumerate(batch):
            seen += (record.topic, record.partition, record.offset) in bad
            if seen > self.room:
                return batch[:index]
        return batch


def describe(error: Exception) -> tuple[str, str]:
    """A reason to count by and a detail to read. Neither carries what the record said: only places and kinds of fault."""
    if isinstance(error, ValidationError):
        if error.error_count() > MAX_FAULTS:  # each would take a kilobyte to tell
            return "invalid", f"{error.error_count()} faults"
        faults = [
            f"{'.'.join(str(step) for step in fault['loc']) or 'value'}: {fault['type']}"
            for fault in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        return "invalid", "; ".join(faults[:20])
    if isinstance(error, Rejected):
        return "rejected", f"{error.code}: {error.field or ''}"
    original = getattr(error, "orig", None)
    state = getattr(original, "sqlstate", None)
    if state is not None:
        return "database", f"{type(original).__name__} {state}"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""
    return "bug", f"{type(error).__name__}{place}"


def event_id_of(value: bytes | None) -> UUID | None:
    """The event id that a record's bytes claim, where they are readable at all."""
    try:
        return UUID(content_of(value)["event_id"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _bytes(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


async def keep(transaction: Transaction, letters: Sequence[DeadLetter], budget: Budget) -> None:
    """Stores dead letters. Raises `OverBudget` where there is no room for all of them."""
    if not letters:
        return
    schema = transaction.schema
    room = await budget.room(transaction, transaction.now)
    if len(letters) > room:
        raise OverBudget(budget, letters, room)
    await transaction.set_wise(
        f"""
        INSERT INTO {schema}.dead_letters (topic, partition, record_offset, record_timestamp, key, value, headers, event_id,
            stage, reason, detail, recorded_at, attempts, status)
        SELECT topic, partition, record_offset, record_timestamp, decode(key, 'base64'), decode(value, 'base64'), headers,
            event_id, stage, reason, detail, :now, 1, 'open'
        FROM json_to_recordset(CAST(:rows AS json)) AS r(topic text, partition integer, record_offset bigint,
            record_timestamp timestamptz, key text, value text, headers jsonb, event_id uuid, stage text, reason text, detail text)
        ON CONFLICT (topic, partition, record_offset) DO UPDATE
            SET status = 'open', settled_at = NULL, attempts = dead_letters.attempts + 1, recorded_at = excluded.recorded_at,
                stage = excluded.stage, reason = excluded.reason, detail = excluded.detail, key = excluded.key,
                value = excluded.value, headers = excluded.headers, event_id = excluded.event_id,
                record_timestamp = excluded.record_timestamp""",
        [_row(letter) for letter in letters],
        now=transaction.now,
    )


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "topic": letter.topic,
        "partition": letter.partition,
        "record_offset": letter.offset,
        "record_timestamp": moment(letter.timestamp),
        "key": _bytes(letter.key),
        "value": _bytes(letter.value),
        "headers": [[_printable(name), _bytes(value)] for name, value in letter.headers],
        "event_id": letter.event_id,
        "stage": letter.stage,
        "reason": letter.reason,
        "detail": _printable(letter.detail[:2000]),
    }


def _printable(name: Any) -> str:
    text = name if isinstance(name, str) else str(name)
    return text.encode("utf-8", "replace").decode().replace("\x00", "�")
