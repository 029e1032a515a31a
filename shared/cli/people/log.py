"""What the log still has of a person, and when it will be gone: the one copy that goes by time and not by command.

The log dates a record by when it came there, and what waited in a spool or in an uploaded file came later than it was received. So
capture is asked what came late, how far it has read the log, and what still waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from shared.cli.http import CommandFailed
from shared.cli.settings import servers
from shared.contracts.personal import without_person
from shared.contracts.topics import CAPTURE_LEADS
from shared.kit.producer import partition_of
from shared.kit.records import content_of

SILENCE_SECONDS = 30.0
READING_SECONDS = 10.0
"""How long capture is waited for to have read the log as far as it went when it was looked at."""

A_WEEK = timedelta(days=7)
"""How long a broker fills one segment unless it is told otherwise: retention removes a segment when all of it is old."""


@dataclass(frozen=True, slots=True)
class AtDoor:
    """What capture tells of events received up to a moment. All are on the log by `in_time_until`, but for the `late`: by partition,
    the last one's offset and time, as far as capture has `read` each. While something `waits`, more may come."""

    in_time_until: datetime
    late: Mapping[int, tuple[int, datetime]]
    read: Mapping[int, int]
    waits: bool


Ask = Callable[[], Awaitable[AtDoor]]


def at_door(told: Mapping[str, Any], until: datetime) -> AtDoor:
    """Capture's answer, read."""
    uploads = (one for one in told["uploads"] if one["deleted_at"] is None)
    heard = (one["records"] > 0 or datetime.fromisoformat(one["noted_at"]) < until for one in told["spools"])
    return AtDoor(
        datetime.fromisoformat(told["in_time_until"]),
        {one["partition"]: (one["offset"], datetime.fromisoformat(one["at"])) for one in told["late"]},
        {int(partition): offset for partition, offset in told["read_up_to"].items()},
        any(True for _ in uploads) or any(heard),
    )


@dataclass(frozen=True, slots=True)
class Remainder:
    """One partition: what it may hold of a person ends at `last`, and is gone when the log begins behind that, unless more
    `may_come`. `named` is how many records do name the person, None where nobody looked."""

    partition: int
    begins: int
    last: int
    gone_by: datetime
    named: int | None = None
    may_come: bool = False

    @property
    def is_gone(self) -> bool:
        """Whether retention has removed it, or nothing was there."""
        return not self.may_come and (self.begins > self.last or self.named == 0)


async def remainders(
    lead_ids: Collection[str], tokens: Collection[str], until: datetime, ask: Ask, *, search: bool
) -> list[Remainder]:
    """The partitions of a person's ids. `ask` asks capture. With `search` every record there is looked at. Raises
    `CommandFailed`."""
    address = servers().kafka_bootstrap
    reader = AIOKafkaConsumer(bootstrap_servers=address, group_id=None, enable_auto_commit=False)
    try:
        async with asyncio.timeout(60 if not search else None):
            await reader.start()
            numbers, keeps = await _topic(address)
            return await look(reader, numbers, set(lead_ids), set(tokens), until, keeps, ask, search=search)
    except (KafkaError, OSError, TimeoutError) as error:
        raise CommandFailed(
            f"The log at {address} cannot be looked at ({type(error).__name__}).",
            "Bring the broker back, and ask again.",
        ) from None
    finally:
        await reader.stop()


async def look(
    reader: AIOKafkaConsumer,
    numbers: list[int],
    lead_ids: set[str],
    tokens: set[str],
    until: datetime,
    keeps: timedelta,
    ask: Ask,
    *,
    search: bool,
    patience_seconds: float = READING_SECONDS,
) -> list[Remainder]:
    """The same, by a reader that is connected, of a topic with these partitions that keeps a record so long."""
    places = {TopicPartition(CAPTURE_LEADS.name, partition_of(one.encode(), numbers, numbers)) for one in lead_ids}
    if not places:
        return []
    begins = await reader.beginning_offsets(list(places))
    ends = await reader.end_offsets(list(places))
    door = await _read_so_far(ask, {place.partition: end for place, end in ends.items()}, patience_seconds)
    in_time = {place: int(door.in_time_until.timestamp() * 1000) + 1 for place in places}
    later = await reader.offsets_for_times(in_time)
    now = datetime.now(UTC)
    found = []
    for place in sorted(places):
        number, end, behind = place.partition, ends[place], later.get(place)
        named, at = None, min(door.in_time_until, now)
        last = (behind.offset if behind is not None and behind.offset >= 0 else end) - 1
        if search:
            last, when, named = await _named(reader, place, begins[place], end, lead_ids | tokens, until)
            at = when or until
        elif door.waits or door.read.get(number, 0) < end:
            last, at = end - 1, now
        elif number in door.late:
            late_offset, late_at = door.late[number]
            last, at = max(last, late_offset), max(at, late_at)
        found.append(Remainder(number, begins[place], last, (now if door.waits else at) + keeps, named, door.waits))
    return found


async def _read_so_far(ask: Ask, ends: Mapping[int, int], patience_seconds: float) -> AtDoor:
    """What capture tells once it has read the log to these ends, or after a while."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience_seconds
    while True:
        door = await ask()
        if all(door.read.get(number, 0) >= end for number, end in ends.items()) or loop.time() > give_up_at:
            return door
        await asyncio.sleep(0.5)


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
            if record.offset < end and any(word in value for word in words) and says_who(value, until):
                last, at, count = record.offset, datetime.fromtimestamp(record.timestamp / 1000, UTC), count + 1
        position = records[-1].offset + 1 if records else await reader.position(place)
    return last, at, count


_NOTHING: tuple[object, ...] = (None, "", {}, [])


def says_who(value: bytes, until: datetime) -> bool:
    """Whether a record was received by then and has more than what may stay of somebody who was erased. What nobody can read
    may say anything."""
    try:
        document = content_of(value)
        kept = content_of(without_person(value))
        says = any(said not in _NOTHING and kept.get(name) != said for name, said in document.items())
        return says and datetime.fromisoformat(document["recorded_at"]) <= until
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
