"""Where lifecycle events are read again: the log, or pipeline's history. Page by page, each with where to go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from aiokafka import TopicPartition

from shared.cli.http import ServiceClient
from shared.cli.topic import open_topic
from shared.contracts.topics import PIPELINE_LIFECYCLE
from shared.kit.records import content_of

PAGE = 1_000

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
    async with open_topic(address, PIPELINE_LIFECYCLE.name) as topic:
        at = {
            place: max(int((after or {}).get(str(place.partition), 0)), begin) for place, begin in topic.begins.items()
        }
        async for batch in topic.batches(at, topic.ends, PAGE):
            events: list[dict[str, Any]] = []
            for place, records in batch.items():
                events += [event for record in records if (event := _event(record.value)) is not None]
                at[place] = records[-1].offset + 1
            yield events, _positions(at)


def _positions(at: dict[TopicPartition, int]) -> dict[str, int]:
    return {str(place.partition): position for place, position in at.items()}


def _event(value: bytes | None) -> dict[str, Any] | None:
    try:
        found = content_of(value)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
