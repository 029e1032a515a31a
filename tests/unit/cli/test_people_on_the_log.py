"""What the log still has of a person, and by when it is gone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.cli.people.log import AtDoor, Remainder, look, says_who
from tests.unit.capture.fakes import lead

UNTIL = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
IN_TIME = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
LATE = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
KEEPS = timedelta(days=31)
WHO = "8b0f4a8e-2b5c-5c0e-9d0b-5d1c8f0a7b31"
EVERYTHING_ON_THE_LOG = AtDoor(IN_TIME, {}, {0: 500}, waits=False)


class Partition:
    """A partition of 500 records, of which those from 100 on came after half past nine."""

    begins = 0

    async def beginning_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, self.begins)

    async def end_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 500)

    async def offsets_for_times(self, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, Any]:
        assert set(times.values()) == {int(IN_TIME.timestamp() * 1000) + 1}
        return dict.fromkeys(times, SimpleNamespace(offset=100))


async def left(door: AtDoor, partition: Partition | None = None) -> Remainder:
    async def ask() -> AtDoor:
        return door

    reader = cast(AIOKafkaConsumer, partition or Partition())
    (found,) = await look(reader, [0], {WHO}, set(), UNTIL, KEEPS, ask, search=False, patience_seconds=0.0)
    return found


async def test_what_was_received_by_then_ends_where_the_log_had_it_in_time() -> None:
    found = await left(EVERYTHING_ON_THE_LOG)
    assert (found.last, found.gone_by, found.may_come) == (99, IN_TIME + KEEPS, False)


async def test_what_came_late_moves_the_end_and_the_day() -> None:
    found = await left(replace(EVERYTHING_ON_THE_LOG, late={0: (321, LATE), 1: (400, LATE + timedelta(days=9))}))
    assert (found.last, found.gone_by) == (321, LATE + KEEPS)


async def test_nothing_is_gone_while_something_waits() -> None:
    partition = Partition()
    partition.begins = 500
    assert (await left(EVERYTHING_ON_THE_LOG, partition)).is_gone
    found = await left(replace(EVERYTHING_ON_THE_LOG, waits=True), partition)
    assert not found.is_gone
    assert found.gone_by > datetime.now(UTC) + KEEPS - timedelta(minutes=1)


async def test_what_capture_has_not_read_may_be_late() -> None:
    found = await left(replace(EVERYTHING_ON_THE_LOG, read={0: 499}))
    assert found.last == 499
    assert found.gone_by > datetime.now(UTC) + KEEPS - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("said", "who"),
    [
        ({"lead_id": WHO}, False),
        ({"lead_id": WHO, "personal": {}, "attributes": {}, "consents": []}, False),
        ({"personal": {"name": "Ada"}}, True),
        ({"value": "/ada"}, True),
        ({"attributes": {"employees": 3}}, True),
        ({"company": "Analytical Engines"}, True),
        ({"consents": [{"purpose": "mail", "granted": True}]}, False),
        ({"consents": [{"purpose": "mail", "granted": True, "proof": "call 17"}]}, True),
    ],
)
def test_a_record_says_who_it_is_about_by_all_that_may_not_stay_of_somebody(said: dict[str, Any], who: bool) -> None:
    document = {"event": "LeadCaptured", "recorded_at": "2026-03-02T09:00:00Z", **said}
    assert says_who(json.dumps(document).encode(), UNTIL) is who
    assert not says_who(json.dumps({**document, "recorded_at": "2026-03-02T10:00:00Z"}).encode(), UNTIL)


def test_what_nobody_can_read_may_say_anything_and_what_is_captured_says_who() -> None:
    assert says_who(b"\xff", UNTIL)
    assert says_who(lead({"email": "ada@example.com"}).to_json(), UNTIL)
