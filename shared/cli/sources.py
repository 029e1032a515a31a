"""Where lifecycle events are read again: the log, or pipeline's history. Page by page, each with where to go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.cli.http import CommandFailed, ServiceClient
from shared.contracts.topics import PIPELINE_LIFECYCLE
from shared.kit.records import content_of

PAGE = 1_000
SILENCE_SECONDS = 30.0

Page = tuple[list[dict[str, Any]], Any]
"""Events, and after what to go on."""


async def from_pipeline(client: ServiceClient, after: Any) -> AsyncIterator[Page]:
    """Pipeline's history by lead and event."""
    while True:
        page = await client.post("/v1/audit/events", {"after": after, "limit": PAGE})
        after = page["next"]
        yield page["events"], after
        if after is None:
            return


async def from_log(address: str, after: Any) -> AsyncIterator[Page]:
    """The lifecycle topic from its first record, or from where somebody was, to where it ended when this began. What nobody can
    read is passed over, as it is no fact."""
    consumer = AIOKafkaConsumer(
        PIPELINE_LIFECYCLE.name, bootstrap_servers=address, group_id=None, enable_auto_commit=False,
        auto_offset_reset="earliest", request_timeout_ms=15_000,
    )  # fmt: skip
    await consumer.start()
    try:
        places = sorted(consumer.assignment())
        ends = await consumer.end_offsets(places)
        begins = await consumer.beginning_offsets(places)
        at = {place: max(int((after or {}).get(str(place.partition), 0)), begins[place]) for place in places}
        for place, position in at.items():
            consumer.seek(place, position)
        loop = asyncio.get_running_loop()
        heard_at = loop.time()
        while left := [place for place in places if at[place] < ends[place]]:
            events: list[dict[str, Any]] = []
            for place, records in (await consumer.getmany(*left, timeout_ms=500, max_records=PAGE)).items():
                events += [event for record in records if (event := _event(record.value)) is not None]
                at[place] = records[-1].offset + 1
                heard_at = loop.time()
            if loop.time() - heard_at > SILENCE_SECONDS:
                raise CommandFailed(
                    "The log sends no record before its end.", "Look at the broker, then run this again."
                )
            yield events, _positions(at)
    finally:
        await consumer.stop()


def _positions(at: dict[TopicPartition, int]) -> dict[str, int]:
    return {str(place.partition): position for place, position in at.items()}


def _event(value: bytes | None) -> dict[str, Any] | None:
    try:
        found = content_of(value)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
