"""The fence: where a consumer stands in each partition, kept in the transaction that does the work.

Kafka's committed offsets are for lag monitoring only. What was done is known here, so a redelivery is dropped, a jump is
never followed, and a consumer that lost its partitions cannot write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

from shared.kit.database import Transaction
from shared.kit.errors import Stopped
from shared.kit.records import NO_MOMENT, Record, moment

Place = tuple[str, int]
"""A topic and a partition."""

Beginnings = Callable[[Collection[Place]], Awaitable[Mapping[Place, int]]]
"""Where the log of each of these partitions begins."""


class Placed(Protocol):
    """A raw record at its place, as the Kafka client hands it out. Timestamps are milliseconds since 1970."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...


P = TypeVar("P", bound=Placed)

_place: Callable[[Any], Place] = attrgetter("topic", "partition")


@dataclass(slots=True)
class Claim(Generic[P]):
    """What of a batch is this consumer's to do now, and where the log was not where it should have been."""

    take: list[P] = field(default_factory=list)
    dropped: int = 0
    seek_back: dict[Place, int] = field(default_factory=dict)


def enforce(batch: Iterable[P], stored: Mapping[Place, int]) -> Claim[P]:
    """Below the stored offset: dropped, it was done. At it: taken, and the next one is expected. Above it: the rest of the
    partition is discarded and has to be read again from where it should have gone on."""
    claim: Claim[P] = Claim()
    expected = dict(stored)
    for place, following in groupby(batch, _place):
        records = list(following)
        begins = expected[place]
        if place not in claim.seek_back and _goes_on(records, begins):
            claim.take += records
            expected[place] = begins + len(records)
            continue
        for record in records:
            if place in claim.seek_back:
                continue
            if record.offset < expected[place]:
                claim.dropped += 1
            elif record.offset == expected[place]:
                claim.take.append(record)
                expected[place] = record.offset + 1
            else:
                claim.seek_back[place] = expected[place]
    return claim


def _goes_on(records: Sequence[Placed], begins: int) -> bool:
    """Whether these are the very next ones, as nearly always."""
    return [one.offset for one in records] == list(range(begins, begins + len(records)))


def last_of(records: Sequence[P]) -> dict[Place, P]:
    """The last record of each partition."""
    return dict(zip(map(_place, records), records, strict=True))


async def lock(
    transaction: Transaction, batch: Sequence[Placed], beginnings: Beginnings | None = None
) -> dict[Place, int]:
    """Locks this service's rows for the batch's partitions, in order, and returns the offsets they stand at. A partition
    seen for the first time begins where its log does: Kafka may remember a place further on that this database, new or
    restored, has never reached."""
    first: dict[Place, int] = {}
    for place, following in groupby(batch, _place):
        first.setdefault(place, next(following).offset)
    rows = _rows(first)
    select = f"""
        SELECT o.topic, o.partition, o.next_offset, o.record_timestamp
        FROM {transaction.schema}.consumer_offsets o
        JOIN json_to_recordset(CAST(:rows AS json)) AS r(topic text, partition integer) USING (topic, partition)
        ORDER BY o.topic, o.partition FOR UPDATE OF o"""
    found = await transaction.set_wise(select, rows)
    if len(found) < len(rows):
        if beginnings is not None:
            strange = first.keys() - {(row.topic, row.partition) for row in found}
            begins = await beginnings(sorted(strange))
            first |= {place: min(first[place], begins.get(place, first[place])) for place in strange}
        await transaction.set_wise(
            f"""
            INSERT INTO {transaction.schema}.consumer_offsets
                (topic, partition, first_offset, next_offset, facts, duplicates, waiting, dead_lettered, record_timestamp, updated_at)
            SELECT topic, partition, first, first, 0, 0, 0, 0, 'epoch', :now
            FROM json_to_recordset(CAST(:rows AS json)) AS r(topic text, partition integer, first bigint)
            ORDER BY topic, partition ON CONFLICT DO NOTHING""",
            _rows(first),
            now=transaction.now,
        )
        found = await transaction.set_wise(select, rows)
    _recognise(transaction.schema, batch, first, {(row.topic, row.partition): row for row in found})
    return {(row.topic, row.partition): row.next_offset for row in found}


def _recognise(schema: str, batch: Iterable[Placed], first: Mapping[Place, int], found: Mapping[Place, Any]) -> None:
    """Raises `Stopped` where the record at the place of the last one that was done was written after it: then the topic
    was created anew, and offsets say nothing about what was done."""
    read_again = {place for place, row in found.items() if first[place] < row.next_offset}
    for record in batch if read_again else ():
        row = found[record.topic, record.partition]
        if record.offset == row.next_offset - 1 and moment(record.timestamp) > row.record_timestamp > NO_MOMENT:
            raise Stopped(
                f"{record.topic} partition {record.partition} holds another record at offset {record.offset} than the one "
                "that this service has done there: the topic was created anew, or this is another cluster. Nothing of it "
                f"was taken. To read it from its beginning, delete the topic's rows of {schema}.consumer_offsets and restart."
            )


def _rows(first: Mapping[Place, int]) -> list[dict[str, str | int]]:
    return [{"topic": topic, "partition": number, "first": offset} for (topic, number), offset in sorted(first.items())]


@dataclass(frozen=True, slots=True)
class Tally:
    """How the records of one partition ended, in one transaction."""

    records: int = 0
    duplicates: int = 0
    waiting: int = 0
    dead_lettered: int = 0

    @property
    def facts(self) -> int:
        """Records that changed something."""
        return self.records - self.duplicates - self.waiting - self.dead_lettered


def tally(
    taken: Sequence[Placed], duplicates: Iterable[Record], waiting: Iterable[Record], dead: Iterable[Placed]
) -> dict[Place, Tally]:
    """Counts per partition; each record ends exactly one way."""
    counts = [Counter(map(_place, ending)) for ending in (taken, duplicates, waiting, dead)]
    return {place: Tally(*(count[place] for count in counts)) for place in counts[0]}


async def advance(transaction: Transaction, taken: Sequence[Placed], tallies: Mapping[Place, Tally]) -> None:
    """Moves the locked rows past the taken records and adds how they ended."""
    rows = [
        {
            "topic": place[0],
            "partition": place[1],
            "next": record.offset + 1,
            "at": moment(record.timestamp),
            "facts": tallies[place].facts,
            "duplicates": tallies[place].duplicates,
            "waiting": tallies[place].waiting,
            "dead": tallies[place].dead_lettered,
        }
        for place, record in sorted(last_of(taken).items())
    ]
    await transaction.set_wise(
        f"""
        UPDATE {transaction.schema}.consumer_offsets o
        SET next_offset = r.next, record_timestamp = r.at, updated_at = :now, facts = o.facts + r.facts,
            duplicates = o.duplicates + r.duplicates, waiting = o.waiting + r.waiting,
            dead_lettered = o.dead_lettered + r.dead
        FROM json_to_recordset(CAST(:rows AS json)) AS r(topic text, partition integer, next bigint, at timestamptz,
            facts bigint, duplicates bigint, waiting bigint, dead bigint)
        WHERE o.topic = r.topic AND o.partition = r.partition""",
        rows,
        now=transaction.now,
    )
