"""The log itself, read from its first record to an end that was fixed before, by a consumer that belongs to no group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from aiokafka import ConsumerRecord, TopicPartition

from shared.cli.audit.ledger import Cell, Entry, Ledger
from shared.cli.http import CommandFailed
from shared.cli.settings import KAFKA_BOOTSTRAP, servers
from shared.cli.topic import OpenTopic
from shared.kit.records import content_of

BATCH = 2_000


def bootstrap() -> str:
    """The broker's address: the environment's, else the embedded run's."""
    address = servers().kafka_bootstrap
    if not address:
        raise CommandFailed("It is not known where the log is.", f"Set {KAFKA_BOOTSTRAP} to the broker's address.")
    return address


class TopicLog:
    """One topic, whole. `ends` is where its partitions ended when it was opened; nothing after that is looked at."""

    def __init__(self, topic: OpenTopic, name: str) -> None:
        self._topic = topic
        self._name = name
        self.ends = topic.ends
        self._begins = topic.begins

    @property
    def total(self) -> int:
        """How many records there are to read."""
        return sum(max(end - self._begins[place], 0) for place, end in self.ends.items())

    def go_on(self, ledger: Ledger) -> None:
        """Takes up the ends that an audit that was stopped had fixed, and where it was; fixes them for one that begins. Raises
        `CommandFailed` where the log does not reach so far."""
        kept = ledger.kept("ends")
        if kept is not None:
            self.ends = {TopicPartition(self._name, int(number)): end for number, end in kept.items()}
            if any(end > self._topic.ends.get(place, 0) for place, end in self.ends.items()):
                raise CommandFailed(
                    f"The topic {self._name} is shorter than it was when this audit began: it is another log.",
                    "`leadflow audit --fresh` begins anew.",
                )
        else:
            ledger.keep("ends", {str(place.partition): end for place, end in self.ends.items()})
            ledger.keep("begins", {str(place.partition): begin for place, begin in self._begins.items()})
        begins = ledger.kept("begins")
        self._begins = {place: int(begins.get(str(place.partition), 0)) for place in self.ends}

    async def read(self, ledger: Ledger, on_progress: Callable[[int], None]) -> None:
        """Every record before the ends, into the ledger, from where it was stopped. `on_progress` is told how many have been
        read."""
        kept = ledger.kept("positions", {})
        positions = {place: max(int(kept.get(str(place.partition), 0)), begin) for place, begin in self._begins.items()}
        async for batch in self._topic.batches(positions, self.ends, BATCH):
            with ledger.together():
                for place, records in batch.items():
                    self._enter(records, self.ends[place], ledger)
                    positions[place] = min(records[-1].offset + 1, self.ends[place])
                ledger.keep("positions", {str(place.partition): at for place, at in positions.items()})
            on_progress(sum(positions.values()) - sum(self._begins.values()))
        ledger.write()

    def _enter(self, records: Sequence[ConsumerRecord], end: int, ledger: Ledger) -> None:
        entries: list[Entry] = []
        cells: list[Cell] = []
        for record in records:
            if record.offset >= end:
                break
            entry = entry_of(record.value)
            day = datetime.fromtimestamp(record.timestamp / 1000, UTC).toordinal()
            if entry is None:
                ledger.add_unreadable((record.partition, record.offset), day)
            else:
                entries.append(entry)
                cells.append((record.partition, day))
        ledger.add(entries, cells)


def entry_of(value: bytes | None) -> Entry | None:
    """The lead's and the event's id in a record, None where there are none to read."""
    try:
        document = content_of(value)
        event_id = UUID(document["event_id"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    try:
        return UUID(document["lead_id"]), event_id
    except (ValueError, TypeError, KeyError, AttributeError):
        return UUID(int=0), event_id
