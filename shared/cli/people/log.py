"""What the log still has of a person, and when it will be gone: the one copy that goes by time and not by command."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from shared.cli.http import CommandFailed
from shared.cli.settings import servers
from shared.contracts.topics import CAPTURE_LEADS
from shared.kit.producer import partition_of
from shared.kit.records import content_of

SILENCE_SECONDS = 30.0
A_WEEK = timedelta(days=7)
"""How long a broker fills one segment unless it is told otherwise: retention removes a segment when all of it is old."""


@dataclass(frozen=True, slots=True)
class Remainder:
    """One partition: what it may hold of a person ends at `last`, and is gone when the log begins behind that. `named` is
    how many records do name the person, None where nobody looked."""

    partition: int
    begins: int
    last: int
    gone_by: datetime
    named: int | None = None

    @property
    def is_gone(self) -> bool:
        """Whether retention has removed it, or nothing was there."""
        return self.begins > self.last or self.named == 0


async def remainders(
    lead_ids: Collection[str], tokens: Collection[str], until: datetime, *, search: bool
) -> list[Remainder]:
    """The partitions of a person's ids. With `search` every record there is looked at. Raises `CommandFailed`."""
    address = servers().kafka_bootstrap
    reader = AIOKafkaConsumer(bootstrap_servers=address, group_id=None, enable_auto_commit=False)
    try:
        async with asyncio.timeout(60 if not search else None):
            await reader.start()
            numbers, keeps = await _topic(address)
            return await _look(reader, numbers, set(lead_ids), set(tokens), until, keeps, search=search)
    except (KafkaError, OSError, TimeoutError) as error:
        raise CommandFailed(
            f"The log at {address} cannot be looked at ({type(error).__name__}).",
            "Bring the broker back, and ask again.",
        ) from None
    finally:
        await reader.stop()


async def _look(
    reader: AIOKafkaConsumer,
    numbers: list[int],
    lead_ids: set[str],
    tokens: set[str],
    until: datetime,
    keeps: timedelta,
    *,
    search: bool,
) -> list[Remainder]:
    places = {TopicPartition(CAPTURE_LEADS.name, partition_of(one.encode(), numbers, numbers)) for one in lead_ids}
    if not places:
        return []
    begins = await reader.beginning_offsets(list(places))
    ends = await reader.end_offsets(list(places))
    later = await reader.offsets_for_times({place: int(until.timestamp() * 1000) + 1 for place in places})
    found = []
    for place in sorted(places):
        behind = later.get(place)
        last = (behind.offset if behind is not None and behind.offset >= 0 else ends[place]) - 1
        gone_by, named = until + keeps, None
        if search:
            last, at, named = await _named(reader, place, begins[place], ends[place], lead_ids | tokens, until)
            gone_by = (at or until) + keeps
        found.append(Remainder(place.partition, begins[place], last, gone_by, named))
    return found


async def _named(
    reader: AIOKafkaConsumer, place: TopicPartition, begin: int, end: int, names: set[str], until: datetime
) -> tuple[int, datetime | None, int]:
    """The last record that says who one of these names is and was recorded by then, when the log got it, how many there are."""
    last, at, count, position = begin - 1, None, 0, begin
    reader.assign([place])
    reader.seek(place, begin)
    words = [name.encode() for name in names]
    while position < end:
        batch = await asyncio.wait_for(reader.getmany(place, timeout_ms=5_000), SILENCE_SECONDS)
        records = batch.get(place, [])
        for record in records:
            value = record.value or b""
            if record.offset < end and any(word in value for word in words) and _says_who(value, until):
                last, at, count = record.offset, datetime.fromtimestamp(record.timestamp / 1000, UTC), count + 1
        position = records[-1].offset + 1 if records else await reader.position(place)
    return last, at, count


def _says_who(value: bytes, until: datetime) -> bool:
    try:
        document = content_of(value)
        return bool(document.get("personal")) and datetime.fromisoformat(document["recorded_at"]) <= until
    except (ValueError, TypeError, KeyError, AttributeError, orjson.JSONDecodeError):
        return True


async def _topic(address: str) -> tuple[list[int], timedelta]:
    """The topic's partitions, and how long a record may stay: its retention, and the time that a segment stays open."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=10_000)
    await admin.start()
    try:
        (described,) = await admin.describe_topics([CAPTURE_LEADS.name])
        numbers = sorted(one["partition"] for one in described["partitions"])
        if not numbers:
            raise UnknownTopicOrPartitionError
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, CAPTURE_LEADS.name)])
        said = {setting[0]: setting[1] for answer in answers for entry in answer.resources for setting in entry[4]}
    finally:
        await admin.close()
    retention = int(said.get("retention.ms") or -1)
    if retention < 0:
        raise CommandFailed(
            f"{CAPTURE_LEADS.name} is kept for ever by this broker, and so is personal data.",
            "Set retention.ms on it; `leadflow doctor` says to what.",
        )
    segment = said.get("segment.ms")
    keeps = timedelta(milliseconds=retention) + (timedelta(milliseconds=int(segment)) if segment else A_WEEK)
    return numbers, keeps
