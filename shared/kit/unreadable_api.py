"""Partitions that stand still because what comes next cannot be read, over HTTP: look, and decide to go on behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from shared.kit import positions
from shared.kit.consumer import Consumer
from shared.kit.database import Database, Transaction
from shared.kit.errors import Rejected
from shared.kit.logs import log
from shared.kit.problems import JSONAnswer

router = APIRouter(prefix="/v1/unreadable", tags=["dead letters"])

SKIPPED_AT_MOST = 10_000


class Skip(BaseModel):
    """What to give up: everything of a partition from where the service stands to before this offset."""

    topic: str
    partition: Annotated[int, Field(ge=0)]
    before_offset: Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True)
class _Unread:
    """A record of which only its place is known."""

    topic: str
    partition: int
    offset: int
    timestamp: int = 0


def _parts(request: Request) -> tuple[Database, Consumer]:
    return request.app.state.database, request.app.state.consumer


@router.get("", summary="Partitions of this process that cannot be read on, and where they stand")
async def listing(request: Request) -> Response:
    """Those this process has; another replica has its own."""
    database, consumer = _parts(request)
    rows = await database.rows(f"SELECT topic, partition, next_offset FROM {database.schema}.consumer_offsets")
    stored = {(row.topic, row.partition): row.next_offset for row in rows}
    items: list[dict[str, Any]] = [
        {"topic": place[0], "partition": place[1], "next_offset": stored.get(place)}
        for place in sorted(consumer.unreadable)
    ]
    return JSONAnswer({"items": items})


@router.post(":skip", summary="Give up what cannot be read, each record on the books as a dropped dead letter")
async def skip(request: Request, body: Skip) -> Response:
    """Only where this process cannot read on. An unreadable batch is given up as a whole: with an offset in its midst
    the partition stays where it is, and can be moved further."""
    database, consumer = _parts(request)
    place = (body.topic, body.partition)
    if place not in consumer.unreadable:
        raise Rejected(
            "This process has no such partition, or can read it.",
            status=409,
            code="readable",
            fix="Ask the replica that has the partition; skip only what its list of unreadable partitions shows.",
        )

    async def work(transaction: Transaction) -> int:
        return await _skip(transaction, consumer, body)

    skipped = await database.run(work)
    consumer.try_unreadable_again()
    log().warning("records_skipped", topic=body.topic, partition=body.partition, count=skipped)
    return JSONAnswer({"topic": body.topic, "partition": body.partition, "skipped": skipped})


async def _skip(transaction: Transaction, consumer: Consumer, body: Skip) -> int:
    place = (body.topic, body.partition)
    last = _Unread(body.topic, body.partition, body.before_offset - 1)
    stands_at = (await positions.lock(transaction, [last], consumer.beginnings))[place]
    count = body.before_offset - stands_at
    furthest = min(stands_at + SKIPPED_AT_MOST, (await consumer.ends([place]))[place])
    if not stands_at < body.before_offset <= furthest:
        raise Rejected(
            f"That would skip {count} records; the service stands at offset {stands_at}.",
            field="before_offset",
            fix=f"Name an offset from {stands_at + 1} to {furthest}: what has not come yet cannot be skipped.",
        )
    await transaction.execute(
        f"""
        INSERT INTO {transaction.schema}.dead_letters (topic, partition, record_offset, record_timestamp, headers, stage,
            reason, detail, recorded_at, attempts, status, settled_at)
        SELECT :topic, :partition, skipped, 'epoch', '[]', 'read', 'unreadable', 'skipped by hand', :now, 1, 'dropped', :now
        FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS skipped
        ON CONFLICT (topic, partition, record_offset) DO UPDATE
            SET status = excluded.status, stage = excluded.stage, reason = excluded.reason, detail = excluded.detail, key = NULL,
                value = NULL, headers = excluded.headers, event_id = NULL, record_timestamp = excluded.record_timestamp,
                recorded_at = excluded.recorded_at, settled_at = excluded.settled_at""",
        {
            "topic": body.topic,
            "partition": body.partition,
            "first": stands_at,
            "last": last.offset,
            "now": transaction.now,
        },
    )
    await positions.advance(transaction, [last], {place: positions.Tally(records=count, dead_lettered=count)})
    return count
