"""Dead letters over HTTP: look, mend, try again, give up. The same on every service that consumes."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import Row
from starlette.responses import Response

from shared.kit.consumer import Consumer
from shared.kit.database import Database, RacedWrite, Transaction
from shared.kit.dead_letters import describe
from shared.kit.errors import Rejected
from shared.kit.problems import JSONAnswer
from shared.kit.records import Record
from shared.kit.transient import is_transient

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

COLUMNS = "id, topic, partition, record_offset, record_timestamp, event_id, stage, reason, detail, recorded_at, attempts, status"


class Redrive(BaseModel):
    """What to process instead of the original bytes; absent, the original bytes are tried again."""

    value: Annotated[str, Field(max_length=1_000_000)] | None = None


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "topic": row.topic,
        "partition": row.partition,
        "offset": row.record_offset,
        "timestamp": row.record_timestamp,
        "event_id": row.event_id,
        "stage": row.stage,
        "reason": row.reason,
        "detail": row.detail,
        "recorded_at": row.recorded_at,
        "attempts": row.attempts,
        "status": row.status,
    }


def _parts(request: Request) -> tuple[Database, Consumer]:
    return request.app.state.database, request.app.state.consumer


@router.get("", summary="Dead letters, oldest first, without what they said")
async def listing(
    request: Request,
    status: Literal["open", "redriven", "dropped"] = "open",
    cursor: Annotated[int, Query(ge=0, description="The last id of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """One page."""
    database, _ = _parts(request)
    rows = await database.rows(
        f"SELECT {COLUMNS} FROM {database.schema}.dead_letters WHERE status = :status AND id > :cursor ORDER BY id LIMIT :limit",
        status=status,
        cursor=cursor,
        limit=limit,
    )
    following = rows[-1].id if len(rows) == limit else None
    return JSONAnswer({"items": [_shown(row) for row in rows], "next_cursor": following})


@router.get("/{letter_id}", summary="One dead letter with its original bytes")
async def one(request: Request, letter_id: int) -> Response:
    """The record as it was: `value` as text where it is text, and always as base64."""
    database, _ = _parts(request)
    row = await _find(database, letter_id)
    value = bytes(row.value) if row.value is not None else None
    return JSONAnswer(
        {
            **_shown(row),
            "key": None if row.key is None else bytes(row.key).decode("utf-8", "backslashreplace"),
            "value": None if value is None else value.decode("utf-8", "backslashreplace"),
            "value_base64": None if value is None else base64.b64encode(value).decode(),
            "headers": row.headers,
        }
    )


@router.post("/{letter_id}:redrive", summary="Process a dead letter again, mended or as it was")
async def redrive(request: Request, letter_id: int, body: Redrive | None = None) -> Response:
    """In one transaction: either it is processed and settled, or it stays as it is and the answer says why."""
    database, consumer = _parts(request)
    mended = body.value.encode() if body is not None and body.value is not None else None

    async def work(transaction: Transaction) -> str:
        return await _redrive(transaction, consumer, letter_id, mended)

    try:
        outcome = await database.run(work)
    except Rejected:
        raise
    except Exception as error:
        if is_transient(error):
            raise
        reason, detail = describe(error)
        raise Rejected(
            f"It still cannot be processed ({reason}: {detail}). It stays a dead letter.",
            status=409,
            code="still-dead",
            fix="Mend the service, or send a corrected record as `value`.",
        ) from None
    return JSONAnswer({"id": letter_id, "status": "redriven", "outcome": outcome})


@router.post("/{letter_id}:drop", summary="Give a dead letter up; it stays on record as dropped")
async def drop(request: Request, letter_id: int) -> Response:
    """Settles it without processing. It is still counted as dead-lettered."""
    database, _ = _parts(request)

    async def work(transaction: Transaction) -> None:
        await _open(transaction, letter_id)
        await _settle(transaction, letter_id, "dropped")

    await database.run(work)
    return JSONAnswer({"id": letter_id, "status": "dropped"})


async def _find(database: Database, letter_id: int) -> Row[Any]:
    rows = await database.rows(
        f"SELECT {COLUMNS}, key, value, headers FROM {database.schema}.dead_letters WHERE id = :id", id=letter_id
    )
    if not rows:
        raise Rejected(f"There is no dead letter {letter_id}.", status=404, code="not-found")
    return rows[0]


async def _hold_place(transaction: Transaction, letter_id: int) -> None:
    """The partition's row before everything else, as the consumer does: so the two never wait for each other in a ring."""
    await transaction.execute(
        f"""SELECT 1 FROM {transaction.schema}.consumer_offsets o JOIN {transaction.schema}.dead_letters d USING (topic, partition)
            WHERE d.id = :id FOR UPDATE OF o""",
        {"id": letter_id},
    )


async def _open(transaction: Transaction, letter_id: int, *, held: bool = True) -> Row[Any]:
    rows = await transaction.rows(
        f"""SELECT {COLUMNS}, key, value FROM {transaction.schema}.dead_letters WHERE id = :id
            {"FOR UPDATE" if held else ""}""",
        id=letter_id,
    )
    if not rows:
        raise Rejected(f"There is no dead letter {letter_id}.", status=404, code="not-found")
    if rows[0].status != "open":
        raise Rejected(f"Dead letter {letter_id} is {rows[0].status} already.", status=409, code="settled")
    return rows[0]


async def _settle(transaction: Transaction, letter_id: int, status: str) -> None:
    await transaction.execute(
        f"UPDATE {transaction.schema}.dead_letters SET status = :status, settled_at = :now, attempts = attempts + 1 WHERE id = :id",
        {"id": letter_id, "status": status, "now": transaction.now},
    )


async def _redrive(transaction: Transaction, consumer: Consumer, letter_id: int, mended: bytes | None) -> str:
    """The letter is held after all that it is about, as erasures hold it: one that was settled or made to say less meanwhile is
    read again."""
    await _hold_place(transaction, letter_id)
    row = await _open(transaction, letter_id, held=False)
    value = mended if mended is not None else bytes(row.value or b"")
    event = consumer.topics[row.topic](value)
    key = bytes(row.key) if row.key is not None else None
    record = Record(row.topic, row.partition, row.record_offset, key, value, (), datetime.now(UTC), event)
    await consumer.processor.redrive(transaction, record)
    if (await _open(transaction, letter_id)).value != row.value:
        raise RacedWrite
    outcome = "duplicates" if transaction.duplicates else "waiting" if transaction.waiting else "facts"
    await transaction.execute(
        f"UPDATE {transaction.schema}.consumer_offsets SET dead_lettered = dead_lettered - 1, {outcome} = {outcome} + 1 "
        "WHERE topic = :topic AND partition = :partition",
        {"topic": row.topic, "partition": row.partition},
    )
    await _settle(transaction, letter_id, "redriven")
    return outcome
