"""Records that do not come from Leadflow: written into its topics directly, as a stranger with access could."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaProducer

from shared.contracts.topics import CAPTURE_LEADS
from tests.faults.harness.world import World
from tests.support.patience import eventually

ROOM_BYTES = 1_040_000


class Raw(NamedTuple):
    """What is written. `timestamp` is the record's own, in milliseconds; None leaves it to the client."""

    topic: str
    value: bytes | None
    key: bytes | None = b"raw"
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp: int | None = None


class Written(NamedTuple):
    """Where it is."""

    partition: int
    offset: int


async def write(world: World, records: Sequence[Raw]) -> list[Written]:
    """Writes records; the log has them when this returns."""
    producer = AIOKafkaProducer(bootstrap_servers=world.kafka.bootstrap, acks="all", max_request_size=ROOM_BYTES)
    await producer.start()
    try:
        waiting = [
            await producer.send(one.topic, one.value, one.key, timestamp_ms=one.timestamp, headers=list(one.headers))
            for one in records
        ]
        done = [await one for one in waiting]
    finally:
        await producer.stop()
    return [Written(one.partition, one.offset) for one in done]


def an_id(chance: random.Random) -> str:
    """An id that nobody else has."""
    return str(UUID(int=chance.getrandbits(128), version=4))


def a_lead(chance: random.Random, **own: Any) -> dict[str, Any]:
    """The event of a lead that nothing identifies, as capture would have written it now."""
    event_id = an_id(chance)
    now = datetime.now(UTC).isoformat()
    return {
        "event": "LeadCaptured",
        "event_id": event_id,
        "lead_id": an_id(chance),
        "business_unit": "europe",
        "occurred_at": now,
        "recorded_at": now,
        "correlation_id": event_id,
        "sender": "stranger",
        "channel": "web_form",
        **own,
    }


def captured(lead: dict[str, Any], **given: Any) -> Raw:
    """A lead's event as a record on capture's topic."""
    return Raw(CAPTURE_LEADS.name, json.dumps(lead).encode(), **given)


async def all_counted(world: World, event_ids: Sequence[str], within_seconds: float = 30.0) -> None:
    """Waits until each of these captured events is a fact, once."""

    async def counted() -> bool:
        rows = await world.rows(
            "SELECT causation_id::text, count(*) FROM metrics.facts "
            "WHERE event IN ('LeadCreated', 'LeadTouched') AND causation_id::text = ANY(%s) GROUP BY 1",
            list(event_ids),
        )
        assert all(times == 1 for _, times in rows), "counted twice"
        return len(rows) == len(set(event_ids))

    await eventually(counted, within_seconds=within_seconds, every_seconds=0.1)
