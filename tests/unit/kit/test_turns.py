"""From which partitions a batch is taken where more waits than it can hold."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError
from hypothesis import given
from hypothesis import strategies as st

from shared.kit.turns import Records, Turns

TOPICS = ("captured", "scored", "erased")
CAPTURED, SCORED, ERASED = ([TopicPartition(topic, number) for number in range(3)] for topic in TOPICS)


class Log:
    """A client: how much each partition has, and how much of it has arrived here. It empties one partition after the other."""

    def __init__(self, ends: dict[TopicPartition, int], arrived: dict[TopicPartition, int] | None = None) -> None:
        self.ends = ends
        self.arrived = {**ends, **(arrived or {})}
        self.next = dict.fromkeys(ends, 0)
        self.lost: set[TopicPartition] = set()
        self.sought: set[TopicPartition] = set()

    def assignment(self) -> set[TopicPartition]:
        return set(self.ends)

    def highwater(self, partition: TopicPartition) -> int | None:
        return self.ends[partition] or None

    async def position(self, partition: TopicPartition) -> int:
        if partition in self.lost:
            raise IllegalStateError
        if partition in self.sought:
            await asyncio.Event().wait()
        return self.next[partition]

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int, max_records: int) -> Records:
        found: dict[TopicPartition, list[int]] = {}
        for one in partitions or self.ends:
            take = min(self.arrived[one] - self.next[one], max_records)
            if take:
                found[one] = list(range(self.next[one], self.next[one] + take))
                self.next[one] += take
                max_records -= take
        return found


def take(log: Log, turns: Turns | None = None, most: int = 100, first: Sequence[str] = ()) -> Records:
    turns = turns or Turns(log, TOPICS, first)
    return asyncio.run(turns.take(timeout_ms=0, max_records=most))


def test_what_fits_is_taken_whole_in_the_order_in_which_it_follows() -> None:
    log = Log({SCORED[1]: 5, SCORED[0]: 5, CAPTURED[1]: 40, CAPTURED[0]: 50})
    found = take(log)
    assert {one: len(records) for one, records in found.items()} == log.ends
    assert list(found) == [CAPTURED[0], CAPTURED[1], SCORED[0], SCORED[1]]


def test_what_comes_after_a_while_is_waited_for_and_taken_whole() -> None:
    class Slow(Log):
        async def getmany(self, *partitions: TopicPartition, timeout_ms: int, max_records: int) -> Records:
            if timeout_ms:
                self.ends = self.arrived = {CAPTURED[0]: 30, SCORED[0]: 20}
            return await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)

    log = Slow(dict.fromkeys((CAPTURED[0], SCORED[0]), 0))
    turns = Turns(log, TOPICS)
    found = asyncio.run(turns.take(timeout_ms=5, max_records=100))
    assert {one: len(records) for one, records in found.items()} == log.ends


def test_nothing_is_looked_for_where_nothing_came() -> None:
    assert take(Log({CAPTURED[0]: 0, SCORED[0]: 0})) == {}


def test_of_what_does_not_fit_one_number_gives_the_same_part_of_each_topic() -> None:
    log = Log({SCORED[0]: 1000, CAPTURED[0]: 3000, CAPTURED[1]: 4000})
    found = take(log)
    assert {one: len(records) for one, records in found.items()} == {CAPTURED[0]: 75, SCORED[0]: 25}


def test_numbers_take_turns_and_share_a_batch_that_one_does_not_fill() -> None:
    log = Log({CAPTURED[0]: 60, CAPTURED[1]: 500, CAPTURED[2]: 500})
    turns = Turns(log, TOPICS)
    taken = [{one.partition: len(records) for one, records in take(log, turns).items()} for _ in range(4)]
    assert taken == [{0: 60, 1: 40}, {1: 100}, {2: 100}, {1: 100}]


def test_what_follows_does_not_overtake_what_has_not_arrived() -> None:
    log = Log({CAPTURED[0]: 900, SCORED[0]: 900}, arrived={CAPTURED[0]: 10})
    found = take(log)
    assert len(found[CAPTURED[0]]) == 10
    assert len(found[SCORED[0]]) == 10


def test_what_follows_is_taken_where_what_comes_first_cannot_be_had() -> None:
    log = Log({CAPTURED[0]: 900, SCORED[0]: 900}, arrived={CAPTURED[0]: 0})
    assert {one: len(records) for one, records in take(log).items()} == {SCORED[0]: 100}


def test_a_thin_topic_is_not_held_back_behind_a_backlog() -> None:
    log = Log({CAPTURED[0]: 100_000, SCORED[0]: 3, ERASED[0]: 2, CAPTURED[1]: 100_000, SCORED[1]: 3})
    turns = Turns(log, TOPICS)
    for _ in range(6):
        assert sum(map(len, take(log, turns, most=500).values())) == 500
    assert {one: log.next[one] for one in (SCORED[0], ERASED[0], SCORED[1])} == {
        SCORED[0]: 3,
        ERASED[0]: 2,
        SCORED[1]: 3,
    }


def test_what_follows_from_nothing_is_taken_before_all_else_whatever_its_number() -> None:
    log = Log(
        {CAPTURED[0]: 900, SCORED[0]: 900, CAPTURED[1]: 900, ERASED[1]: 7, ERASED[2]: 20}, arrived={CAPTURED[0]: 0}
    )
    found = take(log, first=("erased",))
    assert {one: len(records) for one, records in found.items()} == {CAPTURED[1]: 73, ERASED[1]: 7, ERASED[2]: 20}


def test_what_follows_from_nothing_fills_half_a_batch_at_most_where_something_else_waits() -> None:
    log = Log({CAPTURED[0]: 900, ERASED[0]: 900, ERASED[1]: 900})
    turns = Turns(log, TOPICS, ("erased",))
    taken = [{one: len(records) for one, records in take(log, turns).items()} for _ in range(2)]
    assert taken == [{CAPTURED[0]: 50, ERASED[0]: 50}, {CAPTURED[0]: 50, ERASED[1]: 50}]
    assert {one.topic for one in take(Log({ERASED[0]: 900}), first=("erased",))} == {"erased"}


def test_partitions_that_are_being_taken_away_do_not_stop_the_others() -> None:
    log = Log({CAPTURED[0]: 900, SCORED[0]: 900})
    log.lost.add(CAPTURED[0])
    assert sum(map(len, take(log).values())) == 100


async def test_a_partition_without_a_position_is_waited_for_once_and_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = Log({CAPTURED[0]: 900, SCORED[0]: 900, CAPTURED[1]: 900, SCORED[1]: 300}, arrived={CAPTURED[0]: 0})
    log.sought.add(CAPTURED[0])
    turns = Turns(log, TOPICS)
    monkeypatch.setattr("shared.kit.turns.POSITION_SECONDS", 0.01)
    first = await turns.take(timeout_ms=0, max_records=100)
    monkeypatch.setattr("shared.kit.turns.POSITION_SECONDS", 60.0)
    async with asyncio.timeout(10):
        second = await turns.take(timeout_ms=0, max_records=100)
    monkeypatch.setattr("shared.kit.turns.POSITION_SECONDS", 0.0)
    taken = [{one: len(records) for one, records in found.items()} for found in (first, second)]
    assert taken == [{SCORED[0]: 100}, {CAPTURED[1]: 75, SCORED[1]: 25}]
    log.sought.clear()
    log.arrived[CAPTURED[0]] = 900
    assert CAPTURED[0] in await turns.take(timeout_ms=0, max_records=100)


@given(
    ends=st.lists(st.integers(0, 400), min_size=9, max_size=9),
    first=st.sampled_from([(), ("erased",)]),
    sizes=st.lists(st.integers(1, 120), min_size=1, max_size=8),
)
def test_every_record_is_taken_once_in_order_and_no_batch_is_too_large(
    ends: Sequence[int], first: Sequence[str], sizes: Sequence[int]
) -> None:
    log = Log(dict(zip([*CAPTURED, *SCORED, *ERASED], ends, strict=True)))
    turns = Turns(log, TOPICS, first)
    taken: dict[TopicPartition, list[int]] = {one: [] for one in log.ends}

    async def drain() -> None:
        for most in itertools.cycle(sizes):
            found = await turns.take(timeout_ms=0, max_records=most)
            if not found:
                break
            assert sum(map(len, found.values())) <= most
            for partition, records in found.items():
                taken[partition] += records

    asyncio.run(drain())
    assert taken == {one: list(range(end)) for one, end in log.ends.items()}


@pytest.mark.parametrize("most", [50, 500])
def test_no_topic_runs_ahead_of_another(most: int) -> None:
    ends = dict.fromkeys(CAPTURED, 2700) | dict.fromkeys(SCORED, 900)
    log = Log(ends)
    turns = Turns(log, TOPICS)

    async def drain() -> None:
        while await turns.take(timeout_ms=0, max_records=most):
            for captured, scored in zip(CAPTURED, SCORED, strict=True):
                assert log.next[scored] / 900 <= log.next[captured] / 2700 + 1 / 900

    asyncio.run(drain())
    assert log.next == ends
