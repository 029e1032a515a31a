"""Records that can never be processed, kept with everything needed to mend and redrive them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from shared.kit.database import Transaction
from shared.kit.errors import Rejected, Stopped
from shared.kit.records import moment


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
    the consumer stops and leaves the log as it is."""

    records: int
    window: timedelta


def describe(error: Exception) -> tuple[str, str]:
    """A reason to count by and a detail to read. Neither carries what the record said: only places and kinds of fault."""
    if isinstance(error, ValidationError):
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
        return UUID(orjson.loads(value or b"")["event_id"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _bytes(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


async def keep(transaction: Transaction, letters: Sequence[DeadLetter], budget: Budget) -> None:
    """Stores dead letters. Raises `Stopped` where that would go over the budget."""
    if not letters:
        return
    schema = transaction.schema
    recent = await transaction.rows(
        f"SELECT count(*) AS n FROM {schema}.dead_letters WHERE status = 'open' AND recorded_at > :since",
        since=transaction.now - budget.window,
    )
    if recent[0].n + len(letters) > budget.records:
        raise Stopped(
            f"{recent[0].n + len(letters)} records could not be processed within {budget.window}, more than the budget of "
            f"{budget.records}: this looks like a fault of this service, not of the records. Nothing of this batch was "
            "changed. Mend or roll back the service; then settle the dead letters or wait for the window to pass."
        )
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
                stage = excluded.stage, reason = excluded.reason, detail = excluded.detail""",
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
